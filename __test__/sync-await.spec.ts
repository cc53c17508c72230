/** `syncAwait`: results and errors, what it holds back, limits, ends; and pools whose tasks block. */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import test from "ava";
import { syncAwait } from "maniac";
import { mpsc } from "maniac/channel";
import { stat } from "maniac/fs";
import * as net from "maniac/net";
import { Pool, type PoolOptions } from "maniac/pool";
import { run } from "./fakes/subprocess.js";

const filename = new URL("./fixtures/sync-tasks.js", import.meta.url).href;
const make = (options: PoolOptions = {}): Pool =>
  new Pool({ filename, minThreads: 1, maxThreads: 1, spareThreads: 0, ...options });

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "maniac-sync-"));
test.after.always(() => fs.rmSync(folder, { recursive: true, force: true }));
let count = 0;
const place = (): string => fs.mkdtempSync(path.join(folder, "place-"));

/** A pipe that nobody writes to. */
function pipe(): string {
  const name = path.join(folder, `pipe-${count++}`);
  execFileSync("mkfifo", [name]);
  return name;
}

const shared = (): Int32Array => new Int32Array(new SharedArrayBuffer(16));

async function reached(words: Int32Array, at: number, least: number): Promise<void> {
  while (Atomics.load(words, at) < least) await new Promise((resolve) => setImmediate(resolve));
}

test("results, errors and effects are those of the asynchronous calls", async (t) => {
  await using pool = make();
  t.deepEqual(await pool.run(place(), { name: "compare" }), []);
});

test("FileHandles: opened, used and closed by it, and used by both", async (t) => {
  await using pool = make();
  const written = { bytesWritten: 11, buffer: "hello world" };
  const seen = (await pool.run(place(), { name: "handles" })) as unknown[];
  t.deepEqual(seen.toSpliced(1, 1), [true, 5, true, "world", 11, "hello world", -1]);
  t.like(seen[1] as object, written);
  t.deepEqual(await pool.run(place(), { name: "mixed" }), [true, "end\x01"]);
});

test("other callbacks of the Worker are held back", async (t) => {
  await using pool = make();
  t.deepEqual(await pool.run(1, { name: "heldBack" }), ["blocked", "immediate,promise,read"]);
});

test("the main thread is refused, and what is no operation", async (t) => {
  t.throws(() => syncAwait(stat, "/"), { code: "ERR_MANIAC_SYNC_AWAIT_MAIN_THREAD" });
  await using pool = make();
  t.deepEqual(await pool.run(place(), { name: "refused" }), [
    "ERR_MANIAC_BUSY",
    ...Array<string>(4).fill("ERR_MANIAC_UNSUPPORTED"),
    "ERR_INVALID_ARG_TYPE",
    "ERR_OUT_OF_RANGE",
    "ERR_MANIAC_UNSUPPORTED",
    true,
  ]);
});

test("a time-out ends the wait and leaves nothing in flight", async (t) => {
  await using pool = make();
  const { sender, receiver } = mpsc(1);
  const codes = await pool.run({ pipe: pipe(), sender: sender.handle() }, { name: "timeouts" });
  t.deepEqual(codes, [...Array<string>(3).fill("ERR_MANIAC_TIMEOUT"), "ABORT_ERR"]);
  t.is(await receiver.recv(), 1);
});

test("two Workers at once, the one sends what the other receives", async (t) => {
  await using pool = make({ minThreads: 2, maxThreads: 2 });
  const { sender, receiver } = mpsc<number>(4);
  const received = pool.run(receiver.handle(), { name: "receives" });
  const sent = pool.run({ handle: sender.handle(), count: 2000 }, { name: "sends" });
  sender.close();
  await sent;
  t.is(await received, 2_001_000);
});

test("a task that blocks is compensated for by another thread", async (t) => {
  await using pool = make({ quantum: 60_000 });
  const { sender, receiver } = mpsc<number>(4);
  const received = pool.run(receiver.handle(), { name: "receives" });
  const handle = sender.handle();
  await pool.run({ handle, count: 100 }, { name: "sends" });
  // It receives what is left, and then waits for good.
  while (pool.overdueThreads !== 1) await new Promise((resolve) => setImmediate(resolve));
  const { length } = pool.threads;
  sender.close();
  t.true(length >= 2);
  t.is(await received, 5050);
});

/** A server of this thread. */
async function server(
  serve: (socket: net.Socket) => void,
  ...at: [string] | [number, string]
): Promise<net.Server> {
  const listening = net.createServer({ allowHalfOpen: true }, serve);
  await new Promise<void>((resolve) => listening.listen(...(at as [number, string]), resolve));
  return listening;
}

const echo = (socket: net.Socket): void => void socket.on("error", () => undefined).pipe(socket);
const portOf = (listening: net.Server): number => (listening.address() as net.Address).port;

test("sockets: connected, written, read and ended by it", async (t) => {
  await using pool = make();
  await using tcp = await server(echo, 0, "localhost");
  const name = path.join(folder, "socket");
  await using local = await server(echo, name);
  t.true(local.listening);
  const seen = [
    ...[true, false, "open", null, true, "h\xe9llo", 20, 2_000_005, 2_000_005],
    ...["1234", "567", true, "bye", null, "ERR_STREAM_WRITE_AFTER_END", "ERR_SOCKET_CLOSED"],
  ];
  for (const to of [{ port: portOf(tcp) }, { port: portOf(tcp), host: "localhost" }, { path: name }]) {
    t.deepEqual(await pool.run(to, { name: "talks" }), seen);
  }
});

test("sockets: both ways in turn", async (t) => {
  await using pool = make();
  await using tcp = await server(echo, 0, "127.0.0.1");
  t.deepEqual(await pool.run(portOf(tcp), { name: "talksBothWays" }), [
    ...["ERR_MANIAC_UNSUPPORTED", "ERR_MANIAC_BUSY", "async", "ERR_MANIAC_TIMEOUT", "ERR_MANIAC_UNSUPPORTED"],
    ...[0, "0123456789", "end", null, null],
  ]);
});

test("sockets: a write that is given up is sent whole, with nothing in its midst and all before the end", async (t) => {
  await using pool = make();
  const words = shared();
  const runs: [string, number][] = [];
  let resolve: () => void;
  const ended = new Promise<void>((done) => {
    resolve = done;
  });
  await using tcp = await server(
    (socket) => {
      const take = (bytes: Buffer): void => {
        for (let at = 0; at < bytes.length; ) {
          const letter = String.fromCharCode(bytes[at] as number);
          let to = at + 1;
          while (to < bytes.length && bytes[to] === bytes[at]) to++;
          const last = runs.at(-1);
          if (last?.[0] === letter) last[1] += to - at;
          else runs.push([letter, to - at]);
          at = to;
        }
      };
      void reached(words, 0, 1).then(() => socket.on("data", take).on("end", () => socket.end(resolve)));
    },
    0,
    "127.0.0.1",
  );
  const codes = await pool.run({ port: portOf(tcp), words }, { name: "givesUp" });
  await ended;
  t.deepEqual((codes as unknown[]).slice(0, 3), Array(3).fill("ERR_MANIAC_TIMEOUT"));
  const length = 16 * 2 ** 20;
  t.deepEqual(runs, [
    ["a", length],
    ["b", length],
    ["c", 1],
    ["d", 1],
    ["e", length],
  ]);
});

test("sockets: what nobody reads is bounded, and nothing is lost", async (t) => {
  await using pool = make();
  const words = shared();
  const name = path.join(folder, "bounded");
  const length = 16 * 2 ** 20;
  await using _local = await server(
    (socket) => socket.end(Buffer.alloc(length), () => Atomics.store(words, 0, 1)),
    name,
  );
  t.deepEqual(await pool.run({ path: name, words }, { name: "reads" }), [0, length]);
});

// Serial: others open descriptors.
test.serial(
  "sockets: a thread that blocks takes few connections and datagrams, and the rest of the connections afterwards",
  async (t) => {
    await using pool = make();
    const words = shared();
    const clients = 300;
    const told = pool.run({ words, clients }, { name: "standsBeside" }) as Promise<number[]>;
    await reached(words, 1, 1);
    const sender = net.createSocket("udp4");
    const sockets: net.Socket[] = [];
    for (let n = 0; n < clients; n++) {
      const socket = net.connect(Atomics.load(words, 1), "127.0.0.1").on("error", () => undefined);
      sockets.push(socket);
      await once(socket, "connect");
      // One at a time, so that a thread that took them would get most of them.
      await new Promise((resolve) => sender.send("x", Atomics.load(words, 2), "127.0.0.1", resolve));
      await setTimeout(1);
    }
    sender.close();
    Atomics.store(words, 0, 1);
    const [more = 0, datagrams = 0, connections] = await told;
    for (const socket of sockets) socket.destroy();
    t.is(connections, clients);
    // 64, what came in the same turn, and what the kernel kept.
    t.true(more < clients + 150, `${more}`);
    t.true(datagrams > 0 && datagrams < 150, `${datagrams}`);
  },
);

test("sockets: errors are those of the asynchronous calls, and what cannot be is refused", async (t) => {
  await using pool = make();
  // Nobody listens there any more.
  const gone = await server(echo, 0, "127.0.0.1");
  const port = portOf(gone);
  await gone[Symbol.asyncDispose]();
  t.deepEqual(await pool.run({ port, folder }, { name: "netFailures" }), [
    [],
    [
      ...["ERR_MISSING_ARGS", "ERR_SOCKET_BAD_PORT", "ABORT_ERR", "ERR_MANIAC_UNSUPPORTED"],
      ...["ERR_MANIAC_UNSUPPORTED", "ERR_MANIAC_UNSUPPORTED", "ERR_SOCKET_CLOSED", "ERR_INVALID_ARG_TYPE"],
    ],
  ]);
});

for (const how of ["pipe", "timer", "socket"]) {
  test(`the cancellation of a task ends its syncAwait, and its thread goes on: ${how}`, async (t) => {
    await using silent = await server(echo, 0, "127.0.0.1");
    await using pool = make({ cancelTimeout: 60_000 });
    const [thread] = pool.threads;
    const words = shared();
    const controller = new AbortController();
    const task = { how, pipe: pipe(), port: portOf(silent), words };
    const blocked = pool.run(task, { name: "blocks", signal: controller.signal });
    await reached(words, 1, 1);
    controller.abort();
    await t.throwsAsync(blocked, { name: "AbortError" });
    await reached(words, 2, 1);
    t.is(await pool.run(1, { name: "heldBack" }).then(() => pool.threads[0]), thread);
  });

  test(`a Worker is ended while it blocks: ${how}`, async (t) => {
    const words = shared();
    const silent = await server(echo, 0, "127.0.0.1");
    t.teardown(() => silent.close());
    const port = portOf(silent);
    const source = `import(${JSON.stringify(filename)}).then(({ blocks }) => blocks(require("node:worker_threads").workerData));`;
    const workers = Array.from(
      { length: 3 },
      () => new Worker(source, { eval: true, workerData: { how, pipe: pipe(), port, words } }),
    );
    await reached(words, 1, 3);
    t.deepEqual(await Promise.all(workers.map((worker) => worker.terminate())), [1, 1, 1]);
  });
}

test("process.exit while Workers block", async (t) => {
  const ended = await run([
    "--input-type=module",
    "--eval",
    `import net from "node:net";
    import { Pool } from "maniac/pool";
    const server = net.createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.on("listening", resolve));
    const { port } = server.address();
    const pool = new Pool({ filename: ${JSON.stringify(filename)}, minThreads: 1 });
    const words = new Int32Array(new SharedArrayBuffer(16));
    const pipe = ${JSON.stringify(pipe())};
    for (const how of ["pipe", "timer", "rm", "socket"]) void pool.run({ how, pipe, port, words }, { name: "blocks" });
    while (Atomics.load(words, 1) < 4) await new Promise((resolve) => setImmediate(resolve));
    process.exit(3);`,
  ]);
  t.deepEqual([ended.code, ended.stderr], [3, ""]);
});
