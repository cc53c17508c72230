// Node's own tests of files, sockets and datagrams, run against maniac: `npm run deep -- --only node-tests`, or alone, for a few of them:
// `node scripts/node-tests.mjs [PART OF A NAME …] [--write]`. Fails where a test fails that is not known to, or fewer than nine of ten pass.
import { writeFileSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { page, shareOf } from "./lib/node-tests/page.mjs";
import { REASONS } from "./lib/node-tests/reasons.mjs";
import { judgeAll } from "./lib/node-tests/runner.mjs";
import { nodeTests } from "./lib/node-tests/select.mjs";
import { SOURCE, testsVersion, withoutNodeTests } from "./lib/node-tests/source.mjs";
import { ROOT } from "./lib/run.mjs";

/** The least of those that can say something which must pass. */
const LEAST_PERCENT = 90;

const { values, positionals } = parseArgs({
  options: { write: { type: "boolean" } },
  allowPositionals: true,
});
const missing = await withoutNodeTests();
if (missing !== undefined) {
  console.error(`not run: ${missing}`);
  process.exit(2);
}
const all = nodeTests(SOURCE);
const chosen = all.filter(
  ({ name }) => positionals.length === 0 || positionals.some((part) => name.includes(part)),
);
let done = 0;
const results = await judgeAll(chosen, {
  source: SOURCE,
  onResult({ test, verdict, why }) {
    done++;
    const known = verdict === "failed" ? (REASONS[test.name] ?? "NOT KNOWN") : "";
    const line = `${verdict.padEnd(9)} ${test.name}${why ? `  ${why}` : ""}${known ? `  (${known})` : ""}`;
    const progress = process.stdout.isTTY ? `\r\x1b[K[${done}/${chosen.length}] ` : "";
    if (verdict === "failed" || process.stdout.isTTY) process.stdout.write(`${progress}${line}`);
    if (verdict === "failed") process.stdout.write("\n");
  },
});
if (process.stdout.isTTY) process.stdout.write("\r\x1b[K");

const { passed, failed, percent } = shareOf(results);
/** @param {string} verdict */
const count = (verdict) => results.filter((result) => result.verdict === verdict).length;
const unknown = results.filter(({ test, verdict }) => verdict === "failed" && !(test.name in REASONS));
const mended = results.filter(({ test, verdict }) => verdict === "passed" && test.name in REASONS);
for (const { test } of mended) console.log(`passes, and is on the list of those that do not: ${test.name}`);
console.log(
  `${passed} of ${passed + failed} pass (${percent.toFixed(1)} %); ${count("rule")} by rule, ${count("unfit")} unfit, ${count("untouched")} untouched`,
);
if (values.write) {
  if (chosen.length !== all.length) throw new Error("--write is for all tests: a table of some says little");
  const about = {
    node: process.versions.node,
    tests: testsVersion(),
    system: `Linux ${release()}`,
    reasons: REASONS,
  };
  writeFileSync(join(ROOT, "docs/node-tests.md"), page(results, about));
}
const short = percent < LEAST_PERCENT && chosen.length === all.length;
if (short) console.log(`fewer than ${LEAST_PERCENT} % pass`);
console.log(`${passed} passed, ${unknown.length + mended.length + (short ? 1 : 0)} failed`);
if (unknown.length + mended.length > 0 || short) process.exitCode = 1;
