/** `maniac try`: what it says of commands that are the same on maniac, that differ, that vary by themselves, that do not start. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import test from "ava";
import { packageRoot, run } from "./fakes/subprocess.js";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "maniac-try-spec-"));
test.after.always(() => fs.rmSync(folder, { recursive: true }));

interface Result {
  readonly runs: number;
  readonly node: Readonly<Record<"wallMs" | "cpuMs" | "readP99Ms" | "exitCode", number>>;
  readonly maniac: Result["node"] & Readonly<Record<"processes" | "intercepted" | "passed", number>>;
  readonly same: Readonly<Record<"exitCode" | "stdout" | "stderr", boolean | null>>;
}

const main = path.join(packageRoot, "dist/cli/main.js");

/** Tries a program of one line. */
async function tried(
  source: string,
  flags: readonly string[] = ["--json"],
): Promise<[Result, Awaited<ReturnType<typeof run>>]> {
  const file = path.join(fs.mkdtempSync(path.join(folder, "program-")), "program.cjs");
  fs.writeFileSync(file, source);
  const words = [main, "try", "--runs", "2", ...flags, "--", process.execPath, file];
  const ended = await run(words, { NODE_OPTIONS: "" });
  return [(flags.includes("--json") ? JSON.parse(ended.stdout) : undefined) as Result, ended];
}

const READS = `const fs = require("node:fs");
  (async () => { for (let at = 0; at < 50; at++) await fs.promises.readFile(__filename); console.log("read"); console.error("told"); process.exitCode = 3; })();`;

test("a command that does the same: its figures and calls, and exit code 0", async (t) => {
  const [{ node, maniac, same, runs }, { code, stderr }] = await tried(READS);
  t.deepEqual([code, stderr, runs], [0, "", 2]);
  t.deepEqual(same, { exitCode: true, stdout: true, stderr: true });
  t.deepEqual([node.exitCode, maniac.exitCode, maniac.processes, maniac.intercepted], [3, 3, 1, 50]);
  for (const side of [node, maniac]) t.true(side.wallMs > 0 && side.readP99Ms > 0 && side.cpuMs >= 0);
});

test("what it says to people, without progress where there is no terminal", async (t) => {
  const [, { code, stdout, stderr }] = await tried(READS, []);
  t.is(code, 0);
  for (const line of [/^wall time/m, /^a read, p99/m, /50 intercepted/, /^exit code +the same: 3$/m])
    t.regex(stdout, line);
  t.regex(stderr, /^\S.*program\.cjs: 2 runs each, medians\n$/);
});

test("a command that does something else on maniac: exit code 1, and what differs", async (t) => {
  const [{ same }, { code }] = await tried(`console.log(process.env.MANIAC_REGISTER ?? "plain")`);
  t.is(code, 1);
  t.deepEqual(same, { exitCode: true, stdout: false, stderr: true });
});

test("output that varies by itself is told apart", async (t) => {
  const [{ same }, { code }] = await tried(`console.log(process.pid)`);
  t.is(code, 0);
  t.deepEqual(same, { exitCode: true, stdout: null, stderr: true });
});

test("the processes that a command starts are looked at too", async (t) => {
  const source = `const { execFileSync } = require("node:child_process");
    if (process.argv[2] !== "child") execFileSync(process.execPath, [__filename, "child"]);
    require("node:fs").readFile(__filename, () => undefined);`;
  const [{ maniac, same }] = await tried(source);
  t.deepEqual([maniac.processes, maniac.intercepted], [2, 2]);
  t.deepEqual(same, { exitCode: true, stdout: true, stderr: true });
});

test("what cannot be run, and wrong usage", async (t) => {
  const missing = await run([main, "try", "--runs", "1", "--", path.join(folder, "missing")]);
  t.is(missing.code, 1);
  t.regex(missing.stderr, /missing could not be started/);
  for (const words of [[], ["--"], ["--runs", "0", "--", "true"], ["--nonsense", "--", "true"]]) {
    const { code, stderr } = await run([main, "try", ...words]);
    t.is(code, 2, words.join(" "));
    t.regex(stderr, /Try: maniac help/);
  }
});
