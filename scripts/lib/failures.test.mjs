import assert from "node:assert/strict";
import { test } from "node:test";
import { failures } from "./failures.mjs";

test("cargo: each failed test with what it printed", () => {
  const output = [
    "test a::one ... ok",
    "test a::two ... FAILED",
    "test a::three - should panic ... FAILED",
    "",
    "failures:",
    "",
    "---- a::two stdout ----",
    "thread 'a::two' panicked at src/lib.rs:1:1:",
    "no",
    "",
    "failures:",
    "    a::two",
    "    a::three",
    "",
  ].join("\n");
  assert.deepEqual(failures(output), [
    { name: "a::two", why: "thread 'a::two' panicked at src/lib.rs:1:1:\nno" },
    { name: "a::three", why: "" },
  ]);
});

test("TAP: each failed test with its block", () => {
  const output = [
    "ok 1 - good",
    "not ok 2 - spec › bad",
    "  ---",
    "    message: no",
    "  ...",
    "not ok 3 - later # todo",
    "ok 4 - better",
    "",
  ].join("\n");
  assert.deepEqual(failures(output), [{ name: "spec › bad", why: "---\n    message: no\n  ..." }]);
});

test("a long reason is cut, and output of no runner has no failures", () => {
  const output = `not ok 1 - long\n${"  line\n".repeat(100)}`;
  const [failure] = failures(output);
  assert.equal(failure?.why.split("\n").length, 26);
  assert.deepEqual(failures("cargo: command not found\n"), []);
});
