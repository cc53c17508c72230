/** The crossing's JavaScript side against a scripted native side: batches, ids, room, turns, cancellation. */
import { AsyncLocalStorage } from "node:async_hooks";
import { setImmediate as immediate } from "node:timers/promises";
import test from "ava";
import type { Engine } from "../src/internal/engine.js";
import type { Operation, Request } from "../src/internal/request.js";
import { type Batch, FakeScript } from "./fakes/fake-script.js";
import {
  engine as engineModule,
  ops,
  queue as queueModule,
  request as requestModule,
} from "./fakes/internal.js";

const RESULT: Operation = {
  code: 63,
  steps: ["test", "second"],
  finish: (_request, completion) => completion.result,
};

interface Setup {
  readonly script: FakeScript;
  readonly engine: Engine;
  readonly start: (change?: (request: Request) => void, operation?: Operation) => Promise<unknown>;
}

function setup(): Setup {
  const script = new FakeScript();
  const engine = new engineModule.Engine(script);
  const start = (change?: (request: Request) => void, operation = RESULT): Promise<unknown> => {
    const one = new requestModule.Request(operation);
    change?.(one);
    const promise = new Promise((resolve, reject) => {
      one.resolve = resolve;
      one.reject = reject;
    });
    engine.submit(one);
    return promise;
  };
  return { script, engine, start };
}

const all = (batch: Batch) =>
  Array.from({ length: batch.count }, (_, entry) => ({
    id: batch.words[entry * ops.ENTRY_WORDS + ops.W_ID] as number,
    result: 0,
  }));

test("operations of one turn cross in one call, in the order in which they were made", async (t) => {
  const { script, start } = setup();
  const pending = [10, 11, 12].map((fd) =>
    start((one) => {
      one.fd = fd;
    }),
  );
  t.is(script.batches.length, 0, "nothing crosses before the turn is over");
  await null;
  t.is(script.batches.length, 1);
  t.deepEqual(script.column(0, ops.W_FD), [10, 11, 12]);
  const ids = script.ids(0);
  t.is(new Set(ids).size, 3);
  script.complete(...ids.map((id, index) => ({ id, result: index })).reverse());
  t.deepEqual(await Promise.all(pending), [0, 1, 2]);
});

test("an entry holds its numbers as the contract says", async (t) => {
  const { script, start } = setup();
  void start((one) => {
    one.op |= ops.F_BIGINT;
    one.fd = 3;
    one.arg0 = -7;
    one.arg1 = 0x8000_0001;
    one.position = 2 ** 40 + 5;
    one.length = 4096;
    one.extra = -1;
    one.extra2 = -(2n ** 62n);
  });
  await null;
  const { words } = script.batches[0] as Batch;
  t.deepEqual(Array.from(words), [
    63 | ops.F_BIGINT,
    words[ops.W_ID],
    3,
    -7,
    0x8000_0001 | 0,
    0,
    5,
    256,
    0,
    -(2 ** 30),
    0,
    0,
    0,
    4096,
    -1,
    -1,
  ]);
});

test("positions survive as 64-bit numbers", async (t) => {
  const { script, start } = setup();
  const positions = [
    -1,
    0,
    1,
    2 ** 31 - 1,
    2 ** 31,
    2 ** 32 - 1,
    2 ** 32,
    Number.MAX_SAFE_INTEGER,
    2n ** 63n - 1n,
    -1n,
    5n,
  ];
  for (const position of positions) {
    void start((one) => {
      one.position = position;
    });
  }
  await null;
  const low = script.column(0, ops.W_POSITION);
  const high = script.column(0, ops.W_POSITION + 1);
  const back = low.map((word, index) => (BigInt(high[index] as number) << 32n) | BigInt(word >>> 0));
  t.deepEqual(back, positions.map(BigInt));
});

test("paths and payloads lie in the area, larger payloads are staged", async (t) => {
  const { script, start } = setup();
  const payload = Buffer.from("payload");
  void start((one) => {
    one.path = "grün ☃";
    one.path2 = Buffer.from([0xff, 0x66]);
    one.carry(payload);
  });
  void start((one) => {
    one.carry(Buffer.alloc(ops.AREA_PAYLOAD_MAX + 1, 7));
  });
  await null;
  const { words, area } = script.batches[0] as Batch;
  const bytes = (word: number): Buffer =>
    area.subarray(words[word] as number, (words[word] as number) + (words[word + 1] as number));
  t.is(bytes(ops.W_PATH).toString(), "grün ☃");
  t.deepEqual([...bytes(ops.W_PATH2)], [0xff, 0x66]);
  t.is(words[ops.W_DATA], ops.DATA_AREA);
  t.is(bytes(ops.W_PAYLOAD).toString(), "payload");
  t.is((words[ops.W_PAYLOAD] as number) % 8, 0);
  t.is(words[ops.ENTRY_WORDS + ops.W_DATA], ops.DATA_STAGED);
  t.is(words[ops.ENTRY_WORDS + ops.W_PAYLOAD], 1);
  t.is(words[ops.ENTRY_WORDS + ops.W_PAYLOAD + 1], ops.AREA_PAYLOAD_MAX + 1);
  t.is(script.staged[0]?.length, ops.AREA_PAYLOAD_MAX + 1);
});

test("a full submission array or area makes several calls in the same turn", async (t) => {
  const { script, start } = setup();
  script.inline = all;
  const many = Array.from({ length: 600 }, () => start());
  await Promise.all(many);
  t.deepEqual(
    script.batches.map(({ count }) => count),
    [256, 256, 88],
  );
  const wide = Array.from({ length: 40 }, () =>
    start((one) => {
      one.carry(Buffer.alloc(ops.AREA_PAYLOAD_MAX));
    }),
  );
  await Promise.all(wide);
  t.deepEqual(
    script.batches.slice(3).map(({ count }) => count),
    [16, 16, 8],
  );
});

test("two paths and a payload of the largest sizes fit one entry; a longer path never crosses", async (t) => {
  const { script, start } = setup();
  script.inline = all;
  const longest = "x".repeat(ops.PATH_BYTES_MAX);
  t.is(
    await start((one) => {
      one.path = longest;
      one.path2 = Buffer.from(longest);
      one.carry(Buffer.alloc(ops.AREA_PAYLOAD_MAX));
    }),
    0,
  );
  const before = script.batches.length;
  for (const path of [`${longest}x`, Buffer.from(`${longest}x`), "☃".repeat(ops.PATH_BYTES_MAX / 2)]) {
    const error = await t.throwsAsync<NodeJS.ErrnoException>(
      () =>
        start((one) => {
          one.path = path;
        }) as Promise<never>,
    );
    t.is(error?.code, "ENAMETOOLONG");
    t.is(error?.syscall, "test");
  }
  t.is(script.batches.length, before);
});

test("no more than the limit is in flight; the rest waits and goes on from the wake-up", async (t) => {
  const { script, engine, start } = setup();
  script.keepsArea = false;
  const count = ops.MAX_IN_FLIGHT + 300;
  const pending = Array.from({ length: count }, () => start());
  await immediate();
  t.is(engine.inFlight, ops.MAX_IN_FLIGHT);
  t.is(engine.queued, 300);
  const ids = script.batches.flatMap((_, index) => script.ids(index));
  t.is(new Set(ids).size, ops.MAX_IN_FLIGHT);
  t.true(ids.every((id) => id >= 0 && id < ops.MAX_IN_FLIGHT));
  const crossed = script.batches.length;
  script.complete(...ids.slice(0, 100).map((id) => ({ id, result: 0 })));
  t.is(script.batches.length, crossed + 1, "within the wake-up");
  t.is(engine.queued, 200);
  t.deepEqual([...script.ids(crossed)].sort(), ids.slice(0, 100).sort(), "the ids are used again");
  script.inline = all;
  script.complete(...ids.slice(100, 600).map((id) => ({ id, result: 0 })));
  await immediate();
  t.is(engine.queued, 0);
  script.complete(...ids.slice(600, 1100).map((id) => ({ id, result: 0 })));
  t.is(engine.counters.submitted, count);
  t.is(pending.length, count);
});

test("a full completion array is followed by reap until it is not full", async (t) => {
  const { script, start } = setup();
  script.keepsArea = false;
  const pending = Array.from({ length: 1100 }, () => start());
  await immediate();
  const ids = script.batches.flatMap((_, index) => script.ids(index));
  const answers = ids.map((id) => ({ id, result: 5 }));
  script.later.push(answers.slice(512, 1024), answers.slice(1024));
  script.complete(...answers.slice(0, 512));
  t.is(script.reaps, 2);
  t.deepEqual(new Set(await Promise.all(pending)), new Set([5]));
});

test("results that never wait do not keep the event loop from turning", async (t) => {
  const { script, engine, start } = setup();
  script.keepsArea = false;
  script.inline = all;
  let turns = 0;
  let going = true;
  const tick = (): void => {
    turns++;
    if (going) {
      setImmediate(tick);
    }
  };
  setImmediate(tick);
  for (let index = 0; index < 10_000; index++) {
    await start();
  }
  going = false;
  t.true(turns >= 9, `the loop turned ${turns} times`);
  t.true(
    engine.counters.deferrals >= 9 && engine.counters.deferrals <= 11,
    `${engine.counters.deferrals} deferrals`,
  );
});

test("large results count for more of a turn", async (t) => {
  const { script, engine, start } = setup();
  script.keepsArea = false;
  script.inline = (batch) =>
    all(batch).map((answer) => ({ ...answer, info: ops.DATA_SLAB, data: 0, length: 64 * 1024 }));
  for (let index = 0; index < 1000; index++) {
    await start();
  }
  t.true(engine.counters.deferrals >= 4, `${engine.counters.deferrals} deferrals`);
});

test("an error has Node's shape, and a stack that shows who awaits", async (t) => {
  const { script, start } = setup();
  async function somebody(): Promise<unknown> {
    return await start((one) => {
      one.path = "from";
      one.path2 = "to";
    });
  }
  const pending = somebody();
  await null;
  script.complete({ id: script.ids(0)[0] as number, result: -2 });
  const error = (await t.throwsAsync(pending as Promise<never>)) as NodeJS.ErrnoException;
  t.is(error.message, "ENOENT: no such file or directory, test 'from' -> 'to'");
  t.deepEqual(Object.entries(error), [
    ["errno", -2],
    ["code", "ENOENT"],
    ["syscall", "test"],
    ["path", "from"],
    ["dest", "to"],
  ]);
  t.regex(error.stack ?? "", /at async somebody /);
});

test("a later step has its own call's name and no path; an unknown number is UNKNOWN", async (t) => {
  const { script, start } = setup();
  const pending = [1, 2].map(() =>
    start((one) => {
      one.path = "p";
    }),
  );
  await null;
  const [first = 0, second = 0] = script.ids(0);
  script.complete({ id: first, result: -5, info: 1 << ops.INFO_STEP_SHIFT }, { id: second, result: -9999 });
  const [one, other] = await Promise.allSettled(pending);
  t.like(one, { reason: { message: "EIO: i/o error, second" } });
  t.like(other, { reason: { message: "UNKNOWN: unknown error, test 'p'", code: "UNKNOWN" } });
});

test("what finish throws becomes the rejection", async (t) => {
  const { script, start } = setup();
  const pending = start(undefined, {
    code: 63,
    steps: ["x"],
    finish: () => {
      throw new RangeError("too long");
    },
  });
  await null;
  script.complete({ id: script.ids(0)[0] as number, result: 0 });
  await t.throwsAsync(pending as Promise<never>, { instanceOf: RangeError, message: "too long" });
});

test("aborted while queued: it never crosses, and lets go of what it held", async (t) => {
  const { script, engine, start } = setup();
  let held = 1;
  let made: Request | undefined;
  const pending = start((one) => {
    made = one;
    one.hold({
      unref: () => {
        held--;
      },
    });
  });
  const other = start();
  engine.abort(made as Request, AbortSignal.abort("why"));
  t.is(held, 0);
  const error = (await t.throwsAsync(pending as Promise<never>)) as Error;
  t.like(error, { name: "AbortError", code: "ABORT_ERR", cause: "why" });
  t.is(script.batches[0]?.count, 1);
  script.complete({ id: script.ids(0)[0] as number, result: 1 });
  t.is(await other, 1);
});

test("aborted in flight: rejected at once, cancelled once, released only by its completion", async (t) => {
  const { script, engine, start } = setup();
  let held = 1;
  const disposed: number[] = [];
  let made: Request | undefined;
  const pending = start(
    (one) => {
      made = one;
      one.hold({
        unref: () => {
          held--;
        },
      });
    },
    { ...RESULT, dispose: (value) => disposed.push(value as number) },
  );
  await null;
  const [id = -1] = script.ids(0);
  engine.abort(made as Request, AbortSignal.abort());
  engine.abort(made as Request, AbortSignal.abort());
  await t.throwsAsync(pending as Promise<never>, { name: "AbortError" });
  await null;
  t.is(script.batches.length, 2);
  t.deepEqual([script.column(1, ops.W_OP), script.ids(1)], [[ops.OP_CANCEL], [id]]);
  t.is(held, 1);
  t.is(engine.inFlight, 1);
  script.complete({ id, result: 42 });
  t.is(held, 0);
  t.is(engine.inFlight, 0);
  t.deepEqual(disposed, [42], "a success that came too late is undone");
});

test("a cancel that lost the race is not sent, and cannot hit the id's next user", async (t) => {
  const { script, engine, start } = setup();
  let made: Request | undefined;
  const pending = start((one) => {
    made = one;
  });
  await null;
  const [id = -1] = script.ids(0);
  engine.abort(made as Request, AbortSignal.abort());
  script.complete({ id, result: -125 });
  const next = start();
  await t.throwsAsync(pending as Promise<never>, { name: "AbortError" });
  await null;
  t.deepEqual(script.column(1, ops.W_OP), [63]);
  t.deepEqual(script.ids(1), [id], "the newest id is used first");
  script.complete({ id, result: 3 });
  t.is(await next, 3);
});

test("cancels go first in a batch, and more than fit go on in the next", async (t) => {
  const { script, engine, start } = setup();
  script.keepsArea = false;
  const made: Request[] = [];
  const pending = Array.from({ length: 300 }, () => start((one) => made.push(one)));
  await immediate();
  const before = script.batches.length;
  for (const one of made) {
    engine.abort(one, AbortSignal.abort());
  }
  void start();
  await Promise.allSettled(pending);
  await immediate();
  const codes = script.batches.slice(before).flatMap((_, index) => script.column(before + index, ops.W_OP));
  t.deepEqual(codes, [...new Array(300).fill(ops.OP_CANCEL), 63]);
});

test("hand-overs are spent exactly once, also when nobody wants them", async (t) => {
  const { script, engine, start } = setup();
  const made: Request[] = [];
  const operations: Operation[] = [
    { ...RESULT, finish: (_request, completion) => completion.buffer() },
    {
      ...RESULT,
      finish: (_request, completion) => {
        const target = new Uint8Array(6);
        completion.copyTo(target, 1, 4);
        return target;
      },
    },
    { ...RESULT, finish: (_request, completion) => completion.text("latin1") },
    RESULT,
    RESULT,
    RESULT,
  ];
  const pending = operations.map((operation) => start((one) => made.push(one), operation));
  await null;
  engine.abort(made[4] as Request, AbortSignal.abort());
  const answers = script.ids(0).map((id, index) => ({
    id,
    result: index === 5 ? -5 : 4,
    info: ops.DATA_HANDED,
    data: index,
    length: 4,
  }));
  script.complete(...answers);
  const results = await Promise.allSettled(pending);
  t.deepEqual(script.spent, ["take 0", "copyOut 1", "take 2", "drop 3", "drop 4", "drop 5"]);
  t.deepEqual(results[0], { status: "fulfilled", value: Buffer.from([1, 2, 3, 4]) });
  t.deepEqual(results[1], { status: "fulfilled", value: Uint8Array.from([0, 7, 7, 7, 7, 0]) });
  t.deepEqual(results[2], { status: "fulfilled", value: "\x01\x02\x03\x04" });
});

test("with C_MORE the id stays taken", async (t) => {
  const { script, engine, start } = setup();
  void start();
  await null;
  const [id = -1] = script.ids(0);
  script.complete({ id, result: 1, info: ops.C_MORE });
  t.is(engine.inFlight, 1);
  script.complete({ id, result: 1 });
  t.is(engine.inFlight, 0);
});

test("a completion for what is not in flight is a fault, said by name", (t) => {
  const { script } = setup();
  t.throws(() => script.complete({ id: 17, result: 0 }), {
    code: "ERR_MANIAC_PROTOCOL",
    message: /operation 17/,
  });
});

test("a synchronous call is complete when it returns, behind what was queued before it", async (t) => {
  const { script, engine, start } = setup();
  script.inline = all;
  const before = start();
  const now = new requestModule.Request(RESULT);
  let value: unknown;
  now.resolve = (result) => {
    value = result;
  };
  engine.runNow(now);
  t.is(value, 0);
  t.deepEqual(script.column(0, ops.W_OP), [63, 63 | ops.F_BLOCK]);
  t.is(await before, 0);
});

test("a synchronous call is refused where there is no room, or from within a completion", async (t) => {
  const { script, engine, start } = setup();
  script.keepsArea = false;
  const make = (): Request => new requestModule.Request(RESULT);
  let refused: unknown;
  void start(undefined, {
    ...RESULT,
    finish: () => {
      try {
        engine.runNow(make());
      } catch (error) {
        refused = error;
      }
    },
  });
  script.inline = all;
  await immediate();
  t.like(refused, { code: "ERR_MANIAC_BUSY" });
  script.inline = undefined;
  for (let index = 0; index < ops.MAX_IN_FLIGHT; index++) {
    void start();
  }
  await immediate();
  t.throws(() => engine.runNow(make()), { code: "ERR_MANIAC_BUSY" });
});

test("AsyncLocalStorage is the caller's in every continuation", async (t) => {
  const { script, start } = setup();
  script.keepsArea = false;
  const storage = new AsyncLocalStorage<number>();
  const seen: unknown[] = [];
  const pending = [1, 2, 3].map((store) =>
    storage.run(store, async () => {
      await start();
      seen.push([store, storage.getStore()]);
      await start().then(() => seen.push([store, storage.getStore()]));
    }),
  );
  script.inline = (batch) => all(batch).reverse();
  await storage.run(99, () => immediate());
  await Promise.all(pending);
  t.is(seen.length, 6);
  for (const entry of seen) {
    const [expected, actual] = entry as [unknown, unknown];
    t.is(actual, expected);
  }
});

test("unused ids grow by doubling and none is given twice", async (t) => {
  const { script, engine, start } = setup();
  script.keepsArea = false;
  for (let round = 0; round < 3; round++) {
    for (let index = 0; index < 300; index++) {
      void start();
    }
    await immediate();
  }
  const ids = script.batches.flatMap((_, index) => script.ids(index));
  t.is(ids.length, 900);
  t.is(new Set(ids).size, 900);
  t.is(engine.inFlight, 900);
});

test("when the native side refuses, everything under way fails by name, and so does what comes later", async (t) => {
  const { script, engine, start } = setup();
  const before = start();
  await null;
  script.inline = () => {
    throw new Error("gone");
  };
  const during = [start(), start()];
  const outcomes = await Promise.allSettled([before, ...during]);
  for (const outcome of [...outcomes, ...(await Promise.allSettled([start()]))]) {
    t.like(outcome, {
      status: "rejected",
      reason: { code: "ERR_MANIAC_ENGINE_CLOSED", cause: { message: "gone" } },
    });
  }
  t.is(engine.inFlight, 0);
  t.is(engine.queued, 0);
});

test("the queue gives what it got, in order, through growth and shrinking", (t) => {
  const queue = new queueModule.RequestQueue();
  const make = (): Request => new requestModule.Request(RESULT);
  const expected: Request[] = [];
  const push = (count: number): void => {
    for (let index = 0; index < count; index++) {
      const one = make();
      expected.push(one);
      queue.push(one);
    }
  };
  const drop = (count: number): void => {
    for (let index = 0; index < count; index++) {
      if (queue.peek() !== expected.shift()) {
        t.fail("out of order");
      }
      queue.drop();
    }
  };
  for (const [more, less] of [
    [100, 50],
    [300, 200],
    [10_000, 9000],
    [5, 1155],
    [257, 257],
    [256, 0],
    [1, 257],
  ] as const) {
    push(more);
    drop(less);
    t.is(queue.length, expected.length);
  }
  t.is(queue.length, 0);
  t.is(queue.peek(), undefined);
});
