/**
 * What the benches of the facade share: contestants in turn, the median of several rounds, a line of JSON for each figure as `benches/rust`
 * prints it, and contestants that live in another process because they are another runtime. Runs on Node and on Bun.
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

/** The figures of one round, by their unit. */
export type Figures = Readonly<Record<string, number>>;

/** Somebody who can be measured: the figures of one round of a bench. */
export interface Contestant {
  readonly name: string;
  round(bench: string): Promise<Figures>;
  end?(): void;
}

/** What the command line of every bench says: `[--rounds N] [--only WORD] [--bun PROGRAM]`, and what a bench adds. */
export function options(more: Record<string, { type: "string" }> = {}): Record<string, string | undefined> & {
  readonly rounds: number;
} {
  const strings = { only: { type: "string" }, bun: { type: "string" }, ...more } as const;
  const { values } = parseArgs({ options: { rounds: { type: "string", default: "5" }, ...strings } });
  const rounds = Number(values.rounds);
  if (!(rounds > 0)) throw new Error("--rounds takes a number");
  return { ...values, rounds } as never;
}

export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

/** Prints the medians of a bench. The first round is for warming up. */
export async function inTurn(
  group: string,
  bench: string,
  rounds: number,
  contestants: readonly Contestant[],
): Promise<void> {
  const found = new Map<string, Record<string, number[]>>();
  for (let round = 0; round <= rounds; round += 1) {
    for (const { name, round: sample } of contestants) {
      for (const [unit, figure] of Object.entries(await sample(bench))) {
        if (round === 0) continue;
        const of = found.get(unit) ?? {};
        found.set(unit, of);
        of[name] = [...(of[name] ?? []), figure];
      }
    }
  }
  for (const [unit, of] of found) {
    const medians = Object.entries(of).map(([name, all]) => [name, Number(quantile(all, 0.5).toFixed(2))]);
    const line = { group, bench, unit, rounds, results: Object.fromEntries(medians) };
    process.stdout.write(`${JSON.stringify(line)}\n`);
  }
}

/** A process that answers each line that it is sent with one line. */
export class Other {
  readonly #child;
  readonly #lines;

  constructor(program: string, words: readonly string[]) {
    this.#child = spawn(program, words, { stdio: ["pipe", "pipe", "inherit"] });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** What it says without being asked. */
  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`${this.#child.spawnargs.join(" ")} has ended`);
    return value;
  }

  async ask(question: string): Promise<string> {
    this.#child.stdin.write(`${question}\n`);
    return this.line();
  }

  /** The end of its input is its end. */
  end(): void {
    this.#child.stdin.end();
  }
}

/** The other side of {@link Other}: answers until the input ends. */
export async function answer(of: (question: string) => Promise<string> | string): Promise<void> {
  for await (const question of createInterface({ input: process.stdin })) {
    process.stdout.write(`${await of(question)}\n`);
  }
}
