// Runs one command to its end with its output in a log file. Both streams share the file, so that the lines stand in the
// order in which they were written, and a grandchild that outlives the command cannot hold the reader up.
import { spawn, spawnSync } from "node:child_process";
import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readFileSync, readSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/**
 * @typedef {object} RunOptions
 * @property {string} log file that receives the output
 * @property {string} [cwd]
 * @property {NodeJS.ProcessEnv} [env] on top of the environment
 * @property {number} [minutes] after which the command and its children are ended; 20 unless told
 * @property {(lastLine: string) => void} [onProgress] called four times a second
 *
 * @typedef {object} RunResult
 * @property {number} code the exit code; 128 and the signal's number after a signal, 127 where there is no such program
 * @property {string} output without terminal control characters
 * @property {string | undefined} ended why the command did not end by itself
 */

/** @type {Set<number>} */
const groups = new Set();

/** @param {NodeJS.Signals} signal */
function endAll(signal) {
  for (const pid of groups) kill(pid, signal);
}

/** @param {number} pid @param {NodeJS.Signals} signal */
function kill(pid, signal) {
  try {
    process.kill(process.platform === "win32" ? pid : -pid, signal);
  } catch {
    // It ended in the meantime.
  }
}

for (const [signal, code] of /** @type {const} */ ([
  ["SIGINT", 130],
  ["SIGTERM", 143],
])) {
  process.on(signal, () => {
    endAll(signal);
    process.exit(code);
  });
}

/**
 * @param {readonly string[]} command
 * @param {RunOptions} options
 * @returns {Promise<RunResult>}
 */
export function run(command, { log, cwd = ROOT, env = {}, minutes = 20, onProgress }) {
  mkdirSync(dirname(log), { recursive: true });
  const fd = openSync(log, "w+");
  const [program, ...args] = /** @type {[string, ...string[]]} */ (command);
  return new Promise((resolve) => {
    /** @type {string | undefined} */
    let ended;
    const child = spawn(program, args, {
      cwd,
      env: { ...process.env, CARGO_TERM_COLOR: "never", ...env },
      stdio: ["ignore", fd, fd],
      // A group of its own, so that a time-out ends the grandchildren too.
      detached: process.platform !== "win32",
    });
    if (child.pid !== undefined) groups.add(child.pid);
    const timeout = setTimeout(() => {
      ended = `did not end within ${minutes} min`;
      if (child.pid !== undefined) kill(child.pid, "SIGKILL");
    }, minutes * 60_000);
    const progress = onProgress && setInterval(() => onProgress(lastLine(fd)), 250);
    /** @param {number} code */
    const finish = (code) => {
      clearTimeout(timeout);
      clearInterval(progress);
      if (child.pid !== undefined) groups.delete(child.pid);
      closeSync(fd);
      resolve({ code, output: stripVTControlCharacters(readFileSync(log, "utf8")), ended });
    };
    child.once("error", (error) => {
      ended = `could not be started: ${error.message}`;
      finish(127);
    });
    child.once("exit", (code, signal) => {
      if (signal !== null) ended ??= `was ended by ${signal}`;
      finish(code ?? 128);
    });
  });
}

/** The last line that a growing log file holds. @param {number} fd */
function lastLine(fd) {
  const { size } = fstatSync(fd);
  const buffer = Buffer.alloc(Math.min(size, 2048));
  readSync(fd, buffer, 0, buffer.length, size - buffer.length);
  return (
    stripVTControlCharacters(buffer.toString("utf8"))
      .trimEnd()
      .split(/[\r\n]/)
      .at(-1)
      ?.trim() ?? ""
  );
}

/**
 * Where a program stands on PATH.
 * @param {string} program
 * @returns {string | undefined}
 */
export function which(program) {
  const names = process.platform === "win32" ? [`${program}.exe`, `${program}.cmd`] : [program];
  return (process.env.PATH ?? "")
    .split(process.platform === "win32" ? ";" : ":")
    .flatMap((folder) => names.map((name) => join(folder, name)))
    .find((path) => existsSync(path));
}

/** Whether a quick command ends well. @param {readonly string[]} command */
export function succeeds(command) {
  const [program, ...args] = /** @type {[string, ...string[]]} */ (command);
  return spawnSync(program, args, { cwd: ROOT, stdio: "ignore" }).status === 0;
}
