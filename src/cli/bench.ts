/** `maniac bench`: `maniac/fs` and `maniac/net` beside Node's own and, where it is installed, Bun's, on the user's machine. */
import { execFileSync } from "node:child_process";
import { probe } from "../index.js";
import * as files from "./bench-files.js";
import * as net from "./bench-net.js";
import { type Contestant, inTurn, type Result } from "./contest.js";
import { bar, Screen } from "./screen.js";
import { parse, UsageError } from "./usage.js";

/** Rounds unless told otherwise; the medians of them are shown. */
const ROUNDS = 3;
const MOST_ROUNDS = 1000;

/** Units of which more is better. */
const MORE_IS_BETTER = new Set(["thousands a second", "MB a second", "thousands in a server's CPU second"]);

/** What the user wants. */
interface Wishes {
  readonly rounds: number;
  /** What part of the usual work. */
  readonly share: number;
  /** Only benches whose names hold this. */
  readonly only: string;
  readonly bun: string | undefined;
  readonly client: string | undefined;
}

/** Bun's program, if there is one. */
function findBun(asked: string | undefined): string | undefined {
  const program = asked ?? "bun";
  try {
    execFileSync(program, ["--version"], { stdio: "ignore" });
    return program;
  } catch (error) {
    if (asked === undefined) return undefined;
    throw new UsageError(`--bun: ${asked} does not run: ${error instanceof Error ? error.message : error}`);
  }
}

function wishes(values: ReadonlyMap<string, string>, quick: boolean): Wishes {
  const rounds = Number(values.get("--rounds") ?? ROUNDS);
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > MOST_ROUNDS) {
    throw new UsageError(`--rounds takes a whole number from 1 to ${MOST_ROUNDS}`);
  }
  const only = values.get("--only") ?? "";
  if (![...files.NAMES, ...net.NAMES].some((name) => name.includes(only))) {
    const names = [...files.NAMES, ...net.NAMES].map((name) => `\n  ${name}`);
    throw new UsageError(`--only: no bench has ${only} in its name; there are:${names.join("")}`);
  }
  const bun = findBun(values.get("--bun"));
  return { rounds, share: quick ? 0.1 : 1, only, bun, client: values.get("--client") };
}

/** Runs what is wanted; `told` is given each result as it comes. */
async function measure(wishes: Wishes, screen: Screen, told: (result: Result) => void): Promise<void> {
  const { rounds, share, only, bun, client } = wishes;
  const run = async (group: string, name: string, contestants: readonly Contestant[]): Promise<void> => {
    const all = contestants.length * (rounds + 1);
    let done = 0;
    screen.live(() => `${bar(0)} ${name}`);
    const results = await inTurn(group, name, rounds, contestants, (who) => {
      done += 1;
      screen.live(() => `${bar(done / all)} ${name}: ${who}`);
    });
    for (const result of results) told(result);
  };
  const wanted = files.NAMES.filter((name) => name.includes(only));
  if (wanted.length !== 0) {
    await files.withContestants(share, bun, async (contestants) => {
      for (const name of wanted) await run("Node: files", name, contestants);
    });
  }
  for (const name of net.NAMES.filter((name) => name.includes(only))) {
    await net.withContestants(name, share, bun, client, (contestants) => run("Node: net", name, contestants));
  }
}

const shown = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toFixed(2));

/** How a result stands against Node's, in words. */
function verdict({ unit, results }: Result): string {
  const [ours = Number.NaN, node = Number.NaN] = Object.values(results);
  const ratio = MORE_IS_BETTER.has(unit) ? ours / node : node / ours;
  if (!Number.isFinite(ratio)) return "";
  if (ratio > 1.05) return `${ratio.toFixed(ratio < 10 ? 1 : 0)} times better than Node`;
  return ratio < 0.95 ? `Node is ${(1 / ratio).toFixed(1)} times better` : "as Node";
}

/** The head of the table, and its lines as they come. */
function table(bun: string | undefined, screen: Screen): (result: Result) => void {
  const out = (text: string): void => {
    // A live line may stand there.
    screen.clear();
    process.stdout.write(`${text}\n`);
  };
  const { driver, kernel } = probe();
  const columns = ["maniac", "Node", ...(bun === undefined ? [] : ["Bun"])];
  out(`driver ${driver}, kernel ${kernel}, Node ${process.version}; medians, each in turn on this machine`);
  out(`${"".padEnd(38)}${columns.map((name) => name.padStart(11)).join("")}`);
  let last = "";
  return (result) => {
    if (result.bench !== last) out(screen.bold(result.bench));
    last = result.bench;
    const values = Object.values(result.results).map((value) => shown(value).padStart(11));
    out(`  ${result.unit.padEnd(36)}${values.join("")}  ${verdict(result)}`);
  };
}

/** Runs the command; gives the exit code. */
export async function bench(words: readonly string[]): Promise<number> {
  const valued = ["--rounds", "--only", "--bun", "--client"];
  const { flags, values } = parse(words, ["--json", "--quick"], valued);
  const wanted = wishes(values, flags.has("--quick"));
  const json = flags.has("--json");
  const screen = new Screen(false);
  const told = json
    ? (result: Result): void => void process.stdout.write(`${JSON.stringify(result)}\n`)
    : table(wanted.bun, screen);
  await measure(wanted, screen, told);
  screen.clear();
  return 0;
}
