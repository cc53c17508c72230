/**
 * `maniac/pool` beside piscina and tinypool, in turn, the median of several rounds: dispatch of tasks that do next to nothing, and what
 * short tasks wait beside eight long ones. Prints a line of JSON for each bench, as `benches/rust` does. All have as many threads as
 * there are processors, and at most that many run; maniac adds some for overdue tasks, which is what is measured.
 *
 * Run: `node target/js/benches/node-pool.js [--rounds N]`
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { options, quantile } from "./rounds.js";

interface AnyPool {
  run(task: unknown, options?: { name: string }): Promise<unknown>;
  destroy(): Promise<void>;
}
type Maker = new (options: object) => AnyPool;

const { Pool } = (await import("maniac/pool" as string)) as { Pool: Maker };
// Without their types, which do not pass the compiler's checks here.
const { Piscina } = (await import("piscina" as string)) as { Piscina: Maker };
const { Tinypool } = (await import("tinypool" as string)) as { Tinypool: Maker };

const ROUNDS = options().rounds;
const THREADS = availableParallelism();
const TASKS = 20_000;
const IN_FLIGHT = 64;
/** Long tasks, their length; short ones beside them, and how often one comes, whether others have ended or not. */
const LONG = 8;
const LONG_MS = 500;
const SHORT = 200;
const EVERY_MS = 5;

const folder = mkdtempSync(join(tmpdir(), "maniac-bench-"));
const file = join(folder, "task.mjs");
writeFileSync(
  file,
  `export default (n) => n + 1;
  function spin(milliseconds) {
    const end = performance.now() + milliseconds;
    while (performance.now() < end);
  }
  export const work = (task) => (typeof task === "object" ? spin(task.long) : task + 1);`,
);
const filename = pathToFileURL(file).href;

const both = { filename, minThreads: THREADS, maxThreads: THREADS };
/** piscina takes several tasks a thread only when told so, and then runs fastest without timing them. */
const ahead = { concurrentTasksPerWorker: 32, recordTiming: false };
const POOLS: Readonly<Record<string, () => AnyPool>> = {
  "maniac/pool": () => new Pool(both),
  piscina: () => new Piscina(both),
  "piscina, 32 a worker": () => new Piscina({ ...both, ...ahead }),
  "piscina, 32 a worker, no atomics": () => new Piscina({ ...both, ...ahead, atomics: "disabled" }),
  tinypool: () => new Tinypool(both),
};

/** Thousands of tasks a second, `width` at a time, and the median time of one in microseconds. */
async function dispatch(pool: AnyPool, width: number, tasks: number): Promise<[number, number]> {
  const times: number[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < tasks) {
      const began = performance.now();
      await pool.run(next++);
      times.push((performance.now() - began) * 1000);
    }
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: width }, lane));
  return [tasks / (performance.now() - start), quantile(times, 0.5)];
}

/** What short tasks take beside long ones, in milliseconds: the 99th percentile. */
async function besideLong(pool: AnyPool): Promise<number> {
  await Promise.all(Array.from({ length: THREADS }, (_, n) => pool.run(n, { name: "work" })));
  const long = Array.from({ length: LONG }, () => pool.run({ long: LONG_MS }, { name: "work" }));
  const times: number[] = [];
  const short: Promise<void>[] = [];
  const start = performance.now();
  for (let count = 0; count < SHORT; count++) {
    // From when it should have come: a loop that is held up itself must not hide that.
    const due = start + count * EVERY_MS;
    await new Promise((resolve) => setTimeout(resolve, due - performance.now()));
    short.push(pool.run(count, { name: "work" }).then(() => void times.push(performance.now() - due)));
  }
  await Promise.all(short);
  await Promise.all(long);
  return quantile(times, 0.99);
}

const results = new Map<string, { readonly unit: string; readonly of: Map<string, number[]> }>();

function note(bench: string, unit: string, pool: string, value: number): void {
  const { of } = results.get(bench) ?? { unit, of: new Map<string, number[]>() };
  results.set(bench, { unit, of });
  of.set(pool, [...(of.get(pool) ?? []), value]);
}

for (let round = 0; round < ROUNDS; round++) {
  for (const [name, make] of Object.entries(POOLS)) {
    const pool = make();
    await dispatch(pool, IN_FLIGHT, TASKS / 4);
    const [rate] = await dispatch(pool, IN_FLIGHT, TASKS);
    note(`${IN_FLIGHT} in flight`, "thousands a second", name, rate);
    const [, one] = await dispatch(pool, 1, TASKS / 10);
    note("one at a time, p50", "us", name, one);
    await pool.destroy();
    const other = make();
    note(`short beside ${LONG} long, p99`, "ms", name, await besideLong(other));
    await other.destroy();
  }
}

rmSync(folder, { recursive: true });
for (const [bench, { unit, of }] of results) {
  const medians = Object.fromEntries(
    [...of].map(([name, all]) => [name, Number(quantile(all, 0.5).toFixed(2))]),
  );
  const line = { group: "Node: pools", bench, unit, rounds: ROUNDS, results: medians };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
