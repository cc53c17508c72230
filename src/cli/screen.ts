/**
 * Standard error as a screen: colours where they are wanted, one live line where there is a terminal, plain lines elsewhere.
 */

/** How wide a bar is, in characters. */
const BAR = 28;

/** Writes for people, to standard error. */
export class Screen {
  readonly #live: boolean;
  readonly #colour: boolean;
  readonly #quiet: boolean;
  #drawn = false;
  #last = 0;

  constructor(quiet = false) {
    const terminal = process.stderr.isTTY === true;
    this.#quiet = quiet;
    this.#live = terminal && !quiet && process.env.TERM !== "dumb";
    this.#colour = terminal && (process.env.NO_COLOR ?? "") === "" && process.env.TERM !== "dumb";
  }

  /** A line that stays. */
  line(text = ""): void {
    if (!this.#quiet) {
      this.clear();
      process.stderr.write(`${text}\n`);
    }
  }

  /** A line about something wrong; never kept back. */
  problem(text: string): void {
    this.clear();
    process.stderr.write(`${this.red(text)}\n`);
  }

  /** A line that the next one replaces; drawn at most 20 times a second, and on terminals only. */
  live(text: () => string): void {
    const now = performance.now();
    if (this.#live && now - this.#last >= 50) {
      this.#last = now;
      const width = (process.stderr.columns ?? 80) - 1;
      process.stderr.write(`\r\u001b[K${text().slice(0, width)}`);
      this.#drawn = true;
    }
  }

  /** Takes the live line away. */
  clear(): void {
    if (this.#drawn) {
      process.stderr.write("\r\u001b[K");
      this.#drawn = false;
    }
  }

  /** Emphasis. */
  bold(text: string): string {
    return this.#paint(text, 1);
  }

  /** What is good. */
  green(text: string): string {
    return this.#paint(text, 32);
  }

  /** What is not. */
  red(text: string): string {
    return this.#paint(text, 31);
  }

  /** What matters less. */
  faint(text: string): string {
    return this.#paint(text, 2);
  }

  #paint(text: string, code: number): string {
    return this.#colour ? `\u001b[${code}m${text}\u001b[0m` : text;
  }
}

/** A bar, `share` of it filled. */
export function bar(share: number): string {
  const filled = Math.round(Math.min(Math.max(share, 0), 1) * BAR);
  return "█".repeat(filled) + "░".repeat(BAR - filled);
}

/** A bar for a value on a logarithmic scale from `least` to `most`. */
export function logBar(value: number, least: number, most: number): string {
  return bar(Math.log(Math.max(value, least) / least) / Math.log(most / least));
}

/** Milliseconds for people. */
export function milliseconds(value: number): string {
  return value >= 100
    ? `${value.toFixed(0)} ms`
    : value >= 1
      ? `${value.toFixed(1)} ms`
      : `${value.toFixed(3)} ms`;
}

/** Bytes for people. */
export function bytes(value: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  let amount = value;
  while (amount >= 1024 && unit < units.length - 1) {
    amount /= 1024;
    unit++;
  }
  return `${unit === 0 ? amount : amount.toFixed(1)} ${units[unit]}`;
}
