// The committed table: docs/node-tests.md.
import { FAMILIES } from "./select.mjs";

/** @typedef {import("./runner.mjs").Result} Result */
/** @typedef {import("./runner.mjs").Verdict} Verdict */

/** @param {string} text */
const cell = (text) => text.replaceAll("|", "\\|").replaceAll("<", "&lt;").replaceAll(/\s+/g, " ").trim();

/** @param {readonly Result[]} results */
export function shareOf(results) {
  const passed = results.filter(({ verdict }) => verdict === "passed").length;
  const failed = results.filter(({ verdict }) => verdict === "failed").length;
  return { passed, failed, percent: passed + failed === 0 ? 0 : (100 * passed) / (passed + failed) };
}

/** @param {string} family @param {readonly Result[]} results */
function row(family, results) {
  const { passed, failed, percent } = shareOf(results);
  /** @param {Verdict} verdict */
  const count = (verdict) => results.filter((result) => result.verdict === verdict).length;
  const touched = results.filter(({ verdict }) => verdict === "passed");
  /** @param {"calls" | "crossings"} what */
  const sum = (what) => touched.reduce((total, result) => total + result[what], 0);
  const cells = [
    ...[family, results.length, count("rule"), count("unfit"), count("untouched"), passed, failed],
    ...[`${percent.toFixed(1)} %`, sum("calls"), sum("crossings")],
  ];
  return `| ${cells.join(" | ")} |`;
}

/**
 * @param {string} title
 * @param {string} about
 * @param {readonly Result[]} results
 * @param {(result: Result) => string} why
 */
function list(title, about, results, why) {
  if (results.length === 0) return "";
  const rows = results.map((result) => `| \`${result.test.name}\` | ${cell(why(result))} |`);
  return `\n## ${title}\n\n${about}\n\n| test | reason |\n|---|---|\n${rows.join("\n")}\n`;
}

/**
 * @param {readonly Result[]} results
 * @param {{ node: string, tests: string, system: string, reasons: Readonly<Record<string, string>> }} about
 */
export function page(results, { node, tests, system, reasons }) {
  /** @param {Verdict} verdict */
  const of = (verdict) => results.filter((result) => result.verdict === verdict);
  const families = FAMILIES.map(([family]) =>
    row(
      family,
      results.filter(({ test }) => test.family === family),
    ),
  );
  return `# Node's own tests on maniac

Written by \`node scripts/node-tests.mjs --write\`; \`npm run deep -- --only node-tests\` runs them again. The test files are those of Node ${tests}, unedited, from
Debian's source package, run by Node ${node} on ${system}. Each runs on Node's own modules first. What passes there runs again with maniac in the
place of \`fs/promises\`, the asynchronous part of \`fs\`, \`net\` and \`dgram\`, for \`require\` and for \`import\`: \`maniac/register\` for files, and a preload of the
project's (\`scripts/lib/node-tests/preload.mjs\`) for sockets. The share is that of the tests that passed among those that passed or failed.

| family | files | by rule | unfit | untouched | passed | failed | share | calls | crossings |
|---|---|---|---|---|---|---|---|---|---|
${families.join("\n")}
${row("all", results)}

*Calls* are those that maniac did in the tests that passed, *crossings* the times that operations,
one or many, went over to the addon or results came back.
${list("Failed", "They pass on Node's own modules and do not on maniac.", of("failed"), ({ test, why }) => reasons[test.name] ?? why)}${list("By rule", "Not run: they test the insides of Node, which are not there to be replaced.", of("rule"), ({ why }) => why)}${list("Unfit", "They do not pass, or skip themselves, on Node's own modules on this machine, and say nothing about maniac.", of("unfit"), ({ why }) => why)}${list("Untouched", "They pass, but count as nothing: all that they call is Node's with maniac, too (the `…Sync` functions, `isIP`, `BlockList`).", of("untouched"), () => "reaches no function of maniac")}`;
}
