/** `maniac tour [DIR]`: the runtime at work on real files, beside plain Node. The manifest goes to standard output. */
import { fileURLToPath } from "node:url";
import * as fs from "../fs.js";
import { probe } from "../index.js";
import { connections, type Echo } from "./connections.js";
import { type Listing, list, MOST_BYTES, MOST_FILES, reason } from "./files.js";
import { type Latency, latency } from "./latency.js";
import { manifest, type Run } from "./manifest.js";
import { bytes, milliseconds, Screen } from "./screen.js";
import { type Timers, timers } from "./timers.js";
import { parse } from "./usage.js";

/** A figure of both modules. */
interface Figure {
  readonly name: string;
  readonly node: string;
  readonly maniac: string;
  /** How many times better maniac is; below 1, Node was. */
  readonly ratio: number;
}

function figures(
  late: { node: Latency; maniac: Latency },
  hashed: { node: Run; maniac: Run } | undefined,
  echoed: { node: Echo; maniac: Echo } | undefined,
  timed: { node: Timers; maniac: Timers },
): Figure[] {
  const time = (name: string, node: number, maniac: number): Figure => {
    return { name, node: milliseconds(node), maniac: milliseconds(maniac), ratio: node / maniac };
  };
  const perAnswer = (echo: Echo): number => echo.cpuMicroseconds / 1000 / echo.answers;
  const perFile = (run: Run): number => run.cpuMicroseconds / 1000 / Math.max(run.files, 1);
  const hash =
    hashed === undefined
      ? []
      : [
          time("SHA-256 of all files", hashed.node.seconds * 1000, hashed.maniac.seconds * 1000),
          time("SHA-256, CPU time per file", perFile(hashed.node), perFile(hashed.maniac)),
        ];
  const echo =
    echoed === undefined
      ? []
      : [
          time("echo, 1,000 connections", echoed.node.seconds * 1000, echoed.maniac.seconds * 1000),
          time("echo, p99 of an answer", echoed.node.p99, echoed.maniac.p99),
          time("echo, CPU time per answer", perAnswer(echoed.node), perAnswer(echoed.maniac)),
        ];
  const count = timed.maniac.count.toLocaleString("en");
  return [
    time("readFile beside pbkdf2, p50", late.node.p50, late.maniac.p50),
    time("readFile beside pbkdf2, p99", late.node.p99, late.maniac.p99),
    time("readFile beside pbkdf2, worst", late.node.worst, late.maniac.worst),
    ...hash,
    ...echo,
    time(`${count} timers`, timed.node.seconds * 1000, timed.maniac.seconds * 1000),
    time(`${count} timers, CPU time`, timed.node.cpuMilliseconds, timed.maniac.cpuMilliseconds),
  ];
}

function verdict(ratio: number): string {
  if (!Number.isFinite(ratio)) return "";
  if (ratio > 1.05) return `${ratio.toFixed(ratio < 10 ? 1 : 0)} times better`;
  return ratio < 0.95 ? `Node is ${(1 / ratio).toFixed(1)} times better` : "the same";
}

function table(rows: readonly Figure[], screen: Screen): void {
  const found = probe();
  screen.line(screen.bold("What this machine says"));
  screen.line(`  driver ${found.driver}: ${found.reason} (kernel ${found.kernel}, Node ${process.version})`);
  screen.line(`  ${"".padEnd(32)}${"Node".padStart(12)}${"maniac".padStart(12)}`);
  for (const { name, node, maniac, ratio } of rows) {
    const text = verdict(ratio);
    const shown = ratio > 1.05 ? screen.green(text) : screen.faint(text);
    screen.line(`  ${name.padEnd(32)}${node.padStart(12)}${maniac.padStart(12)}  ${shown}`);
  }
  screen.line();
  screen.line(screen.bold("Try next"));
  screen.line("  npx maniac doctor               which driver, and why");
  screen.line("  npx maniac tour DIR --out FILE  the same on files of your own");
  screen.line("  MANIAC_DRIVER=poll npm start    the same without io_uring");
}

/** Writes to standard output, as fast as its reader takes it. */
async function print(text: string): Promise<void> {
  // That the reader has gone is this function's to say: the rest of the tour goes on.
  process.stdout.removeAllListeners("error").on("error", () => undefined);
  const piece = 64 * 1024;
  for (let at = 0; at < text.length; at += piece) {
    await new Promise<void>((resolve, reject) => {
      process.stdout.write(text.slice(at, at + piece), (error) => (error ? reject(error) : resolve()));
    });
  }
}

/** What there is to read; if that cannot be said, the tour says so and does without. */
async function listed(
  directory: string | undefined,
  screen: Screen,
  problems: string[],
): Promise<Listing | undefined> {
  try {
    const found = await list(directory);
    problems.push(...found.problems);
    return found;
  } catch (error) {
    const problem = `${directory ?? "."}: ${reason(error)}`;
    problems.push(problem);
    // At once, too: whoever mistyped the name need not wait for the end.
    screen.line(`maniac tour: ${problem}`);
    return undefined;
  }
}

/** Reads and hashes all files; the manifest goes where it is wanted. */
async function hashFiles(
  files: Listing,
  out: string | undefined,
  screen: Screen,
  problems: string[],
): Promise<{ node: Run; maniac: Run }> {
  const { node, maniac, text, problems: more } = await manifest(files, screen);
  problems.push(...more);
  const writing = out === undefined ? print(text) : fs.writeFile(out, text);
  await writing.catch((error: unknown) => problems.push(`${out ?? "standard output"}: ${reason(error)}`));
  return { node, maniac };
}

/** Runs the command; gives the exit code. */
export async function tour(words: readonly string[]): Promise<number> {
  const { flags, values, rest } = parse(words, ["--json", "--quick"], ["--out"], 1);
  const json = flags.has("--json");
  const screen = new Screen(json);
  const share = flags.has("--quick") ? 0.1 : 1;
  const problems: string[] = [];
  const files = await listed(rest[0], screen, problems);
  const late = await latency(fileURLToPath(import.meta.url), share, screen);
  const hashed = files && (await hashFiles(files, values.get("--out"), screen, problems));
  const echoed = await connections(share, screen).catch((error: unknown) => {
    problems.push(`the echo of 1,000 connections: ${reason(error)}`);
    return undefined;
  });
  const timed = await timers(share, screen);
  const rows = figures(late, hashed, echoed, timed);
  if (json) {
    const report = {
      probe: probe(),
      latency: late,
      manifest: hashed,
      echo: echoed,
      timers: timed,
      capped: files?.capped,
      problems,
    };
    process.stderr.write(`${JSON.stringify(report)}\n`);
  } else {
    table(rows, screen);
    if (files?.capped) {
      const cap = `${MOST_FILES} files or ${bytes(MOST_BYTES)}`;
      screen.line(`There is more below the directory; the tour reads at most ${cap}.`);
    }
    for (const problem of problems) screen.problem(`maniac tour: ${problem}`);
  }
  return problems.length === 0 ? 0 : 1;
}
