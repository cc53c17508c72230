import assert from "node:assert/strict";
import { test } from "node:test";
import { cargo, closing, exit, preparation, settle, tap, tstyche } from "./counts.mjs";

const RUNNING = "     Running unittests src/lib.rs (target/debug/deps/a-1)\n\n";
/** @param {number} passed @param {number} failed */
const result = (passed, failed) =>
  `test result: ${failed ? "FAILED" : "ok"}. ${passed} passed; ${failed} failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n`;

test("cargo: the result lines are summed", () => {
  const output = `${RUNNING}${result(3, 0)}${RUNNING}${result(1, 2)}   Doc-tests a\n${result(4, 0)}all doctests ran in 1.00s\n`;
  assert.deepEqual(cargo(output, 101), { passed: 8, failed: 2 });
});

test("cargo: two result lines under one heading belong to it", () => {
  assert.deepEqual(cargo(`   Doc-tests a\n${result(1, 0)}${result(2, 0)}`, 0), { passed: 3, failed: 0 });
});

test("cargo: a test binary without a result has died", () => {
  assert.deepEqual(cargo(`${RUNNING}running 3 tests\n${RUNNING}${result(2, 0)}`, 101), {
    passed: 2,
    failed: 1,
  });
  assert.deepEqual(cargo(`${RUNNING}${result(2, 0)}${RUNNING}running 1 test\n`, 101), {
    passed: 2,
    failed: 1,
  });
});

test("cargo: no test was built", () => {
  assert.equal(cargo("error: could not compile `a`\n", 101), undefined);
});

test("TAP: node's and ava's closing lines", () => {
  assert.deepEqual(tap("ok 1 - a\n1..1\n# tests 4\n# pass 2\n# fail 1\n# cancelled 1\n# skipped 0\n", 1), {
    passed: 2,
    failed: 2,
  });
  assert.deepEqual(tap("TAP version 13\n1..3\n# tests 3\n# pass 3\n# fail 0\n", 0), { passed: 3, failed: 0 });
  assert.equal(tap("TAP version 13\nnot ok 1\n", 1), undefined);
});

test("tstyche: assertions, else tests", () => {
  const table = "Targets:     1 passed, 1 total\nTest files:  1 failed, 1 total\n";
  assert.deepEqual(
    tstyche(`${table}Tests:       1 passed, 1 total\nAssertions:  1 failed, 5 passed, 6 total\n`, 1),
    {
      passed: 5,
      failed: 1,
    },
  );
  assert.deepEqual(tstyche(`${table}Tests:       2 passed, 2 total\n`, 0), { passed: 2, failed: 0 });
  assert.equal(tstyche(table, 0), undefined);
});

test("the closing line of our own programs is the last of its kind", () => {
  assert.deepEqual(closing("1 passed, 1 failed\n| 7 passed, 0 failed\n12 passed, 0 failed, 1 not run\n", 0), {
    passed: 12,
    failed: 0,
  });
  assert.equal(closing("12 passed\n", 0), undefined);
});

test("what has no count is judged by its exit code", () => {
  assert.deepEqual(exit("", 0), { passed: 1, failed: 0 });
  assert.deepEqual(exit("", 3), { passed: 0, failed: 1 });
  assert.deepEqual(preparation("", 0), { passed: 0, failed: 0 });
  assert.deepEqual(preparation("", 1), { passed: 0, failed: 1 });
});

test("a runner that fails or says nothing is never a success", () => {
  assert.deepEqual(settle(tap, { code: 0, output: "" }), { passed: 0, failed: 1 });
  assert.deepEqual(settle(tap, { code: 1, output: "# pass 3\n# fail 0\n" }), { passed: 3, failed: 1 });
  assert.deepEqual(settle(tap, { code: 1, output: "# pass 3\n# fail 2\n" }), { passed: 3, failed: 2 });
  assert.deepEqual(settle(tap, { code: 0, output: "# pass 3\n# fail 0\n" }), { passed: 3, failed: 0 });
});
