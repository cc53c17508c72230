// Reads what a test runner says about itself. Each reader takes a runner's output and gives its counts, or nothing where the
// runner did not come far enough to print any.

/** @typedef {{ passed: number, failed: number }} Counts */
/** @typedef {(output: string, code: number) => Counts | undefined} Reader */

/** Sums `cargo test`'s result lines. A test binary that began and printed none has died, which counts as one failure. @type {Reader} */
export function cargo(output) {
  const counts = { passed: 0, failed: 0 };
  let results = 0;
  let unfinished = false;
  const startOrResult =
    /^(?: +(?:Running|Doc-tests) \S.*|test result: \w+\. (\d+) passed; (\d+) failed;.*)$/gm;
  for (const [, passed, failed] of output.matchAll(startOrResult)) {
    if (passed === undefined) {
      if (unfinished) counts.failed += 1;
      unfinished = true;
    } else {
      unfinished = false;
      results += 1;
      counts.passed += Number(passed);
      counts.failed += Number(failed);
    }
  }
  if (unfinished) counts.failed += 1;
  return results + counts.failed > 0 ? counts : undefined;
}

/** The closing comment lines of TAP, as node's runner and ava write them. @type {Reader} */
export function tap(output) {
  /** @param {string} word */
  const last = (word) =>
    Number([...output.matchAll(new RegExp(`^# ${word} (\\d+)$`, "gm"))].at(-1)?.[1] ?? 0);
  if (!/^# pass \d+$/m.test(output)) return undefined;
  return { passed: last("pass"), failed: last("fail") + last("cancelled") };
}

/** tstyche's closing table: its assertions, or its tests where a file has no assertion. @type {Reader} */
export function tstyche(output) {
  const row = /^Assertions:\s+(.*)$/m.exec(output) ?? /^Tests:\s+(.*)$/m.exec(output);
  if (row === null) return undefined;
  /** @param {string} word */
  const part = (word) => Number(new RegExp(`(\\d+) ${word}`).exec(row[1] ?? "")?.[1] ?? 0);
  return { passed: part("passed"), failed: part("failed") };
}

/** The closing line of this repo's own programs. @type {Reader} */
export function closing(output) {
  const line = [...output.matchAll(/^(\d+) passed, (\d+) failed(?:, \d+ not run)?$/gm)].at(-1);
  return line && { passed: Number(line[1]), failed: Number(line[2]) };
}

/** A check that only says yes or no. @type {Reader} */
export function exit(_output, code) {
  return code === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

/** A preparation: no test when it works, a failure when it does not. @type {Reader} */
export function preparation(_output, code) {
  return { passed: 0, failed: code === 0 ? 0 : 1 };
}

/**
 * What a step counts in the end: what its runner said, and never a success where the runner failed, died or said nothing.
 * @param {Reader} reader
 * @param {{ code: number, output: string }} result
 * @returns {Counts}
 */
export function settle(reader, { code, output }) {
  const counts = reader(output, code);
  if (counts === undefined) return { passed: 0, failed: 1 };
  if (code !== 0 && counts.failed === 0) return { passed: counts.passed, failed: 1 };
  return counts;
}
