import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { exit, preparation } from "./counts.mjs";
import { runSteps } from "./steps.mjs";

/** @param {string} name @param {string} code @param {Partial<import("./steps.mjs").Step>} [more] */
const step = (name, code, more = {}) => ({
  name,
  about: name,
  command: [process.execPath, "--eval", code],
  count: exit,
  ...more,
});

/** @param {import("./steps.mjs").Step[]} steps @param {{ only?: string[] }} [options] */
async function ran(steps, options) {
  const out = new PassThrough();
  const totals = await runSteps(steps, {
    ...options,
    out: /** @type {NodeJS.WriteStream} */ (/** @type {unknown} */ (out)),
    logs: "steps-test",
  });
  return { totals, text: String(out.read() ?? "") };
}

test("steps are counted, and what failed shows its output", async () => {
  const { totals, text } = await ran([step("a", ""), step("b", "console.error('why'); process.exit(3)")]);
  assert.deepEqual(totals, { passed: 1, failed: 1, notRun: 0 });
  assert.match(text, /^ok {7}a/m);
  assert.match(text, /^FAILED {3}b[\s\S]*\| why[\s\S]*exit code 3/m);
});

test("what failed is named once more at the end, also when it failed in a step's own steps", async () => {
  const tap = "console.log('not ok 1 - adds up\\n  ---\\n  why\\n  ...'); process.exit(1)";
  const nested = "console.log('failed: inner: takes away'); process.exit(1)";
  const { text } = await ran([step("a", tap), step("b", nested), step("c", "process.exit(1)")]);
  assert.deepEqual(text.trimEnd().split("\n").slice(-3), [
    "failed: a: adds up",
    "failed: b: inner: takes away",
    "failed: c",
  ]);
});

test("a step that cannot run here is neither passed nor failed", async () => {
  const { totals, text } = await ran([step("a", "", { unable: async () => "there is no hammer" })]);
  assert.deepEqual(totals, { passed: 0, failed: 0, notRun: 1 });
  assert.match(text, /^not run {2}a {2}there is no hammer$/m);
});

test("what comes after a step that did not pass does not run", async () => {
  const failing = step("a", "process.exit(1)", { count: preparation });
  const { totals } = await ran([failing, step("b", "", { after: ["a"] }), step("c", "", { after: ["b"] })]);
  assert.deepEqual(totals, { passed: 0, failed: 1, notRun: 2 });
});

test("a chosen step brings what it comes after", async () => {
  const steps = [
    step("a", ""),
    step("b", "", { after: ["a"] }),
    step("c", "", { after: ["b"] }),
    step("d", ""),
  ];
  const { text } = await ran(steps, { only: ["c"] });
  assert.deepEqual(
    [...text.matchAll(/^ok +(\w)/gm)].map(([, name]) => name),
    ["a", "b", "c"],
  );
});

test("a program that does not exist, one that is ended by a signal, and one that never ends", async () => {
  const missing = { ...step("a", ""), command: ["no-such-program"] };
  const { totals, text } = await ran([
    missing,
    step("b", "process.kill(process.pid, 'SIGKILL')"),
    step("c", "setInterval(() => {}, 1000)", { minutes: 0.005 }),
  ]);
  assert.equal(totals.failed, 3);
  assert.match(text, /could not be started/);
  assert.match(text, /was ended by SIGKILL/);
  assert.match(text, /did not end within 0.005 min/);
});
