// Which of Node's test files are run, with which options, and what one run says.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The families, in the table's order; a file belongs to the first that fits its name. */
export const FAMILIES = Object.entries({
  "fs-promises": /^test-fs-promises/,
  "fs-*stream": /^test-fs-.*stream/,
  "fs-readfile": /^test-fs-readfile/,
  "fs-write": /^test-fs-write/,
  net: /^test-net/,
  dgram: /^test-dgram/,
});

/** Files of `sequential` want the machine for themselves. */
export const FOLDERS = /** @type {const} */ (["parallel", "sequential"]);

/**
 * @typedef {object} NodeTest
 * @property {string} name such as `parallel/test-net-connect.js`
 * @property {string} family
 * @property {readonly string[]} flags what Node is to be started with
 * @property {string | undefined} rule why it is not run anywhere, if it is not
 *
 * @typedef {"passed" | "failed" | "skipped"} Outcome
 */

/** @param {string} name of a file, without its folder */
export function familyOf(name) {
  return /\.m?js$/.test(name) ? FAMILIES.find(([, pattern]) => pattern.test(name))?.[0] : undefined;
}

/** What a file's first lines ask for. @param {string} text */
export function flagsOf(text) {
  return [...text.matchAll(/^\/\/ Flags: (.*)$/gm)].flatMap(([, flags]) => (flags ?? "").trim().split(/\s+/));
}

/** Why a file cannot say anything about another implementation, by its text. @param {string} text */
export function ruleAgainst(text) {
  if (/^\/\/ Flags:.*--expose[-_]internals/m.test(text))
    return "--expose-internals: tests Node's own insides";
  if (/\brequire\(['"]internal\//.test(text)) return "requires internal/…: tests Node's own insides";
  if (/\bprocess\.binding\(/.test(text)) return "process.binding: tests Node's own insides";
  return undefined;
}

/** @param {string} source @returns {NodeTest[]} */
export function nodeTests(source) {
  return FOLDERS.flatMap((folder) => {
    const place = join(source, "test", folder);
    if (!existsSync(place)) return [];
    return readdirSync(place)
      .sort()
      .flatMap((file) => {
        const family = familyOf(file);
        if (family === undefined) return [];
        const text = readFileSync(join(place, file), "utf8");
        return [{ name: `${folder}/${file}`, family, flags: flagsOf(text), rule: ruleAgainst(text) }];
      });
  });
}

/**
 * What a run came to. A test that skips itself says so and ends well.
 * @param {{ code: number, output: string }} result
 * @returns {{ outcome: Outcome, why: string }}
 */
export function outcomeOf({ code, output }) {
  const skipped = /^1\.\.0 # Skipped: (.*)$/m.exec(output);
  if (code === 0)
    return skipped ? { outcome: "skipped", why: skipped[1] ?? "" } : { outcome: "passed", why: "" };
  return { outcome: "failed", why: firstError(output) ?? `exit code ${code}` };
}

/** The line that says most about a failure. @param {string} output */
export function firstError(output) {
  const lines = output.split("\n").map((line) => line.trim());
  const mismatch = lines.find((line) => /^Mismatched .* function calls\./.test(line));
  const error = lines.find((line) => /^(Uncaught )?[A-Z]\w*(Error|Exception)( \[|:)/.test(line));
  const subtest = lines.find((line) => /^not ok \d+ - /.test(line));
  return (error ?? mismatch ?? subtest ?? lines.find((line) => line !== ""))?.slice(0, 160);
}
