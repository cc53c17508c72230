/** `maniac/pool`: tasks, their results and errors, scheduling, cancellation, ends. */
import { AsyncLocalStorage } from "node:async_hooks";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import type { Worker } from "node:worker_threads";
import test from "ava";
import { ManiacError } from "maniac";
import { Pool, type PoolOptions } from "maniac/pool";

const filename = new URL("./fixtures/pool-tasks.js", import.meta.url).href;

/** Words that the threads see: 0 lets tasks end, 1 counts those that began. */
const shared = (): Int32Array => new Int32Array(new SharedArrayBuffer(16));

/** Waits until word `at` is at least `least`. */
async function reached(words: Int32Array, at: number, least: number): Promise<void> {
  while (Atomics.load(words, at) < least) await new Promise((resolve) => setImmediate(resolve));
}

async function until(what: () => boolean): Promise<void> {
  while (!what()) await new Promise((resolve) => setImmediate(resolve));
}

const make = (options: PoolOptions = {}): Pool =>
  new Pool({ filename, minThreads: 1, maxThreads: 1, spareThreads: 0, ...options });

test("results come back, by name and from other files, ESM and CommonJS", async (t) => {
  await using pool = make({ maxThreads: 2 });
  t.is(await pool.run({ a: 1, b: 2 }), 3);
  t.deepEqual(await pool.run(new Map([[1, { x: [2n] }]]), { name: "echo" }), new Map([[1, { x: [2n] }]]));
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "maniac-pool-"));
  t.teardown(() => fs.rmSync(folder, { recursive: true }));
  const whole = path.join(folder, "whole.cjs");
  fs.writeFileSync(whole, "module.exports = (n) => n * 2; module.exports.triple = (n) => n * 3;");
  const compiled = path.join(folder, "compiled.cjs");
  fs.writeFileSync(compiled, "exports.__esModule = true; exports.default = async (n) => n * 4;");
  t.is(await pool.run(1, { filename: whole }), 2);
  t.is(await pool.run(1, { filename: pathToFileURL(whole), name: "triple" }), 3);
  t.is(await pool.run(1, { filename: pathToFileURL(compiled).href }), 4);
  const many = Array.from({ length: 1000 }, (_, n) => pool.run({ a: n, b: 1 }));
  t.deepEqual(
    await Promise.all(many),
    many.map((_, n) => n + 1),
  );
  t.is(pool.completed, 1005);
});

test("what cannot be cloned, there or back, fails its own task only", async (t) => {
  await using pool = make();
  const there = pool.run(() => 1, { name: "echo" });
  const back = pool.run(1, { name: "unclonable" });
  const good = pool.run(1, { name: "echo" });
  const refused = await t.throwsAsync(there, { any: true });
  t.is((refused as DOMException).name, "DataCloneError");
  const error = await t.throwsAsync(back, { instanceOf: ManiacError, code: "ERR_MANIAC_TASK_RESULT" });
  t.is((error?.cause as Error | undefined)?.name, "DataCloneError");
  t.is(await good, 1);
});

test("memory moves there and back", async (t) => {
  await using pool = make();
  const bytes = new Uint8Array(8).fill(5);
  const there = pool.run(bytes, { name: "echo", transferList: [bytes.buffer] });
  t.deepEqual(await there, new Uint8Array(8).fill(5));
  t.is(bytes.byteLength, 0);
  t.deepEqual(await pool.run(3, { name: "moves" }), new Uint8Array(3).fill(7));
});

test("what has moved is not sent again: beside long tasks, in a slow thread, in one that ends", async (t) => {
  await using pool = make({ maxOverdueThreads: 1, quantum: 1 });
  // So short that some of what follows would be sent ahead.
  for (let b = 0; b < 200; b++) await pool.run({ a: 1, b });
  const words = shared();
  const long = pool.run(words, { name: "spinMarked" });
  const move = (): Promise<unknown> => {
    const bytes = new Uint8Array(8).fill(5);
    return pool.run(bytes, { name: "echo", transferList: [bytes.buffer] });
  };
  const moved = Array.from({ length: 8 }, move);
  const came = await Promise.allSettled(moved);
  Atomics.store(words, 0, 1);
  await long;
  t.deepEqual(
    came,
    came.map(() => ({ status: "fulfilled", value: new Uint8Array(8).fill(5) })),
  );

  await using one = make({ maxOverdueThreads: 0, quantum: 1 });
  const later = shared();
  await one.run(later, { name: "spinAfterwards" });
  await reached(later, 1, 1);
  const bytes = new Uint8Array(8).fill(5);
  const slow = one.run(bytes, { name: "echo", transferList: [bytes.buffer] });
  const behind = one.run({ a: 1, b: 1 });
  t.is(bytes.byteLength, 0);
  // Many quanta pass, in which it would be taken back and sent again.
  await setTimeout(20);
  Atomics.store(later, 0, 1);
  t.deepEqual([await slow, await behind], [new Uint8Array(8).fill(5), 2]);

  const again = shared();
  await one.run(again, { name: "spinAfterwards" });
  await reached(again, 1, 1);
  const last = new Uint8Array(8);
  const lost = one.run(last, { name: "echo", transferList: [last.buffer] });
  await Promise.all([
    t.throwsAsync(lost, { code: "ERR_MANIAC_TASK_LOST" }),
    (one.threads[0] as Worker).terminate(),
  ]);
});

test("errors keep class, code, cause, properties", async (t) => {
  await using pool = make();
  for (const name of ["fails", "rejects"]) {
    const type = await t.throwsAsync(pool.run("type", { name }), { instanceOf: TypeError, message: "wrong" });
    t.is((type as NodeJS.ErrnoException).code, "E_WRONG");
    t.true(type?.stack?.includes("pool-tasks"));
    const cause = type?.cause as NodeJS.ErrnoException;
    t.true(cause instanceof RangeError);
    t.deepEqual([cause.message, cause.code], ["the cause", "E_CAUSE"]);
    const ours = await t.throwsAsync(pool.run("maniac", { name }), { instanceOf: ManiacError });
    t.is((ours as ManiacError).code, "ERR_MANIAC_UNSUPPORTED");
    const several = await t.throwsAsync(pool.run("aggregate", { name }), { instanceOf: AggregateError });
    const [first, second] = (several as AggregateError).errors as unknown[];
    t.true(first instanceof TypeError);
    t.is(second, 2);
    const special = await t.throwsAsync(pool.run("special", { name }), { name: "Special" });
    t.deepEqual((special as unknown as { detail: unknown }).detail, { deep: [1] });
    t.deepEqual(await pool.run("value", { name }).catch((error: unknown) => error), { plain: true });
  }
});

test("a file or export that is not there is told to the task, and others run", async (t) => {
  await using pool = make();
  const code = "ERR_MANIAC_TASK_FILE";
  const missing = await t.throwsAsync(pool.run(1, { filename: "/not/there.js" }), { code });
  t.is((missing?.cause as NodeJS.ErrnoException | undefined)?.code, "ERR_MODULE_NOT_FOUND");
  await t.throwsAsync(pool.run(1, { name: "nothing" }), { code, message: /no function nothing/ });
  t.is(await pool.run(1, { name: "echo" }), 1);
  await using broken = new Pool({
    filename: "data:text/javascript,throw new Error('at load')",
    minThreads: 1,
  });
  const thrown = await t.throwsAsync(broken.run(1), { code });
  t.is((thrown?.cause as Error | undefined)?.message, "at load");
});

test("a thread that ends is replaced: its task is lost, those that had not begun are run", async (t) => {
  await using pool = make({ quantum: 60_000, idleTimeout: Number.POSITIVE_INFINITY });
  const ended: unknown[] = [];
  pool.on("workerDestroy", (worker) => ended.push(worker));
  const code = "ERR_MANIAC_TASK_LOST";
  const lost = pool.run(7, { name: "exits" });
  const next = pool.run({ a: 1, b: 1 });
  const error = await t.throwsAsync(lost, { instanceOf: ManiacError, code });
  t.true(error?.message.includes("code 7"));
  t.is(await next, 2);
  const crashed = pool.run(1, { name: "crashes" });
  const after = pool.run({ a: 2, b: 1 });
  const uncaught = await t.throwsAsync(crashed, { code });
  t.is((uncaught?.cause as NodeJS.ErrnoException | undefined)?.code, "E_NOBODY");
  t.is(await after, 3);
  t.is(ended.length, 2);
});

test("threads that cannot start fail the tasks", async (t) => {
  await using pool = make({ minThreads: 0, execArgv: ["--no-such-option"] });
  const error = await t.throwsAsync(pool.run(1), { code: "ERR_MANIAC_TASK_LOST" });
  t.truthy(error?.cause);
});

test("long tasks hold up no short ones, and threads are bounded", async (t) => {
  await using pool = make({ maxThreads: 2, maxOverdueThreads: 4 });
  const words = shared();
  const long = Array.from({ length: 4 }, () => pool.run(words, { name: "spinMarked" }));
  const short = Array.from({ length: 50 }, (_, b) => pool.run({ a: 1, b }));
  t.is((await Promise.all(short)).length, 50);
  // The others begin after the short ones, and then nobody waits for their threads.
  t.true(pool.overdueThreads >= 2);
  await reached(words, 1, 4);
  t.true(pool.threads.length <= 6);
  // At the limit they wait.
  const more = Array.from({ length: 4 }, () => pool.run(words, { name: "spinMarked" }));
  const late = pool.run({ a: 1, b: 1 });
  await until(() => pool.overdueThreads === 6);
  t.is(pool.threads.length, 6);
  t.true(pool.queueSize >= 1);
  Atomics.store(words, 0, 1);
  await Promise.all([...long, ...more]);
  t.is(await late, 2);
});

test("what was given with an overdue task steps back behind the rest", async (t) => {
  // They step back for 200 quanta: longer than a thread takes to start on whatever machine.
  await using pool = make({ quantum: 500, maxOverdueThreads: 1 });
  const words = shared();
  const long = [1, 2].map(() => pool.run({ words, long: true }, { name: "spinOrCount" }));
  await setTimeout(0);
  const short = pool.run({ words, long: false }, { name: "spinOrCount" });
  // Only the first had begun when the short one ran, though the pool cannot tell their functions apart.
  t.is(await short, 1);
  await reached(words, 1, 2);
  Atomics.store(words, 0, 1);
  await Promise.all(long);
});

test("spare threads stand ready, also when long tasks have taken some", async (t) => {
  await using pool = make({ spareThreads: 2, maxOverdueThreads: 8 });
  await until(() => pool.idleThreads === 3);
  const words = shared();
  const long = Array.from({ length: 4 }, () => pool.run(words, { name: "spinMarked" }));
  await reached(words, 1, 4);
  await until(() => pool.idleThreads >= 2);
  t.true(pool.threads.length >= 6 && pool.threads.length <= 9);
  t.is(await pool.run({ a: 1, b: 1 }), 2);
  Atomics.store(words, 0, 1);
  await Promise.all(long);
});

test("spare threads leave no processor idle: long tasks of one go run on all threads", async (t) => {
  await using pool = make({ maxThreads: 2, spareThreads: 1, maxOverdueThreads: 1 });
  const words = shared();
  const long = Array.from({ length: 3 }, () => pool.run(words, { name: "spinMarked" }));
  // At the limit the spare one is taken, too.
  await reached(words, 1, 3);
  t.is(pool.threads.length, 3);
  Atomics.store(words, 0, 1);
  await Promise.all(long);
});

test("a spare thread is taken when no other can start", async (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "maniac-pool-"));
  t.teardown(() => fs.rmSync(folder, { recursive: true }));
  const only = path.join(folder, "only-two.cjs");
  fs.writeFileSync(
    only,
    `const [words] = [require("node:worker_threads").workerData.workerData];
    if (Atomics.add(words, 2, 1) >= 2) process.exit(1);
    module.exports = () => { Atomics.add(words, 1, 1); while (Atomics.load(words, 0) === 0); };`,
  );
  const words = shared();
  const options = { maxOverdueThreads: 2, spareThreads: 1, quantum: 700, workerData: words };
  await using pool = make({ ...options, filename: only });
  pool.on("error", () => undefined);
  await until(() => pool.idleThreads === 2);
  const long = [pool.run(1), pool.run(2)];
  // Not 200 quanta later.
  await reached(words, 1, 2);
  Atomics.store(words, 0, 1);
  t.deepEqual(await Promise.all(long), [undefined, undefined]);
});

test("asynchronous tasks that wait hold up none either", async (t) => {
  await using pool = make();
  const words = shared();
  const waits = pool.run(words, { name: "waitUntil" });
  t.is(await pool.run({ a: 1, b: 1 }), 2);
  Atomics.store(words, 0, 1);
  t.is(await waits, "waited");
});

test("several asynchronous tasks a thread, and what they have begun goes on", async (t) => {
  await using pool = make({ concurrentTasksPerWorker: 8, quantum: 60_000 });
  const words = shared();
  const all = Array.from({ length: 8 }, () => pool.run(words, { name: "waitUntil" }));
  await reached(words, 1, 8);
  t.is(pool.threads.length, 1);
  Atomics.store(words, 0, 1);
  t.is(new Set(await Promise.all(all)).size, 1);
  const begun = shared();
  await pool.run(begun, { name: "begins" });
  await reached(begun, 1, 100);
  Atomics.store(begun, 0, 1);
});

test("an aborted task rejects at once: waiting, sent, heedful", async (t) => {
  await using pool = make({ quantum: 60_000, cancelTimeout: 60_000 });
  const gone = new AbortController();
  gone.abort(new Error("why"));
  const early = await t.throwsAsync(pool.run(1, { signal: gone.signal }), {
    name: "AbortError",
    code: "ABORT_ERR",
  });
  t.is((early?.cause as Error | undefined)?.message, "why");

  const words = shared();
  const running = new AbortController();
  const heedful = pool.run(words, { name: "heedful", signal: running.signal });
  await reached(words, 1, 1);
  const waiting = new AbortController();
  const second = pool.run({ a: 1, b: 1 }, { signal: waiting.signal });
  const third = pool.run({ a: 1, b: 2 });
  waiting.abort();
  await t.throwsAsync(second, { name: "AbortError" });
  const [thread] = pool.threads;
  running.abort();
  await t.throwsAsync(heedful, { name: "AbortError" });
  t.is(await third, 3);
  t.is(Atomics.load(words, 2), 1);
  t.deepEqual(pool.threads, [thread]);
});

test("a cancelled task that does not end takes its thread with it, not its neighbours", async (t) => {
  await using pool = make({ cancelTimeout: 1 });
  const words = shared();
  const controller = new AbortController();
  const hopeless = pool.run(words, { name: "spinMarked", signal: controller.signal });
  await reached(words, 1, 1);
  const neighbours = Array.from({ length: 20 }, (_, b) => pool.run({ a: 1, b }));
  const destroyed = once(pool, "workerDestroy");
  controller.abort();
  await t.throwsAsync(hopeless, { name: "AbortError" });
  t.is((await Promise.all(neighbours)).length, 20);
  await destroyed;
  t.is(await pool.run({ a: 1, b: 1 }), 2);
  // While another task runs in the thread, the thread stays.
  await using both = make({ cancelTimeout: 1, concurrentTasksPerWorker: 2 });
  const other = new Int32Array(new SharedArrayBuffer(16));
  const neighbour = both.run(other, { name: "waitUntil" });
  const second = new AbortController();
  const ignores = both.run(other, { name: "waitUntil", signal: second.signal });
  await reached(other, 1, 2);
  const [before] = both.threads;
  second.abort();
  await t.throwsAsync(ignores, { name: "AbortError" });
  t.is(await both.run({ a: 1, b: 1 }), 2);
  t.true(both.threads.includes(before as (typeof both.threads)[number]));
  Atomics.store(other, 0, 1);
  t.is(await neighbour, "waited");
});

test("back-pressure: a full queue refuses, needsDrain and drain tell", async (t) => {
  // Without a quantum, so that nothing sent ahead is taken back meanwhile.
  await using pool = make({ maxQueue: 4, maxOverdueThreads: 0, quantum: 60_000 });
  const words = shared();
  // Whatever is found: the pool's end waits for the task.
  await using _release = { [Symbol.asyncDispose]: async () => void Atomics.store(words, 0, 1) };
  const long = pool.run(words, { name: "spinMarked" });
  await reached(words, 1, 1);
  const queued = Array.from({ length: 4 }, (_, b) => pool.run({ a: 1, b }));
  t.is(pool.queueSize, 4);
  t.true(pool.needsDrain);
  await t.throwsAsync(pool.run({ a: 1, b: 9 }), { instanceOf: ManiacError, code: "ERR_MANIAC_QUEUE_FULL" });
  const drained = once(pool, "drain");
  Atomics.store(words, 0, 1);
  await drained;
  t.false(pool.needsDrain);
  t.deepEqual(await Promise.all(queued), [1, 2, 3, 4]);
  await long;
  await using none = make({ maxQueue: 0, maxOverdueThreads: 0 });
  await none.run({ a: 1, b: 1 });
  const only = none.run(shared(), { name: "echo" });
  await t.throwsAsync(none.run(1), { code: "ERR_MANIAC_QUEUE_FULL" });
  await only;
});

test("close runs what there is, destroy does not", async (t) => {
  const pool = make();
  const all = Array.from({ length: 100 }, (_, b) => pool.run({ a: 1, b }));
  const closed = pool.close();
  await t.throwsAsync(pool.run(1), { instanceOf: ManiacError, code: "ERR_MANIAC_POOL_CLOSED" });
  await closed;
  t.is((await Promise.all(all)).length, 100);
  t.is(pool.threads.length, 0);
  await pool.close();
  await pool.destroy();

  const other = make({ maxOverdueThreads: 0 });
  const words = shared();
  const running = other.run(words, { name: "spinMarked" });
  const waiting = other.run(words, { name: "spinMarked" });
  await reached(words, 1, 1);
  const destroyed = other.destroy();
  for (const one of [running, waiting]) await t.throwsAsync(one, { code: "ERR_MANIAC_POOL_CLOSED" });
  await destroyed;
  t.is(other.threads.length, 0);

  const forced = make({ maxOverdueThreads: 0, quantum: 60_000 });
  const again = shared();
  const begun = forced.run(again, { name: "spinMarked" });
  const dropped = forced.run(again, { name: "spinMarked" });
  await reached(again, 1, 1);
  const done = forced.close({ force: true });
  await t.throwsAsync(dropped, { code: "ERR_MANIAC_POOL_CLOSED" });
  Atomics.store(again, 0, 1);
  await begun;
  await done;
});

test("a thread that is slow to begin its next tasks gets them all the same", async (t) => {
  await using pool = make({ maxOverdueThreads: 0, quantum: 1 });
  const words = shared();
  await pool.run(words, { name: "spinAfterwards" });
  await reached(words, 1, 1);
  const next = [1, 2].map((n) => pool.run({ a: n, b: 1 }));
  // Many quanta pass, in which they are taken back and sent again.
  await setTimeout(20);
  Atomics.store(words, 0, 1);
  t.deepEqual(await Promise.all(next), [2, 3]);
});

test("threads beyond the least end when idle, and nothing leaks", async (t) => {
  await using pool = make({ minThreads: 0, maxThreads: 3, idleTimeout: 1 });
  const words = shared();
  const long = Array.from({ length: 3 }, () => pool.run(words, { name: "spinMarked" }));
  await reached(words, 1, 3);
  t.true(pool.threads.length >= 3);
  Atomics.store(words, 0, 1);
  await Promise.all(long);
  await until(() => pool.threads.length === 0);
  t.is(await pool.run({ a: 1, b: 1 }), 2);
});

test("histograms, counters, workerData, messages", async (t) => {
  await using pool = make({ workerData: { greeting: "hello" } });
  t.deepEqual(await pool.run(1, { name: "inside" }), [true, { greeting: "hello" }]);
  const said = once(pool, "message");
  await pool.run("word", { name: "says" });
  t.deepEqual(await said, ["word"]);
  const { runTime, waitTime } = pool.histogram;
  t.is(runTime.count, 2);
  t.true(runTime.max > 0 && runTime.p50 <= runTime.max && waitTime.p99 >= waitTime.min);
  t.true(pool.utilization > 0 && pool.duration > 0);
  pool.histogram.reset();
  t.is(pool.histogram.runTime.count, 0);
  t.deepEqual([pool.minThreads, pool.maxThreads, pool.queueSize], [1, 1, 0]);
  await using unrecorded = make({ recordTiming: false });
  await unrecorded.run({ a: 1, b: 1 });
  t.is(unrecorded.histogram.runTime.count, 0);
});

test("AsyncLocalStorage goes through run, and tasks have their own", async (t) => {
  await using pool = make({ concurrentTasksPerWorker: 4 });
  const storage = new AsyncLocalStorage<number>();
  const seen = Array.from({ length: 20 }, (_, n) =>
    storage.run(n, async () => {
      const there = await pool.run(n, { name: "stored" });
      return [there, storage.getStore()];
    }),
  );
  t.deepEqual(
    await Promise.all(seen),
    seen.map((_, n) => [n, n]),
  );
});

test("bad options are refused as Node does", async (t) => {
  const code = "ERR_OUT_OF_RANGE";
  t.throws(() => new Pool({ maxThreads: 0 }), { code });
  t.throws(() => new Pool({ minThreads: 3, maxThreads: 2 }), { code });
  t.throws(() => new Pool({ quantum: Number.NaN }), { code });
  t.throws(() => new Pool({ maxOverdueThreads: 1, spareThreads: 2 }), { code });
  t.throws(() => new Pool({ filename: "relative.js" }), { code });
  t.throws(() => new Pool({ maxQueue: "much" as "auto" }), { code: "ERR_INVALID_ARG_TYPE" });
  await using pool = new Pool({ minThreads: 0 });
  await t.throwsAsync(pool.run(1), { code: "ERR_INVALID_ARG_TYPE" });
  await t.throwsAsync(pool.run(1, { filename, signal: {} as AbortSignal }), { code: "ERR_INVALID_ARG_TYPE" });
});
