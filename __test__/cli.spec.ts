/**
 * The command line tool as a program: `maniac tour` on files that cannot be read as they should, without its directory, without a
 * reader; `maniac doctor`; what is said to people, to programs, and by exit codes. (`maniac try`: try.spec.ts.)
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { pathToFileURL } from "node:url";
import test from "ava";
import { packageRoot, run } from "./fakes/subprocess.js";

const main = path.join(packageRoot, "dist/cli/main.js");
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "maniac-cli-spec-"));
test.after.always(() => fs.rmSync(folder, { recursive: true }));

/** Machines are slow. */
const PATIENCE = 10 * 60_000;
/** Root may read everything, unless this takes that power from it. */
const POWERLESS = [
  "setpriv",
  "--bounding-set=-dac_override,-dac_read_search",
  "--inh-caps=-dac_override,-dac_read_search",
];

interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<{ code: number | null; stdout: string; stderr: string }>;
}

interface How {
  readonly cwd?: string;
  /** Words before the command. */
  readonly before?: readonly string[];
  /** Whether somebody reads what it writes. */
  readonly read?: boolean;
}

/** Starts the tool; what it writes is kept until it ends. */
function start(words: readonly string[], { cwd = folder, before = [], read = true }: How = {}): Started {
  const [program = "", ...rest] = [...before, process.execPath, main, ...words];
  const child = spawn(program, rest, { cwd, stdio: ["ignore", "pipe", "pipe"] });
  const code = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject).once("close", resolve);
  });
  if (!read) child.stdout.destroy();
  const ended = Promise.all([code, read ? text(child.stdout) : "", text(child.stderr)]);
  return { child, ended: ended.then(([code, stdout, stderr]) => ({ code, stdout, stderr })) };
}

/** The manifest's line of a file whose name needs no escapes. */
function line(file: string, data: string | Buffer): string {
  return `${createHash("sha256").update(data).digest("hex")}  ${file}`;
}

test.serial(
  "a tour of files that cannot be read as they should: each is named, the rest is done",
  async (t) => {
    t.timeout(PATIENCE);
    const directory = fs.mkdtempSync(path.join(folder, "bad-"));
    const at = (name: string): string => path.join(directory, name);
    const large = Buffer.alloc(3 << 20, "large");
    fs.mkdirSync(at("below/deeper"), { recursive: true });
    for (const [name, data] of [
      ["plain", "plain"],
      ["empty", ""],
      ["below/deeper/large", large],
      ["odd\\name\nof two lines", "odd"],
      ["secret", "secret"],
      ["shrinks", "x".repeat(1000)],
      ["shrinks too", large],
      ["goes", "goes"],
    ] as const) {
      fs.writeFileSync(at(name), data);
    }
    fs.chmodSync(at("secret"), 0);
    fs.symlinkSync("nowhere", at("dangling"));
    fs.symlinkSync("round", at("round"));
    fs.symlinkSync("plain", at("link"));
    const { child, ended } = start(["tour", "--quick", directory], {
      before: process.getuid?.() === 0 ? POWERLESS : [],
    });
    // It has listed the files when it says what comes first, and will not look at them for six seconds of latencies.
    child.stderr?.once("data", () => {
      fs.truncateSync(at("shrinks"), 10);
      fs.truncateSync(at("shrinks too"), 2 << 20);
      fs.rmSync(at("goes"));
    });
    const { code, stdout, stderr } = await ended;
    t.is(code, 1, stderr);
    const problems = stderr.split("\n").filter((said) => said.startsWith("maniac tour: "));
    const expected = [
      `${at("dangling")}: dangling link`,
      `${at("goes")}: no such file or directory`,
      `${at("round")}: too many symbolic links`,
      `${at("secret")}: permission denied`,
      `${at("shrinks too")}: shrank while it was read: ${2 << 20} of ${3 << 20} bytes were left`,
      `${at("shrinks")}: shrank while it was read: 10 of 1000 bytes were left`,
    ];
    t.deepEqual(
      problems.sort(),
      expected.map((problem) => `maniac tour: ${problem}`),
    );
    const odd = at("odd\\name\nof two lines").replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
    t.deepEqual(stdout.split("\n"), [
      line(at("below/deeper/large"), large),
      line(at("empty"), ""),
      line(at("link"), "plain"),
      `\\${line(odd, "odd")}`,
      line(at("plain"), "plain"),
      "",
    ]);
    if (process.platform === "linux") {
      const checked = execFileSync("sha256sum", ["-c", "--strict"], { input: stdout, encoding: "utf8" });
      t.is(checked.match(/: OK$/gm)?.length, 5);
    }
    // Everything else was said to people: all four stops, what was measured and why the driver, what to try next, in no colour.
    for (const [at, stop] of [
      /^1\. One readFile/m,
      /^2\. SHA-256 of 9 files/m,
      /^3\. A TCP echo/m,
      /^4\. 100,000 timers/m,
    ].entries())
      t.regex(stderr, stop, `stop ${at + 1}`);
    t.regex(stderr, /^ {2}driver (uring|poll): \S/m);
    for (const row of ["readFile beside pbkdf2, p99", "SHA-256 of all files", "echo, p99", "100,000 timers"])
      t.regex(stderr, new RegExp(`^  ${row}.* ms .* ms`, "m"));
    t.is(stderr.slice(stderr.indexOf("Try next")).match(/^ {2}\S.*maniac|npm start/gm)?.length, 3);
    t.false(stderr.includes("\u001b"), "no terminal, no colour");
  },
);

interface Report {
  readonly probe: { readonly driver: string };
  readonly latency: Readonly<Record<"node" | "maniac", { readonly p99: number }>>;
  readonly manifest?: Readonly<Record<"node" | "maniac", { readonly files: number }>>;
  readonly echo: Readonly<
    Record<"node" | "maniac", { readonly connections: number; readonly answers: number }>
  >;
  readonly timers: Readonly<Record<"node" | "maniac", { readonly count: number; readonly early: number }>>;
  readonly problems: readonly string[];
}

/** What a tour with `--json` says: one document, and nothing else. */
function reported(t: { is(value: number, expected: number): unknown }, stderr: string): Report {
  const report = JSON.parse(stderr) as Report;
  for (const side of ["node", "maniac"] as const) {
    t.is(report.echo[side].connections, 1000);
    t.is(report.timers[side].count, 100_000);
  }
  t.is(report.timers.maniac.early, 0);
  return report;
}

test.serial("a tour without its directory: that is said, and the rest is done", async (t) => {
  t.timeout(PATIENCE);
  const { code, stdout, stderr } = await start(["tour", "--json", "--quick", "missing"]).ended;
  t.deepEqual([code, stdout], [1, ""]);
  const { problems, manifest } = reported(t, stderr);
  t.deepEqual([problems, manifest], [["missing: no such file or directory"], undefined]);
});

test.serial(
  "a tour of a repository whose reader goes away: that is said, and the rest is done",
  async (t) => {
    t.timeout(PATIENCE);
    const directory = fs.mkdtempSync(path.join(folder, "repository-"));
    const git = (...words: string[]): Buffer => execFileSync("git", words, { cwd: directory });
    git("init", "--quiet");
    for (const name of ["known", "new", "ignored", "deleted"])
      fs.writeFileSync(path.join(directory, name), name);
    fs.writeFileSync(path.join(directory, ".gitignore"), "ignored\n");
    git("add", "known", "deleted");
    fs.rmSync(path.join(directory, "deleted"));
    const { code, stderr } = await start(["tour", "--json", "--quick"], { cwd: directory, read: false })
      .ended;
    t.is(code, 1);
    const { problems, manifest } = reported(t, stderr);
    t.deepEqual(problems, ["standard output: whoever read it has gone"]);
    // Not what is ignored, and what was deleted is no fault.
    t.is(manifest?.maniac.files, 3);
  },
);

test("wrong usage: exit code 2, and what was wrong", async (t) => {
  for (const [words, what] of [
    [["tour", "a", "b"], "b is one argument too many"],
    [["tour", "--nonsense"], "there is no option --nonsense"],
    [["tour", "--out"], "--out needs a value"],
    [["doctor", "--fast"], "there is no option --fast"],
    [["tuor"], "there is no command tuor"],
  ] as const) {
    const { code, stdout, stderr } = await run([main, ...words]);
    t.deepEqual([code, stdout, stderr], [2, "", `maniac: ${what}\nTry: maniac help\n`]);
  }
  const help = await run([main, "help"]);
  t.deepEqual([help.code, help.stderr], [0, ""]);
  for (const command of ["tour [DIR]", "doctor [--json]", "try [--runs N]"])
    t.true(help.stdout.includes(command));
});

test("the doctor tells the driver, why, and the limits", async (t) => {
  const { code, stdout, stderr } = await run([main, "doctor"], { MANIAC_DRIVER: "poll" });
  t.deepEqual([code, stderr], [0, ""]);
  t.regex(stdout, /^driver +poll: \S/m);
  t.regex(stdout, /^environment +MANIAC_DRIVER=poll$/m);
  for (const row of ["kernel", "locked memory", "open files", "environment", "host"])
    t.regex(stdout, new RegExp(`^${row} *\\S`, "m"));
});

test("the doctor for programs, and without what tells who and where", async (t) => {
  const told = JSON.parse((await run([main, "doctor", "--json"])).stdout) as Record<string, unknown>;
  t.deepEqual([told.kernel, told.host, told.directory], [os.release(), os.hostname(), packageRoot]);
  t.true(typeof told.reason === "string" && told.reason !== "");
  t.is(told.driver, told.uringRefusal === null && process.env.MANIAC_DRIVER !== "poll" ? "uring" : "poll");
  const redacted = await run([main, "doctor", "--json", "--redact"], { NODE_OPTIONS: "--no-deprecation" });
  const { host, user, directory, environment } = JSON.parse(redacted.stdout) as Record<string, unknown>;
  t.deepEqual([host, user, directory], Array(3).fill("(redacted)"));
  t.is((environment as Record<string, string>).NODE_OPTIONS, "(redacted)");
  t.false(redacted.stdout.includes(packageRoot));
});

test("a doctor whose reader goes away says so", async (t) => {
  const { code, stderr } = await start(["doctor"], { read: false }).ended;
  t.deepEqual([code, stderr], [1, "maniac: whoever read standard output has gone\n"]);
});

test("colours are for terminals, unless NO_COLOR is set", async (t) => {
  const screen = pathToFileURL(path.join(packageRoot, "dist/cli/screen.js")).href;
  const painted = async (terminal: boolean, env: NodeJS.ProcessEnv): Promise<string> => {
    const source = `process.stderr.isTTY = ${terminal};
      const { Screen } = await import(${JSON.stringify(screen)});
      process.stdout.write(new Screen().red("text"));`;
    const { stdout } = await run(["--input-type=module", "--eval", source], { TERM: "xterm", ...env });
    return stdout;
  };
  t.is(await painted(true, { NO_COLOR: "" }), "\u001b[31mtext\u001b[0m");
  t.is(await painted(true, { NO_COLOR: "1" }), "text");
  t.is(await painted(true, { NO_COLOR: "", TERM: "dumb" }), "text");
  t.is(await painted(false, { NO_COLOR: "" }), "text");
});
