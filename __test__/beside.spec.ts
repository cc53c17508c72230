/**
 * What Node does goes on undisturbed beside tasks that compute: http, files, crypto, worker_threads and child processes, with hand-off and
 * with the switch; no signal reaches a thread that is not the runtime's; and Node's own profiler works. `MANIAC_DEEP=1` runs each for 60 s.
 */
import { execFile } from "node:child_process";
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import test, { type ExecutionContext } from "ava";
import { packageRoot } from "./fakes/subprocess.js";
import type { Report } from "./fixtures/beside.js";

const fixture = fileURLToPath(new URL("./fixtures/beside.js", import.meta.url));
const milliseconds = process.env.MANIAC_DEEP === undefined ? 2_000 : 60_000;
const scratch = mkdtempSync(path.join(tmpdir(), "maniac-beside-spec-"));
const addon = path.join(scratch, "hogs.node");
const run = promisify(execFile);
const linux = process.platform === "linux" ? test.serial : test.serial.skip;

test.before("builds", async (t) => {
  if (process.platform !== "linux") return;
  t.timeout(900_000);
  await run("cargo", ["build", "--release", "-p", "maniac-napi", "--example", "hogs"], {
    cwd: packageRoot,
    maxBuffer: 1 << 26,
  });
  const target = process.env.CARGO_TARGET_DIR ?? path.join(packageRoot, "target");
  copyFileSync(path.join(target, "release/examples/libhogs.so"), addon);
});

test.after.always(() => rmSync(scratch, { recursive: true }));

/** Runs the fixture, by `command` before Node and with `flags`; everything was done, and nothing failed. */
async function beside(
  t: ExecutionContext,
  how: "hand-off" | "switch",
  { command = [], flags = [] }: { command?: string[]; flags?: string[] } = {},
): Promise<Report> {
  t.timeout(milliseconds * 2 + 300_000);
  const [program, ...words] = [...command, process.execPath, ...flags, fixture, String(milliseconds), addon];
  const { stdout } = await run(program as string, words, {
    cwd: scratch,
    env: { ...process.env, MANIAC_HOGS: how },
    maxBuffer: 1 << 26,
  });
  const report = JSON.parse(stdout) as Report;
  t.log(how, ...flags, JSON.stringify(report.done), JSON.stringify(report.counts));
  t.deepEqual(report.errors, []);
  t.is(Object.keys(report.done).length, 10);
  t.true(report.counts.seized > 0, "no role was handed off");
  t.is(report.counts.switched > 0, how === "switch");
  return report;
}

/** Signals of a process under strace, but for those of its children: on which thread, which one. */
function signals(trace: string): { thread: string; signal: string }[] {
  const found = trace.matchAll(/^\d+<([^>]*)> +--- (SIG\w+) /gm);
  return [...found].map(([, thread = "", signal = ""]) => ({ thread, signal }));
}

for (const how of ["hand-off", "switch"] as const) {
  linux(`${how}: no error, and no signal on a thread of Node's`, async (t) => {
    const trace = path.join(scratch, `${how}.strace`);
    const command = ["strace", "-f", "-Y", "-o", trace, "-e", "trace=none", "-e", "signal=all"];
    if (!(await straces())) {
      t.is(process.env.MANIAC_DEEP, undefined, "strace is not here, or may not trace");
      t.log("signals not looked at: strace is not here, or may not trace");
      await beside(t, how);
      return;
    }
    const { counts } = await beside(t, how, { command });
    const all = signals(readFileSync(trace, "utf8"));
    const foreign = all.filter(({ thread, signal }) => !thread.startsWith("hogs-") && signal !== "SIGCHLD");
    t.deepEqual(foreign, []);
    const ours = all.filter(({ signal }) => signal === "SIGURG");
    t.log(`${all.length} signals, ${ours.length} of them SIGURG on the runtime's threads`);
    // Of each switch one; a signal that came too late did nothing.
    t.true(how === "switch" ? ours.length >= counts.switched : ours.length === 0);
  });
}

/** Whether strace works here. */
async function straces(): Promise<boolean> {
  try {
    await run("strace", ["-f", "-Y", "-e", "trace=none", process.execPath, "--version"]);
    return true;
  } catch {
    return false;
  }
}

linux("node --prof works beside them", async (t) => {
  await beside(t, "switch", { flags: ["--prof"] });
  const logs = readdirSync(scratch).filter((name) => name.endsWith("-v8.log"));
  const size = (name: string): number => statSync(path.join(scratch, name)).size;
  // Each thread of Node's has a log; the main one's is the largest.
  const [log] = logs.sort((one, other) => size(other) - size(one));
  if (log === undefined) return t.fail("there is no log");
  const { stdout } = await run(process.execPath, ["--prof-process", log], {
    cwd: scratch,
    maxBuffer: 1 << 26,
  });
  const ticks = Number(/\((\d+) ticks/.exec(stdout)?.[1]);
  t.log(`${ticks} ticks`);
  t.true(ticks > 0);
});
