// Runs Node's test files: each on Node's own modules first, and where it passes there, on maniac.
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ROOT, run } from "../run.mjs";
import { outcomeOf } from "./select.mjs";

/** @typedef {import("./select.mjs").NodeTest} NodeTest */

/** Tests at once: the machine may be small, and some of them look at the clock. */
const JOBS = 2;
const SECONDS = 40;
/** One that waits for a read that comes just between two writes, and ends by itself after 90 seconds: the faster reads are, the seldomer that is. */
const PATIENT = { name: "parallel/test-fs-read-stream-pos.js", seconds: 120 };
const WORK = join(ROOT, "target/node-tests/run");
/** Given by --require: with --import Node would start a CommonJS program in another way than without. */
const PRELOAD = join(ROOT, "scripts/lib/node-tests/preload.mjs");

/**
 * How a test went. `rule`: not run, its text says why; `unfit`: it does not pass, or skips itself, on Node's own modules; `untouched`: it
 * passes, but calls nothing that maniac does; the others are what it did on maniac.
 *
 * @typedef {"rule" | "unfit" | "untouched" | "passed" | "failed"} Verdict
 * @typedef {object} Result
 * @property {NodeTest} test
 * @property {Verdict} verdict
 * @property {string} why
 * @property {number} calls that maniac did
 * @property {number} crossings to the addon and back, each of which may hold many operations
 */

/**
 * @param {NodeTest} test
 * @param {{ source: string, slot: number, maniac: boolean }} options
 */
async function runOnce(test, { source, slot, maniac }) {
  const side = maniac ? "maniac" : "node";
  const log = join(WORK, side, `${test.name.replaceAll("/", "-")}.log`);
  const report = `${log}.json`;
  rmSync(report, { force: true });
  const seconds = test.name === PATIENT.name ? PATIENT.seconds : SECONDS;
  const result = await run([process.execPath, ...test.flags, join(source, "test", test.name)], {
    log,
    cwd: source,
    minutes: seconds / 60,
    env: {
      NODE_OPTIONS: maniac ? `--require=${PRELOAD}` : "",
      MANIAC_NODE_TESTS_FILE: report,
      TEST_THREAD_ID: String(slot),
      NODE_COMMON_PORT: String(12_346 + 100 * slot),
    },
  });
  const { outcome, why: said } = outcomeOf(result);
  const why = said.replaceAll(`${source}/`, "");
  return {
    outcome,
    why: result.ended ? `${result.ended.replace(/within .*/, `within ${seconds} s`)}` : why,
    report,
  };
}

/** Sums what each of a test's processes reported. @param {string} report */
function countsOf(report) {
  const counts = { calls: 0, crossings: 0 };
  if (!existsSync(report)) return counts;
  for (const line of readFileSync(report, "utf8").split("\n").filter(Boolean)) {
    const { calls, crossings } = JSON.parse(line);
    for (const count of Object.values(calls)) counts.calls += Number(count);
    counts.crossings += crossings;
  }
  return counts;
}

/**
 * @param {NodeTest} test
 * @param {string} source
 * @param {number} slot
 * @returns {Promise<Result>}
 */
async function judge(test, source, slot) {
  const none = { calls: 0, crossings: 0 };
  if (test.rule !== undefined) return { test, verdict: "rule", why: test.rule, ...none };
  const plain = await runOnce(test, { source, slot, maniac: false });
  if (plain.outcome === "skipped")
    return { test, verdict: "unfit", why: `skips itself: ${plain.why}`, ...none };
  if (plain.outcome === "failed")
    return { test, verdict: "unfit", why: `fails on Node's own: ${plain.why}`, ...none };
  const { outcome, why, report } = await runOnce(test, { source, slot, maniac: true });
  const counts = countsOf(report);
  if (outcome !== "passed") return { test, verdict: "failed", why, ...counts };
  return { test, verdict: counts.calls === 0 ? "untouched" : "passed", why: "", ...counts };
}

/**
 * Runs tests: those of `parallel` two at a time, then the others one by one.
 *
 * @param {readonly NodeTest[]} tests
 * @param {{ source: string, onResult: (result: Result) => void }} options
 * @returns {Promise<Result[]>} in the order of `tests`
 */
export async function judgeAll(tests, { source, onResult }) {
  /** @type {Map<NodeTest, Result>} */
  const results = new Map();
  /** @param {Iterator<NodeTest>} queue @param {number} slot */
  const work = async (queue, slot) => {
    for (let next = queue.next(); !next.done; next = queue.next()) {
      const result = await judge(next.value, source, slot);
      results.set(next.value, result);
      onResult(result);
    }
  };
  const [together, alone] = [true, false].map((parallel) =>
    tests.filter(({ name }) => name.startsWith("parallel/") === parallel).values(),
  );
  if (together !== undefined) {
    await Promise.all(Array.from({ length: JOBS }, (_, slot) => work(together, slot)));
  }
  if (alone !== undefined) await work(alone, 0);
  return tests.flatMap((test) => results.get(test) ?? []);
}
