/**
 * What benches share: contestants in turn, the median of several rounds, and contestants that live in another process because they are
 * another runtime. Runs on Node and on Bun.
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** The figures of one round, by their unit. */
export type Figures = Readonly<Record<string, number>>;

/** Somebody who can be measured: the figures of one round of a bench. */
export interface Contestant {
  readonly name: string;
  round(bench: string): Promise<Figures>;
  end?(): void;
}

/** What a bench came to in one unit: the median of each contestant. */
export interface Result {
  readonly group: string;
  readonly bench: string;
  readonly unit: string;
  readonly rounds: number;
  readonly results: Readonly<Record<string, number>>;
}

/** The value below which `part` of the values lie. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

/** The medians of a bench. The first round is for warming up; `told` hears of each that has ended. */
export async function inTurn(
  group: string,
  bench: string,
  rounds: number,
  contestants: readonly Contestant[],
  told: (name: string) => void = () => undefined,
): Promise<Result[]> {
  const found = new Map<string, Record<string, number[]>>();
  for (let round = 0; round <= rounds; round += 1) {
    for (const contestant of contestants) {
      const { name } = contestant;
      for (const [unit, figure] of Object.entries(await contestant.round(bench))) {
        if (round === 0) continue;
        const of = found.get(unit) ?? {};
        found.set(unit, of);
        of[name] = [...(of[name] ?? []), figure];
      }
      told(name);
    }
  }
  return [...found].map(([unit, of]) => {
    const medians = Object.entries(of).map(([name, all]) => [name, Number(quantile(all, 0.5).toFixed(2))]);
    return { group, bench, unit, rounds, results: Object.fromEntries(medians) };
  });
}

/** A process that answers each line that it is sent with one line. */
export class Other {
  readonly #child;
  readonly #lines;
  #error: Error | undefined;

  /**
   * @param program - what to start.
   * @param words - its arguments.
   */
  constructor(program: string, words: readonly string[]) {
    this.#child = spawn(program, words, { stdio: ["pipe", "pipe", "inherit"] });
    // What it is asked then fails for want of an answer.
    this.#child.on("error", (error) => {
      this.#error = error;
    });
    this.#child.stdin.on("error", () => undefined);
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** What it says without being asked. */
  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done) {
      const why = this.#error === undefined ? "" : `: ${this.#error.message}`;
      throw new Error(`${this.#child.spawnargs.join(" ")} has ended before it answered${why}`);
    }
    return value;
  }

  /** Asks, and waits for the answer. */
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
