// Runs a list of steps one after the other and says in one line each how it went. `npm test`, `npm run check`, the set-up of
// `npm start` and `.ci/run` are such lists.
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { exit, preparation, settle } from "./counts.mjs";
import { failures } from "./failures.mjs";
import { ROOT, run } from "./run.mjs";

/**
 * @typedef {object} Step
 * @property {string} name
 * @property {string} about what it shows when it passes, in one line
 * @property {readonly string[]} command
 * @property {import("./counts.mjs").Reader} count how to read the runner's counts
 * @property {readonly string[]} [after] steps that must have passed before
 * @property {() => string | undefined | Promise<string | undefined>} [unable] why it cannot run on this machine, if it cannot
 * @property {NodeJS.ProcessEnv} [env]
 * @property {number} [minutes]
 * @property {boolean} [show] its output is worth reading when it passes, too
 *
 * @typedef {{ passed: number, failed: number, notRun: number }} Totals
 * @typedef {{ only?: readonly string[], verbose?: boolean, out?: NodeJS.WriteStream, logs: string }} RunStepsOptions
 */

const TAIL_LINES = 150;
/** Where the failures themselves are shown, the end of the output says little more. */
const TAIL_LINES_BESIDES = 15;
const TAIL_LINES_SHOWN = 1500;
/** So many failures are named once more at the end. */
const NAMES = 40;

/**
 * @param {readonly Step[]} steps
 * @param {RunStepsOptions} options
 * @returns {Promise<Totals>}
 */
export async function runSteps(steps, { only, verbose = false, out = process.stdout, logs }) {
  const totals = { passed: 0, failed: 0, notRun: 0 };
  /** @type {string[]} */
  const named = [];
  /** @type {Set<string>} */
  const passed = new Set();
  const chosen = only ? withPrerequisites(steps, only) : steps;
  const width = Math.max(...chosen.map(({ name }) => name.length));
  for (const step of chosen) {
    const label = step.name.padEnd(width);
    const live = liveLine(out, label);
    const missing = step.after?.find((name) => !passed.has(name));
    const reason = missing ? `'${missing}' did not pass` : await step.unable?.();
    if (reason) {
      totals.notRun += 1;
      live.clear();
      out.write(`not run  ${label}  ${reason}\n`);
      continue;
    }
    const log = join(ROOT, "target/logs", logs, `${step.name.replaceAll(/[^\w.-]+/g, "-")}.log`);
    const started = performance.now();
    const result = await run(step.command, { log, ...pick(step), ...live.options });
    live.clear();
    const seconds = `${((performance.now() - started) / 1000).toFixed(1)} s`;
    const counts = settle(step.count, result);
    totals.passed += counts.passed;
    totals.failed += counts.failed;
    if (counts.failed === 0) passed.add(step.name);
    const isRunner = step.count !== exit && step.count !== preparation;
    const said = isRunner ? `${counts.passed} passed, ${counts.failed} failed  ` : "";
    out.write(`${counts.failed === 0 ? "ok     " : "FAILED "}  ${label}  ${said}${seconds}\n`);
    if (counts.failed > 0) {
      const names = whatFailed(result.output).map((name) => `${step.name}: ${name}`);
      named.push(...(names.length > 0 ? names : [step.name]));
      out.write(explain(step, result, log));
    } else if (verbose || step.show) out.write(indent(result.output));
  }
  // At the end once more, by name alone: of a long output, that is what is left when it is cut.
  for (const name of named.slice(0, NAMES)) out.write(`failed: ${name}\n`);
  return totals;
}

/** The tests that a runner names as failed, or those that steps within this one named. @param {string} output */
function whatFailed(output) {
  const names = failures(output).map(({ name }) => name);
  return names.length > 0 ? names : [...output.matchAll(/^failed: (.+)$/gm)].map(([, name = ""]) => name);
}

/** @param {Step} step */
function pick({ env, minutes }) {
  return { ...(env && { env }), ...(minutes && { minutes }) };
}

/** The chosen steps and what they come after, in the list's order. @param {readonly Step[]} steps @param {readonly string[]} only */
function withPrerequisites(steps, only) {
  const wanted = new Set(only);
  for (const step of steps.toReversed()) {
    if (wanted.has(step.name)) for (const name of step.after ?? []) wanted.add(name);
  }
  return steps.filter(({ name }) => wanted.has(name));
}

/** What goes on in a step: one line that is written over, on a terminal only. @param {NodeJS.WriteStream} out @param {string} label */
function liveLine(out, label) {
  if (!out.isTTY) return { options: {}, clear: () => {} };
  const started = performance.now();
  const clear = () => out.write("\r\x1b[K");
  /** @param {string} last the last line of the step's output */
  const onProgress = (last) => {
    const seconds = Math.floor((performance.now() - started) / 1000);
    const line = `...      ${label}  ${seconds} s  ${last}`;
    clear();
    out.write(line.slice(0, out.columns - 1));
  };
  onProgress("");
  return { options: { onProgress }, clear };
}

/** @param {Step} step @param {import("./run.mjs").RunResult} result @param {string} log */
function explain(step, { code, output, ended }, log) {
  const lines = output.trimEnd().split("\n");
  const failed = step.show ? [] : failures(output);
  const shown = step.show ? TAIL_LINES_SHOWN : failed.length > 0 ? TAIL_LINES_BESIDES : TAIL_LINES;
  const cut = lines.length > shown ? `the last ${shown} of ${lines.length} lines; all are in` : "also in";
  const env = Object.entries(step.env ?? {}).map(([key, value]) => `${key}='${value}' `);
  const what = failed.map(({ name, why }) => indent(`FAILED ${name}\n${why}`));
  return (
    `${what.join("")}${indent(lines.slice(-shown).join("\n"))}` +
    `         ${env.join("")}${step.command.join(" ")}\n` +
    `         ${ended ?? `exit code ${code}`} (${cut} ${relative(ROOT, log)})\n`
  );
}

/** @param {string} text */
function indent(text) {
  return text.trim() === "" ? "" : `${text.trimEnd().replaceAll(/^/gm, "         | ")}\n`;
}

/**
 * A program that runs a list of steps: its options, its closing line and its exit code.
 * @param {readonly Step[]} steps
 * @param {{ program: string, logs: string, closing: (totals: Totals) => string }} program its logs are in target/logs
 */
export async function main(steps, { program, logs, closing }) {
  const { values } = parseArgs({
    options: {
      only: { type: "string", multiple: true },
      list: { type: "boolean" },
      strict: { type: "boolean" },
      verbose: { type: "boolean" },
      help: { type: "boolean" },
    },
  });
  if (values.help) {
    console.log(
      `${program} [-- OPTIONS]\n` +
        "  --list       name the steps\n" +
        "  --only STEP  run this step and what it needs (may be repeated)\n" +
        "  --strict     a step that cannot run here is a failure too\n" +
        "  --verbose    show the output of steps that pass",
    );
    return;
  }
  if (values.list) {
    const width = Math.max(...steps.map(({ name }) => name.length));
    for (const { name, about } of steps) console.log(`${name.padEnd(width)}  ${about}`);
    return;
  }
  const unknown = values.only?.find((name) => !steps.some((step) => step.name === name));
  if (unknown !== undefined) {
    console.error(
      `no step is named '${unknown}'; the steps are: ${steps.map(({ name }) => name).join(", ")}`,
    );
    process.exitCode = 2;
    return;
  }
  const totals = await runSteps(steps, {
    ...(values.only && { only: values.only }),
    verbose: values.verbose ?? false,
    logs,
  });
  console.log(closing(totals));
  if (totals.failed > 0 || (values.strict && totals.notRun > 0)) process.exitCode = 1;
}
