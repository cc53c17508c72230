import assert from "node:assert/strict";
import { test } from "node:test";
import { shareOf } from "./page.mjs";
import { familyOf, firstError, flagsOf, outcomeOf, ruleAgainst } from "./select.mjs";

test("a file belongs to the first family that fits its name", () => {
  assert.equal(familyOf("test-fs-promises-file-handle-stream.js"), "fs-promises");
  assert.equal(familyOf("test-fs-readfile.js"), "fs-readfile");
  assert.equal(familyOf("test-fs-write-stream.js"), "fs-*stream");
  assert.equal(familyOf("test-fs-writefile-with-fd.js"), "fs-write");
  assert.equal(familyOf("test-net-server-async-dispose.mjs"), "net");
  assert.equal(familyOf("test-dgram-close.js"), "dgram");
  assert.equal(familyOf("test-fs-stat.js"), undefined);
  assert.equal(familyOf("test-net.md"), undefined);
});

test("flags are those of the first lines", () => {
  assert.deepEqual(flagsOf("// Flags: --expose-gc --no-warnings\n'use strict';\n"), [
    "--expose-gc",
    "--no-warnings",
  ]);
  assert.deepEqual(flagsOf("'use strict';\nconst flags = '// Flags: no';\n"), []);
});

test("insides of Node are a rule against a file", () => {
  assert.match(ruleAgainst("// Flags: --expose-internals\n") ?? "", /insides/);
  assert.match(ruleAgainst("const { x } = require('internal/net');\n") ?? "", /insides/);
  assert.equal(ruleAgainst("// Flags: --expose-gc\nrequire('net');\n"), undefined);
});

test("a run has passed, failed or skipped itself", () => {
  assert.deepEqual(outcomeOf({ code: 0, output: "" }), { outcome: "passed", why: "" });
  assert.deepEqual(outcomeOf({ code: 0, output: "1..0 # Skipped: no IPv6\n" }), {
    outcome: "skipped",
    why: "no IPv6",
  });
  assert.equal(outcomeOf({ code: 1, output: "1..0 # Skipped: no IPv6\nError: bad\n" }).outcome, "failed");
  assert.equal(outcomeOf({ code: 7, output: "" }).why, "exit code 7");
});

test("a failure is told by the line that says most", () => {
  const thrown =
    "node:assert:90\n  throw new AssertionError(obj);\n  ^\n\nAssertionError [ERR_ASSERTION]: 1 !== 2\n";
  assert.equal(firstError(thrown), "AssertionError [ERR_ASSERTION]: 1 !== 2");
  const counted = "ok\nMismatched <anonymous> function calls. Expected exactly 1, actual 0.\n";
  assert.equal(firstError(counted), "Mismatched <anonymous> function calls. Expected exactly 1, actual 0.");
});

test("the share is that of those that can say something", () => {
  const of = (/** @type {import("./runner.mjs").Verdict} */ verdict) => ({
    test: { name: "parallel/test-net.js", family: "net", flags: [], rule: undefined },
    verdict,
    why: "",
    calls: 1,
    crossings: 1,
  });
  const results = [
    of("passed"),
    of("passed"),
    of("passed"),
    of("failed"),
    of("rule"),
    of("untouched"),
    of("unfit"),
  ];
  assert.deepEqual(shareOf(results), { passed: 3, failed: 1, percent: 75 });
});
