/**
 * `maniac try -- COMMAND`: the user's own command without and with `maniac/register`, in turn, and what that changed: time, processor
 * time, reads, and whether it still does the same.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { type RegisterReport, sum } from "../internal/register-tally.js";
import { milliseconds, Screen } from "./screen.js";
import { parse, UsageError } from "./usage.js";

/** Runs of each kind unless told otherwise. */
const RUNS = 5;
const MOST_RUNS = 1000;
/** What a shell answers when it cannot find or start a program. */
const NOT_STARTED = new Set([126, 127]);

/** How Node is treated in a run: as it is, on maniac, or either of them with a look at its calls. */
type Mode = "plain" | "on" | "observe" | "report";

/** What a run did. */
interface Outcome {
  readonly exit: number | string;
  /** Digests of what it wrote. */
  readonly stdout: string;
  readonly stderr: string;
  readonly wall: number;
  /** Of the command and all that it waited for; `undefined` where the system does not tell. */
  readonly cpu: number | undefined;
}

/** What the looks at the calls came to, over all processes of the command. */
interface Looked {
  readonly processes: number;
  readonly intercepted: number;
  readonly passed: number;
  readonly readP99: number | undefined;
}

/** Node's options with the hook among them. */
function optionsFor(mode: Mode): string | undefined {
  const own = process.env.NODE_OPTIONS;
  if (mode === "plain") return own;
  const hook = `--import=${new URL("../register.js", import.meta.url).href}`;
  return own === undefined || own === "" ? hook : `${own} ${hook}`;
}

async function digest(stream: Readable): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of stream) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

async function text(stream: Readable): Promise<string> {
  let all = "";
  for await (const chunk of stream.setEncoding("utf8")) all += chunk;
  return all;
}

/** The children's line of `times`, such as `0m0.010s 0m0.000s`, in milliseconds. */
function timesOf(lines: string): number | undefined {
  const found = [...lines.matchAll(/(\d+)m([\d.]+)s/g)].slice(-2);
  if (found.length < 2) return undefined;
  return found.reduce(
    (total, [, minutes, seconds]) => total + Number(minutes) * 60_000 + Number(seconds) * 1000,
    0,
  );
}

/** Runs the command once. A shell stands around it, which knows what processor time all of it took. */
async function run(command: readonly string[], mode: Mode, reports?: string): Promise<Outcome> {
  const env: NodeJS.ProcessEnv = { ...process.env, MANIAC_REGISTER: mode, NODE_OPTIONS: optionsFor(mode) };
  if (mode === "plain") delete env.MANIAC_REGISTER;
  if (env.NODE_OPTIONS === undefined) delete env.NODE_OPTIONS;
  if (reports !== undefined) env.MANIAC_REGISTER_FILE = reports;
  const shell = process.platform !== "win32";
  // The command itself does not see the descriptor of the times.
  const around = ["sh", "-c", '"$@" 3>&-; code=$?; times >&3; exit $code', "sh"];
  const [program = "", ...words] = shell ? [...around, ...command] : command;
  const start = performance.now();
  const child = spawn(program, words, { env, stdio: ["ignore", "pipe", "pipe", "pipe"] });
  const times = text(child.stdio[3] as Readable);
  const written = Promise.all([digest(child.stdout as Readable), digest(child.stderr as Readable), times]);
  const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
  const wall = performance.now() - start;
  const [stdout, stderr, lines] = await written;
  return { exit: code ?? signal ?? "", stdout, stderr, wall, cpu: shell ? timesOf(lines) : undefined };
}

function look(reports: string): Looked {
  let lines: string[] = [];
  try {
    lines = readFileSync(reports, "utf8").split("\n").filter(Boolean);
  } catch {
    // No process of the command was Node's.
  }
  const found = lines.map((line) => JSON.parse(line) as RegisterReport);
  const reads = found.flatMap((report) => report.reads).sort((a, b) => a - b);
  const total = (key: "intercepted" | "passed"): number =>
    found.reduce((count, report) => count + sum(report[key]), 0);
  return {
    processes: found.length,
    intercepted: total("intercepted"),
    passed: total("passed"),
    readP99: reads[Math.min(reads.length - 1, Math.floor(reads.length * 0.99))],
  };
}

function median(values: readonly (number | undefined)[]): number | undefined {
  const sorted = values.filter((value) => value !== undefined).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

/** Whether a thing is the same with and without; `null` if it differs from run to run without, too. */
function same(
  plain: readonly Outcome[],
  ours: readonly Outcome[],
  key: "exit" | "stdout" | "stderr",
): boolean | null {
  const wanted = plain[0]?.[key];
  if (plain.some((outcome) => outcome[key] !== wanted)) return null;
  return ours.every((outcome) => outcome[key] === wanted);
}

interface Side {
  readonly wallMs: number | undefined;
  readonly cpuMs: number | undefined;
  readonly readP99Ms: number | undefined;
  readonly exitCode: number | string | undefined;
}

interface Result {
  readonly command: readonly string[];
  readonly runs: number;
  readonly node: Side;
  readonly maniac: Side & {
    readonly processes: number;
    readonly intercepted: number;
    readonly passed: number;
  };
  readonly same: Readonly<Record<"exitCode" | "stdout" | "stderr", boolean | null>>;
}

async function measure(command: readonly string[], runs: number, screen: Screen): Promise<Result> {
  const place = mkdtempSync(join(tmpdir(), "maniac-try-"));
  try {
    const [plain, ours]: [Outcome[], Outcome[]] = [[], []];
    const total = 2 * runs + 2;
    const step = async (mode: Mode, reports?: string): Promise<Outcome> => {
      screen.live(
        () => `run ${plain.length + ours.length + 1} of ${total}: ${mode === "plain" ? "Node" : "maniac"}`,
      );
      return run(command, mode, reports);
    };
    // Looks first: they warm what is warmed by running it, for both.
    const [observed, reported] = [join(place, "node"), join(place, "maniac")];
    await step("observe", observed);
    await step("report", reported);
    for (let round = 0; round < runs; round++) {
      // Each comes first as often as the other.
      const order: Mode[] = round % 2 === 0 ? ["plain", "on"] : ["on", "plain"];
      for (const mode of order) (mode === "plain" ? plain : ours).push(await step(mode));
    }
    const [nodes, maniacs] = [look(observed), look(reported)];
    const side = (outcomes: readonly Outcome[], { readP99 }: Looked): Side => ({
      wallMs: median(outcomes.map(({ wall }) => wall)),
      cpuMs: median(outcomes.map(({ cpu }) => cpu)),
      readP99Ms: readP99,
      exitCode: outcomes[0]?.exit,
    });
    const { processes, intercepted, passed } = maniacs;
    return {
      command,
      runs,
      node: side(plain, nodes),
      maniac: { ...side(ours, maniacs), processes, intercepted, passed },
      same: {
        exitCode: same(plain, ours, "exit"),
        stdout: same(plain, ours, "stdout"),
        stderr: same(plain, ours, "stderr"),
      },
    };
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

function told(value: boolean | null): string {
  if (value === null) return "differs from run to run, without maniac too";
  return value ? "the same" : "DIFFERENT";
}

function table({ node, maniac, same: equal }: Result): string {
  const time = (value: number | undefined): string =>
    (value === undefined ? "-" : milliseconds(value)).padStart(12);
  const times = (value: number | undefined, other: number | undefined): string =>
    value === undefined || other === undefined || other === 0 ? "" : `  ${(value / other).toFixed(2)} times`;
  const row = (name: string, key: "wallMs" | "cpuMs" | "readP99Ms"): string =>
    `${name.padEnd(18)}${time(node[key])}${time(maniac[key])}${times(node[key], maniac[key])}\n`;
  return (
    `${"".padEnd(18)}${"Node".padStart(12)}${"maniac".padStart(12)}\n` +
    row("wall time", "wallMs") +
    row("processor time", "cpuMs") +
    row("a read, p99", "readP99Ms") +
    `calls              ${maniac.intercepted} intercepted, ${maniac.passed} passed through, in ${maniac.processes} processes and Workers\n` +
    `exit code         ${told(equal.exitCode)}: ${node.exitCode}\n` +
    `standard output   ${told(equal.stdout)}\n` +
    `standard error    ${told(equal.stderr)}\n`
  );
}

/** Runs the command; gives the exit code: 1 if it could not be run, or did something else on maniac. */
export async function tryCommand(words: readonly string[]): Promise<number> {
  const dashes = words.indexOf("--");
  const { flags, values } = parse(dashes < 0 ? words : words.slice(0, dashes), ["--json"], ["--runs"]);
  const command = dashes < 0 ? [] : words.slice(dashes + 1);
  if (command.length === 0) throw new UsageError("try needs a command: maniac try -- node app.js");
  const runs = Number(values.get("--runs") ?? RUNS);
  if (!Number.isInteger(runs) || runs < 1 || runs > MOST_RUNS) {
    throw new UsageError(`--runs takes a number from 1 to ${MOST_RUNS}`);
  }
  const screen = new Screen(flags.has("--json"));
  const result = await measure(command, runs, screen);
  screen.line(`${command.join(" ")}: ${runs} runs each, medians`);
  process.stdout.write(flags.has("--json") ? `${JSON.stringify(result, undefined, 2)}\n` : table(result));
  if (NOT_STARTED.has(result.node.exitCode as number)) {
    screen.problem(`maniac try: ${command[0]} could not be started`);
    return 1;
  }
  if (result.maniac.intercepted === 0)
    screen.line("No call was intercepted: is the command a program of Node's that reads files?");
  return Object.values(result.same).includes(false) ? 1 : 0;
}
