/** `maniac/channel`: both ends in one environment, across Workers, blocking, and however Workers end. */
import { AsyncLocalStorage } from "node:async_hooks";
import { type ExecFileException, execFile } from "node:child_process";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import test from "ava";
import type * as channel from "maniac/channel";
import { closeHandle, mpsc, oneshot, Receiver, Sender, spsc } from "maniac/channel";

const ourModule = pathToFileURL(createRequire(import.meta.url).resolve("maniac/channel")).href;
const CLOSED = { code: "ERR_MANIAC_CHANNEL_CLOSED" };
const KINDS = { mpsc, spsc };

interface There {
  readonly worker: Worker;
  /** The first message. */
  readonly said: Promise<unknown>;
  /** Its exit code. */
  readonly ended: Promise<number>;
}

/** A Worker that runs `body`, which sees the module as `channel`, its data as `data`, and `tell(message)`. */
function start(body: string, data: unknown): There {
  const source = `
    const { parentPort, workerData: data } = require("node:worker_threads");
    const tell = (message) => parentPort.postMessage(message);
    import(${JSON.stringify(ourModule)}).then(async (channel) => { ${body} });
  `;
  const worker = new Worker(source, { eval: true, workerData: data });
  const once = <T>(event: string): Promise<T> =>
    new Promise((resolve, reject) => worker.once(event, resolve).once("error", reject));
  const said = once<unknown>("message");
  said.catch(() => undefined);
  return { worker, said, ended: once("exit") };
}

for (const [kind, make] of Object.entries(KINDS)) {
  test(`${kind}: values arrive in order, cloned`, async (t) => {
    const { sender, receiver } = make<unknown>(64);
    const shared = new Uint8Array([1, 2, 3]);
    const values = [
      undefined,
      null,
      5n,
      -0,
      "text",
      new Map([[1, new Set(["x"])]]),
      new Date(0),
      /x/g,
      { shared, again: shared, view: new DataView(new ArrayBuffer(4), 1, 2) },
      new Error("kept"),
      Buffer.from("bytes"),
      new Float64Array([1.5]),
    ];
    for (const value of values) await sender.send(value);
    shared[0] = 9;
    for (const value of values) {
      const got = await receiver.recv();
      if (value instanceof Error) t.is((got as Error).message, "kept");
      else if (value !== null && typeof value === "object" && "shared" in value) {
        const { shared: mine, view } = got as typeof value & { shared: Uint8Array; view: DataView };
        t.deepEqual([...mine], [1, 2, 3], "cloned when it was sent");
        t.is(mine.buffer.byteLength, 3, "its memory is its own");
        t.is(view.byteLength, 2);
      } else t.deepEqual(got, value);
    }
  });

  test(`${kind}: what was sent before the end is received, then it ends`, async (t) => {
    const { sender, receiver } = make<number>(64);
    await sender.send(1);
    t.true(sender.trySend(2));
    sender.close();
    sender.close();
    t.true(sender.closed);
    await t.throwsAsync(sender.send(3), CLOSED);
    t.throws(() => sender.trySend(3), CLOSED);
    const got: number[] = [];
    for await (const value of receiver) got.push(value);
    t.deepEqual(got, [1, 2]);
    await t.throwsAsync(receiver.recv(), CLOSED);
    t.throws(() => receiver.tryRecv(), CLOSED);
  });

  test(`${kind}: a full channel makes its sender wait, and a closed receiver tells it`, async (t) => {
    const { sender, receiver } = make<number>(64);
    let room = 0;
    while (sender.trySend(room)) room++;
    t.is(room, 64);
    const waiting = [sender.send(64), sender.send(65)];
    t.false(sender.trySend(66), "nobody overtakes those who wait");
    for (let value = 0; value < 66; value++) t.is(await receiver.recv(), value);
    await Promise.all(waiting);
    while (sender.trySend(0));
    const late = sender.send(1);
    receiver.close();
    await t.throwsAsync(late, CLOSED);
    t.true(sender.closed);
  });

  test(`${kind}: a wait that is aborted sends and receives nothing`, async (t) => {
    const { sender, receiver } = make<number>(64);
    const aborted = { name: "AbortError", code: "ABORT_ERR" };
    await t.throwsAsync(receiver.recv({ signal: AbortSignal.abort() }), aborted);
    const first = new AbortController();
    const [left, stays] = [receiver.recv({ signal: first.signal }), receiver.recv()];
    first.abort("why");
    t.is(((await t.throwsAsync(left, aborted)) as Error).cause, "why");
    await sender.send(1);
    t.is(await stays, 1);
    for (let value = 0; sender.trySend(value); value++);
    const second = new AbortController();
    const [gone, kept] = [sender.send(-1, { signal: second.signal }), sender.send(-2)];
    second.abort();
    await t.throwsAsync(gone, aborted);
    for (let value = 0; value < 64; value++) t.is(await receiver.recv(), value);
    await kept;
    t.is(await receiver.recv(), -2);
    t.is(receiver.tryRecv(), undefined);
  });

  test(`${kind}: a Worker's values come here, large ones too`, async (t) => {
    const { sender, receiver } = make<Uint8Array | number>(64);
    const body = `
      const sender = channel.Sender.from(data);
      for (let at = 0; at < 3000; at++) await sender.send(at);
      await sender.send(new Uint8Array(300_000).fill(7));
    `;
    const there = start(body, sender.handle());
    sender.close();
    for (let at = 0; at < 3000; at++) t.is(await receiver.recv(), at);
    const large = (await receiver.recv()) as Uint8Array;
    t.is(large.length, 300_000);
    t.true(large.every((byte) => byte === 7));
    await t.throwsAsync(receiver.recv(), CLOSED, "the Worker's end closed its sender");
    t.is(await there.ended, 0);
  });

  test(`${kind}: a Worker blocks at either end`, async (t) => {
    const [there, back] = [make<number>(64), make<number>(64)];
    const body = `
      const receiver = channel.Receiver.from(data.receiver), sender = channel.Sender.from(data.sender);
      try {
        for (;;) sender.sendBlocking(receiver.recvBlocking() * 2);
      } catch (error) { tell(error.code); }
    `;
    const other = start(body, { receiver: there.receiver.handle(), sender: back.sender.handle() });
    back.sender.close();
    const said = other.said;
    const sending = (async () => {
      for (let at = 0; at < 2000; at++) await there.sender.send(at);
      there.sender.close();
    })();
    for (let at = 0; at < 2000; at++) t.is(await back.receiver.recv(), at * 2);
    await sending;
    t.is(await said, CLOSED.code);
    await other.ended;
  });
}

test("blocking calls are refused on the main thread", (t) => {
  const { sender, receiver } = mpsc<number>(1);
  const code = "ERR_MANIAC_SYNC_AWAIT_MAIN_THREAD";
  t.throws(() => sender.sendBlocking(1), { code });
  t.throws(() => receiver.recvBlocking(), { code });
});

test("blocking calls time out, and refuse to overtake", async (t) => {
  const body = `
    const { sender, receiver } = channel.mpsc(1);
    const codes = [];
    const note = (call) => { try { codes.push(call()); } catch (error) { codes.push(error.code); } };
    note(() => receiver.recvBlocking({ timeout: 5 }));
    note(() => receiver.recvBlocking({ timeout: 0 }));
    sender.sendBlocking("x");
    note(() => sender.sendBlocking("y", { timeout: 5 }));
    note(() => receiver.recvBlocking());
    sender.sendBlocking("z");
    note(() => receiver.recvBlocking({ timeout: 1000 }));
    const waiting = receiver.recv();
    note(() => receiver.recvBlocking());
    sender.trySend("async");
    codes.push(await waiting);
    note(() => receiver.recvBlocking({ timeout: -1 }));
    note(() => receiver.recvBlocking({ timeout: "1" }));
    tell(codes);
  `;
  const there = start(body, undefined);
  t.deepEqual(await there.said, [
    "ERR_MANIAC_TIMEOUT",
    "ERR_MANIAC_TIMEOUT",
    "ERR_MANIAC_TIMEOUT",
    "x",
    "z",
    "ERR_MANIAC_BUSY",
    "async",
    "ERR_OUT_OF_RANGE",
    "ERR_INVALID_ARG_TYPE",
  ]);
  await there.ended;
});

test("many senders in many Workers: nothing is lost, each one's values stay in order", async (t) => {
  const { sender, receiver } = mpsc<[number, number]>(16);
  const body = `
    const sender = channel.Sender.from(data.handle);
    for (let at = 0; at < 500; at++) {
      if (data.number % 2) sender.sendBlocking([data.number, at]);
      else await sender.send([data.number, at]);
    }
  `;
  const workers = Array.from({ length: 6 }, (_, number) => start(body, { handle: sender.handle(), number }));
  const ended = Promise.all(workers.map(({ ended }) => ended));
  sender.close();
  const next = Array<number>(6).fill(0);
  for await (const [number, at] of receiver) {
    if (next[number] !== at) t.fail(`${number} sent ${next[number]}, ${at} came`);
    next[number] = at + 1;
  }
  t.deepEqual(next, Array(6).fill(500));
  t.deepEqual(await ended, Array(6).fill(0));
});

test("oneshot gives one value", async (t) => {
  const { sender, receiver } = oneshot<string>();
  const wait = receiver.recv();
  await sender.send("value");
  t.true(sender.closed);
  await t.throwsAsync(sender.send("another"), CLOSED);
  t.is(await wait, "value");
  await t.throwsAsync(receiver.recv(), CLOSED);
  const unsent = oneshot<string>();
  const never = unsent.receiver.recv();
  unsent.sender.close();
  await t.throwsAsync(never, CLOSED);
  const { sender: there, receiver: here } = oneshot<number>();
  const other = start(`channel.Sender.from(data).sendBlocking(42);`, there.handle());
  t.true(there.closed, "it has moved");
  t.is(await here.recv(), 42);
  await other.ended;
});

test("a handle is opened once, as what it is", async (t) => {
  const { sender, receiver } = mpsc<number>(4);
  const code = "ERR_MANIAC_CHANNEL_HANDLE";
  const handle = receiver.handle();
  await t.throwsAsync(receiver.recv(), CLOSED, "it has moved");
  t.throws(() => receiver.handle(), CLOSED);
  const copy = structuredClone(handle);
  t.throws(() => Sender.from(handle as never), { code });
  t.throws(() => Receiver.from({ ...handle, kind: "spsc" }), { code });
  t.throws(() => Receiver.from({ ...handle, token: "0".repeat(16) }), { code });
  for (const odd of [undefined, null, 5, {}, { ...handle, token: 5 }]) {
    t.throws(() => Receiver.from(odd as never), { code });
  }
  const moved = Receiver.from(copy);
  t.throws(() => Receiver.from(handle), { code });
  t.false(closeHandle(handle));
  await sender.send(1);
  t.is(await moved.recv(), 1);
  t.throws(() => new Sender(Symbol("x") as never, 1, "mpsc"), { instanceOf: TypeError });
});

test("a handle that nobody opens can be closed, and ends with the Worker that made it", async (t) => {
  const { sender, receiver } = mpsc<number>(4);
  const unopened = sender.handle();
  sender.close();
  const wait = receiver.recv();
  t.true(closeHandle(unopened));
  await t.throwsAsync(wait, CLOSED);
  const next = mpsc<number>(4);
  const there = start(`tell(channel.Sender.from(data).handle());`, next.sender.handle());
  next.sender.close();
  const made = (await there.said) as channel.SenderHandle<number>;
  const end = next.receiver.recv();
  await there.worker.terminate();
  await t.throwsAsync(end, CLOSED);
  t.throws(() => Sender.from(made), { code: "ERR_MANIAC_CHANNEL_HANDLE" });
});

test("values that cannot be cloned, and bad arguments, are refused", async (t) => {
  const { sender, receiver } = mpsc<unknown>(4);
  await t.throwsAsync(
    sender.send(() => undefined),
    { message: /could not be cloned/ },
  );
  t.throws(() => sender.trySend(Symbol("x")), { message: /could not be cloned/ });
  await t.throwsAsync(sender.send(1, null as never), { code: "ERR_INVALID_ARG_TYPE" });
  await t.throwsAsync(receiver.recv({ signal: 5 as never }), { code: "ERR_INVALID_ARG_TYPE" });
  t.throws(() => mpsc("1" as never), { code: "ERR_INVALID_ARG_TYPE" });
  for (const capacity of [0, -1, 1.5, 2 ** 29, Number.NaN]) {
    t.throws(() => mpsc(capacity), { code: "ERR_OUT_OF_RANGE" });
  }
  t.throws(() => spsc(262_145), { code: "ERR_OUT_OF_RANGE" });
  t.is(receiver.tryRecv(), undefined);
  t.is(mpsc<number>(2 ** 29 - 1).sender.kind, "mpsc");
});

test("await using closes: a sender after what waits, a receiver at once", async (t) => {
  const { sender, receiver } = mpsc<number>(1);
  const sent = (async () => {
    await using own = sender;
    void own.send(1);
    void own.send(2);
  })();
  const got: number[] = [];
  for await (const value of receiver) got.push(value);
  await sent;
  t.deepEqual(got, [1, 2]);
  const other = mpsc<number>(1);
  {
    await using own = other.receiver;
    t.is(own.tryRecv(), undefined);
  }
  t.true(other.sender.closed);
});

test("leaving a loop leaves the receiver open", async (t) => {
  const { sender, receiver } = mpsc<number>(4);
  for (const value of [1, 2, 3]) await sender.send(value);
  for await (const value of receiver) if (value === 2) break;
  t.is(await receiver.recv(), 3);
});

test("AsyncLocalStorage is the caller's", async (t) => {
  const storage = new AsyncLocalStorage<number>();
  const { sender, receiver } = mpsc<number>(1);
  const there = start(
    `const sender = channel.Sender.from(data); for (let at = 0; at < 9; at++) await sender.send(at);`,
    sender.handle(),
  );
  const one = async (number: number): Promise<void> => {
    await receiver.recv();
    t.is(storage.getStore(), number);
  };
  await Promise.all(Array.from({ length: 9 }, (_, number) => storage.run(number, one, number)));
  await there.ended;
});

test("a fast sender does not keep the event loop from turning", async (t) => {
  const { sender, receiver } = mpsc<number>(4);
  let turned = false;
  setImmediate(() => {
    turned = true;
  });
  for (let at = 0; !turned; at++) {
    if (at > 100_000) break;
    await sender.send(at);
    await receiver.recv();
  }
  t.true(turned);
});

interface Ended {
  readonly code: unknown;
  readonly stdout: string;
  readonly stderr: string;
}

function run(program: string, flags: string[] = []): Promise<Ended> {
  const source = `import * as channel from ${JSON.stringify(ourModule)};${program}`;
  return new Promise((resolve) => {
    const done = (error: ExecFileException | null, stdout: string, stderr: string): void =>
      resolve({ code: error === null ? 0 : error.code, stdout, stderr });
    execFile(process.execPath, [...flags, "--input-type=module", "-e", source], { timeout: 60_000 }, done);
  });
}

test("a process ends while nothing waits at a channel, and with unref also while something does", async (t) => {
  const idle = await run(`const { sender } = channel.mpsc(1); sender.trySend(1); console.log("done");`);
  t.like(idle, { code: 0, stdout: "done\n" }, idle.stderr);
  const unref = await run(`channel.mpsc(1).receiver.unref().recv();`);
  t.like(unref, { code: 0 }, unref.stderr);
  const aborted = await run(`
    const { sender, receiver } = channel.mpsc(1);
    const controller = new AbortController();
    receiver.recv({ signal: controller.signal }).catch((error) => console.log(error.name));
    setTimeout(() => controller.abort(), 20);
  `);
  t.like(aborted, { code: 0, stdout: "AbortError\n" }, aborted.stderr);
});

test("an end that nobody refers to is closed", async (t) => {
  const { code, stdout, stderr } = await run(
    `
    const open = () => { const { sender, receiver } = channel.mpsc(1); sender.trySend(1); return receiver; };
    const receiver = open();
    await receiver.recv();
    const timer = setInterval(() => globalThis.gc(), 5);
    await receiver.recv().catch((error) => console.log(error.code));
    clearInterval(timer);
    `,
    ["--expose-gc"],
  );
  t.like({ code, stdout }, { code: 0, stdout: `${CLOSED.code}\n` }, stderr);
});

test("Workers are ended while they wait and block at either end", async (t) => {
  const bodies = [
    // The handle is opened first: one that a Worker never opened stays open, and this environment's.
    `const receiver = channel.Receiver.from(data.receiver); tell("on"); receiver.recvBlocking();`,
    `const receiver = channel.Receiver.from(data.receiver); tell("on"); await receiver.recv();`,
    `const sender = channel.Sender.from(data.sender); tell("on"); for (;;) sender.sendBlocking(1);`,
    `const sender = channel.Sender.from(data.sender); tell("on"); for (;;) await sender.send(1);`,
  ];
  const end = async (body: string): Promise<void> => {
    const { sender, receiver } = mpsc<number>(2);
    const blocks = body.includes("Receiver");
    const data = blocks ? { receiver: receiver.handle() } : { sender: sender.handle() };
    const there = start(body, data);
    await there.said;
    await there.worker.terminate();
    if (blocks) {
      await t.throwsAsync(async () => {
        for (;;) await sender.send(1);
      }, CLOSED);
    } else {
      sender.close();
      await t.throwsAsync(async () => {
        for (;;) await receiver.recv();
      }, CLOSED);
    }
  };
  await Promise.all([...bodies, ...bodies, ...bodies].map(end));
});
