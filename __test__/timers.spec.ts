/** `maniac/timers` beside `node:timers/promises`: one table of cases, run on both, and what only the wheel promises. */
import { AsyncLocalStorage } from "node:async_hooks";
import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import * as node from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import test from "ava";
import * as maniac from "maniac/timers";

type Module = typeof maniac;
const nodes = node as unknown as Module;
const ourModule = pathToFileURL(createRequire(import.meta.url).resolve("maniac/timers")).href;

/** What a case came to, in a form that can be compared. */
async function outcome(run: () => unknown): Promise<unknown> {
  try {
    return { value: await run() };
  } catch (error) {
    const { name, code, message, cause } = error as Error & { code?: string };
    return { name, code, message, cause };
  }
}

async function collect<T>(values: AsyncIterable<T>, most: number): Promise<T[]> {
  const found: T[] = [];
  for await (const value of values) {
    found.push(value);
    if (found.length === most) break;
  }
  return found;
}

const odd = (value: unknown): never => value as never;
const nothing = (): AbortSignal => new AbortController().signal;

/** The second timer is aborted by the first one. It is far off: a busy machine may be late for both at once. */
async function abortedBySibling({ setTimeout }: Module): Promise<unknown> {
  const controller = new AbortController();
  const first = setTimeout(2).then(() => controller.abort("sibling"));
  const second = outcome(() => setTimeout(60_000, "late", { signal: controller.signal }));
  await first;
  return second;
}

/** Whether no timer fires before one that was certainly due earlier; between two calls, too, time may pass. */
async function inOrder({ setTimeout }: Module): Promise<boolean> {
  const fired: { readonly earliest: number; readonly latest: number }[] = [];
  const waits = [30, 10, 20, 10, 30].map((delay) => {
    const before = performance.now();
    const wait = setTimeout(delay);
    // Room for clocks that count in whole milliseconds.
    const due = { earliest: before + delay - 1, latest: performance.now() + delay + 1 };
    return wait.then(() => fired.push(due));
  });
  await Promise.all(waits);
  return fired.every(({ earliest }, at) => fired.slice(at + 1).every(({ latest }) => latest >= earliest));
}

const cases: Record<string, (module: Module) => unknown> = {
  "a value": ({ setTimeout }) => setTimeout(1, "value"),
  "a promise as value": ({ setTimeout }) => setTimeout(1, Promise.resolve(5)),
  "no arguments": ({ setTimeout }) => setTimeout(),
  "a delay of zero": ({ setTimeout }) => setTimeout(0, 1),
  "a negative delay": ({ setTimeout }) => setTimeout(-5, 1),
  "a delay of NaN": ({ setTimeout }) => setTimeout(Number.NaN, 1),
  "a delay with a fraction": ({ setTimeout }) => setTimeout(1.9, 1),
  "a delay of text": ({ setTimeout }) => setTimeout(odd("1")),
  "a delay of null": ({ setTimeout }) => setTimeout(odd(null)),
  "options of null": ({ setTimeout }) => setTimeout(1, 1, odd(null)),
  "options of text": ({ setTimeout }) => setTimeout(1, 1, odd("x")),
  "options in an array": ({ setTimeout }) => setTimeout(1, 1, odd([])),
  "options of a function": ({ setTimeout }) =>
    setTimeout(
      1,
      1,
      odd(() => undefined),
    ),
  "a signal of null": ({ setTimeout }) => setTimeout(1, 1, { signal: odd(null) }),
  "a signal that is none": ({ setTimeout }) => setTimeout(1, 1, { signal: odd({}) }),
  "a ref that is no boolean": ({ setTimeout }) => setTimeout(1, 1, { ref: odd(1) }),
  "a signal that is not aborted": ({ setTimeout }) => setTimeout(1, 7, { signal: nothing() }),
  "aborted before": ({ setTimeout }) => setTimeout(1, 1, { signal: AbortSignal.abort("why") }),
  "aborted meanwhile": ({ setTimeout }) => {
    const controller = new AbortController();
    const wait = setTimeout(60_000, 1, { signal: controller.signal });
    controller.abort("why");
    return wait;
  },
  "aborted after": async ({ setTimeout }) => {
    const controller = new AbortController();
    const value = await setTimeout(1, "kept", { signal: controller.signal });
    controller.abort();
    return value;
  },
  "aborted by a sibling": abortedBySibling,
  "options whose getter throws": ({ setTimeout }) =>
    setTimeout(1, 1, {
      get signal(): AbortSignal {
        throw new Error("getter");
      },
    }),
  "an immediate": ({ setImmediate }) => setImmediate("value"),
  "an immediate, aborted": ({ setImmediate }) => setImmediate(1, { signal: AbortSignal.abort("why") }),
  "an immediate with bad options": ({ setImmediate }) => setImmediate(1, odd(5)),
  "an interval": ({ setInterval }) => collect(setInterval(1, "tick"), 3),
  "an interval with a bad delay": ({ setInterval }) => collect(setInterval(odd("x")), 1),
  "an interval with bad options": ({ setInterval }) => collect(setInterval(1, 1, odd(null)), 1),
  "an interval, aborted before": ({ setInterval }) =>
    collect(setInterval(1, 1, { signal: AbortSignal.abort("why") }), 1),
  "an interval, aborted while it waits": ({ setInterval, setTimeout }) => {
    const controller = new AbortController();
    void setTimeout(5).then(() => controller.abort("why"));
    return collect(setInterval(60_000, 1, { signal: controller.signal }), 1);
  },
  "an interval, aborted within the loop": async ({ setInterval }) => {
    const controller = new AbortController();
    let ticks = 0;
    for await (const _ of setInterval(1, 1, { signal: controller.signal })) {
      if (++ticks === 2) controller.abort("why");
    }
  },
  "an interval that is late keeps its ticks": async ({ setInterval, setTimeout }) => {
    const ticks = setInterval(2, "tick");
    await ticks.next();
    await setTimeout(50);
    const next = await Promise.all([ticks.next(), ticks.next(), ticks.next()]);
    await ticks.return();
    return next;
  },
  "an interval that was never asked": ({ setInterval }) => setInterval(1).return(),
  "scheduler.wait": ({ scheduler }) => scheduler.wait(1),
  "scheduler.wait, aborted": ({ scheduler }) => scheduler.wait(1, { signal: AbortSignal.abort("why") }),
  "scheduler.wait without arguments": ({ scheduler }) => scheduler.wait(),
  "scheduler.yield": ({ scheduler }) => scheduler.yield(),
  "wait of something else": ({ scheduler }) => scheduler.wait.call(odd({}), 1),
  "another scheduler": ({ scheduler }) => new (scheduler.constructor as new () => unknown)(),
};

for (const [name, run] of Object.entries(cases)) {
  test(`as in Node: ${name}`, async (t) => {
    t.deepEqual(await outcome(() => run(maniac)), await outcome(() => run(nodes)));
  });
}

test("in order of delay", async (t) => {
  // Node's own may miss it by more: they begin at what the event loop took for now when its turn began.
  t.true(await inOrder(maniac as unknown as Module));
});

test("the module has Node's names and lengths, and a default export", (t) => {
  const own = maniac as unknown as Record<string, { name: string; length: number }>;
  const { default: _default, ...functions } = node as typeof node & { default?: unknown };
  for (const [name, theirs] of Object.entries(functions)) {
    const { [name]: ours } = own;
    t.is(typeof ours, typeof theirs, name);
    t.is((maniac.default as unknown as typeof own)[name], ours);
    if (typeof theirs === "function") t.deepEqual([ours?.name, ours?.length], [theirs.name, theirs.length]);
  }
  t.is(maniac.default.scheduler, maniac.scheduler);
});

test("no timer is early, by a clock that knows nanoseconds", async (t) => {
  const early: number[] = [];
  const wait = async (delay: number): Promise<void> => {
    const start = process.hrtime.bigint();
    await maniac.setTimeout(delay);
    const missing = BigInt(delay) * 1_000_000n - (process.hrtime.bigint() - start);
    if (missing > 0n) early.push(Number(missing));
  };
  await Promise.all(Array.from({ length: 3000 }, (_, index) => wait(1 + (index % 60))));
  t.deepEqual(early, []);
});

test("a delay that is too long counts as 1, with a warning", async (t) => {
  const warned = new Promise<Error>((resolve) => process.once("warning", resolve));
  t.is(await maniac.setTimeout(2 ** 31, "soon"), "soon");
  t.is((await warned).name, "TimeoutOverflowWarning");
});

test("AsyncLocalStorage is the caller's", async (t) => {
  const storage = new AsyncLocalStorage<number>();
  const one = async (number: number): Promise<void> => {
    await maniac.setTimeout(number % 7);
    t.is(storage.getStore(), number);
  };
  await Promise.all(Array.from({ length: 50 }, (_, number) => storage.run(number, one, number)));
});

test("what ended can be set again: numbers are used again, each timer gives its own value", async (t) => {
  const controller = new AbortController();
  const { signal } = controller;
  const aborted = Array.from({ length: 5000 }, (_, at) =>
    outcome(() => maniac.setTimeout(50 + (at % 50), at, { signal })),
  );
  const kept = Array.from({ length: 5000 }, (_, at) => maniac.setTimeout(at % 50, at));
  controller.abort("enough");
  const later = Array.from({ length: 5000 }, (_, at) => maniac.setTimeout(at % 20, -at));
  t.true((await Promise.all(kept)).every((value, at) => value === at));
  t.true((await Promise.all(later)).every((value, at) => value === -at));
  const errors = (await Promise.all(aborted)) as { name: string; cause: string }[];
  t.true(errors.every(({ name, cause }) => name === "AbortError" && cause === "enough"));
});

test("a million timers fire, each once", async (t) => {
  const count = 1_000_000;
  const waits: Promise<number>[] = [];
  for (let at = 0; at < count; at++) waits.push(maniac.setTimeout(1 + (at % 1000), at));
  const values = await Promise.all(waits);
  t.true(values.every((value, at) => value === at));
});

interface Ended {
  readonly code: unknown;
  readonly stdout: string;
  readonly stderr: string;
}

function run(program: string): Promise<Ended> {
  const source = `import * as timers from ${JSON.stringify(ourModule)};${program}`;
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ["--input-type=module", "-e", source],
      { timeout: 60_000 },
      (error, stdout, stderr) => resolve({ code: error === null ? 0 : error.code, stdout, stderr }),
    );
  });
}

test("a process stays for a timer, and not for one with ref: false", async (t) => {
  const stays = await run(`timers.setTimeout(30, "fired").then(console.log);`);
  t.like(stays, { code: 0, stdout: "fired\n" }, stays.stderr);
  const leaves = await run(
    `timers.setTimeout(3_600_000, 0, { ref: false }); timers.setInterval(1, 0, { ref: false }).next();`,
  );
  t.like(leaves, { code: 0, stdout: "" }, leaves.stderr);
  const aborted = await run(`
    const controller = new AbortController();
    timers.setTimeout(3_600_000, 0, { signal: controller.signal }).catch(() => console.log("aborted"));
    controller.abort();
  `);
  t.like(aborted, { code: 0, stdout: "aborted\n" }, aborted.stderr);
});

test("a timer with ref: false fires while another keeps the process", async (t) => {
  const { stdout } = await run(`
    timers.setTimeout(1, "first", { ref: false }).then(console.log);
    timers.setTimeout(40, "second").then(console.log);
  `);
  t.is(stdout, "first\nsecond\n");
});

test("an error after a timer is the program's uncaught exception", async (t) => {
  const { code, stderr } = await run(`
    timers.setTimeout(1).then(() => queueMicrotask(() => { throw new Error("mine"); }));
  `);
  t.is(code, 1);
  t.regex(stderr, /Error: mine/);
});

test("a Worker ends with timers set, and as they fire", async (t) => {
  const source = `
    const { parentPort } = require("node:worker_threads");
    import(${JSON.stringify(ourModule)}).then(async ({ setTimeout }) => {
      for (let at = 0; at < 10_000; at++) void setTimeout(at % 40);
      void setTimeout(3_600_000);
      await setTimeout(2);
      parentPort.postMessage("set");
    });
  `;
  const end = async (): Promise<number> => {
    const worker = new Worker(source, { eval: true });
    await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
    return worker.terminate();
  };
  t.deepEqual(await Promise.all(Array.from({ length: 8 }, end)), Array(8).fill(1));
});
