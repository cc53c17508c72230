/**
 * `maniac/register`: an existing program's file system runs on maniac, unchanged.
 *
 * `node --import maniac/register app.js`, or `NODE_OPTIONS="--import maniac/register"`, which child processes inherit. `node:fs/promises`,
 * `fs.promises`, the callback forms of `node:fs` and its streams by path then are this package's, for CommonJS and for ES modules, in the
 * main thread and in every Worker that inherits Node's options.
 *
 * What stays Node's: the `…Sync` functions, `open` and `close` with a callback (a descriptor that is a number is the program's own),
 * `realpath` but `realpath.native`, `watch` and `watchFile`, `glob`, `openAsBlob`, the standard streams, and calls whose arguments Node
 * would refuse. A handle of `fs.promises.open` is this package's, which cannot be sent to a Worker.
 *
 * `MANIAC_REGISTER=report` prints at exit what was intercepted and what passed through; `off` leaves the program alone. Where the addon
 * cannot be loaded (Node's permission model without `--allow-addons`), a warning says so and the program runs on Node's own.
 *
 * @module
 */
import { appendFileSync, writeSync } from "node:fs";
import { loadBinding } from "./internal/binding.js";
import { patch } from "./internal/register-patch.js";
import { keepTimes, type RegisterReport, shown, tally } from "./internal/register-tally.js";

export type { RegisterReport };

/** What `MANIAC_REGISTER` may be; nothing is the same as `on`. */
const MODES: ReadonlySet<string> = new Set(["on", "off", "report", "observe"]);

/**
 * What was intercepted, and what passed through, in this environment until now.
 *
 * @example
 * ```ts
 * import fs from "node:fs/promises";
 * import { registerReport } from "maniac/register";
 *
 * await fs.readFile("package.json");
 * console.log(registerReport().intercepted); // { 'promises.readFile': 1 }
 * ```
 */
export function registerReport(): RegisterReport {
  return tally();
}

function warn(text: string): void {
  process.emitWarning(`maniac/register: ${text}`, { code: "MANIAC_REGISTER" });
}

/** Tells at exit, to standard error, or to a file as a line of JSON. */
function reportAtExit(file: string | undefined): void {
  process.once("exit", () => {
    const report = tally();
    try {
      if (file === undefined) writeSync(2, shown(report));
      else appendFileSync(file, `${JSON.stringify(report)}\n`);
    } catch {
      // Nobody reads it any more; the program's own exit code counts.
    }
  });
}

function register(): void {
  const { MANIAC_REGISTER: wanted = "on", MANIAC_REGISTER_FILE: file } = process.env;
  if (wanted === "off") return;
  if (!MODES.has(wanted)) warn(`MANIAC_REGISTER is ${wanted}; it may be ${[...MODES].join(", ")}`);
  const observe = wanted === "observe";
  if (!observe) {
    try {
      loadBinding();
    } catch (error) {
      warn(`the program runs on Node's own file system. ${error instanceof Error ? error.message : ""}`);
      return;
    }
  }
  const reports = observe || wanted === "report";
  if (reports) {
    if (file !== undefined) keepTimes();
    reportAtExit(file);
  }
  patch({ observe, countAll: reports });
}

register();
