// Finds what failed in a test runner's output: whoever reads a long log, or one that was cut, wants that first.

/** A failure's text is cut after so many lines, */
const LINES = 25;
/** and so many failures are shown whole. */
const WHOLE = 10;

/**
 * The names of what failed, each with the lines in which the runner says why. Empty where the output is of no runner known here.
 * @param {string} output
 * @returns {{ name: string, why: string }[]}
 */
export function failures(output) {
  const found = [...fromCargo(output), ...fromTap(output)];
  return found.map(({ name, why }, at) => ({ name, why: at < WHOLE ? cut(why) : "" }));
}

/** The blocks `---- NAME stdout ----`, and tests that name no block. @param {string} output */
function* fromCargo(output) {
  /** @type {Map<string, string>} */
  const blocks = new Map();
  for (const [, name = "", why = ""] of output.matchAll(
    /^---- (.+) stdout ----\n([\s\S]*?)(?=^---- |^failures:$)/gm,
  ))
    blocks.set(name, why);
  for (const [, name = ""] of output.matchAll(/^test (\S+).* \.\.\. FAILED$/gm)) {
    if (!blocks.has(name)) blocks.set(name, "");
  }
  for (const [name, why] of blocks) yield { name, why };
}

/** The lines `not ok` with their YAML blocks; what is marked as to do or skipped is no failure. @param {string} output */
function* fromTap(output) {
  const line = /^[ \t]*not ok \d+(?: -)? (.+)\n((?:[ \t]+(?!(?:not )?ok \d).*\n?)*)/gm;
  for (const [, name = "", why = ""] of output.matchAll(line)) {
    if (!/# (?:todo|skip)\b/i.test(name)) yield { name, why };
  }
}

/** @param {string} text */
function cut(text) {
  const lines = text.trim().split("\n");
  const rest = lines.length - LINES;
  return rest > 0 ? [...lines.slice(0, LINES), `(${rest} more lines)`].join("\n") : lines.join("\n");
}
