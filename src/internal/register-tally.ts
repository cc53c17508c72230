/** What `maniac/register` counts: calls that maniac did, calls that Node did, and how long reads took. */

/** Reads whose times are kept; each further one takes the place of another. */
const MOST_SAMPLES = 65_536;

/** A process's or Worker's counts, as they are reported. */
export interface RegisterReport {
  /** Calls that maniac did, by name: `promises.readFile`, `readFile`. */
  readonly intercepted: Readonly<Record<string, number>>;
  /** Calls that Node did, by name; other than of functions in {@link intercepted} they are counted on request only. */
  readonly passed: Readonly<Record<string, number>>;
  /** Milliseconds of each read of a whole file or a part of one; on request only. */
  readonly reads: readonly number[];
}

const intercepted = new Map<string, number>();
const passed = new Map<string, number>();
const reads: number[] = [];
let seen = 0;
let timing = false;

const add = (counts: Map<string, number>, name: string): void => {
  counts.set(name, (counts.get(name) ?? 0) + 1);
};

/** Counts a call that maniac does. */
export function tookOver(name: string): void {
  add(intercepted, name);
}

/** Counts a call that Node does. */
export function passedOn(name: string): void {
  add(passed, name);
}

/** Has times kept from now on. */
export function keepTimes(): void {
  timing = true;
}

/** Notes how long a read takes, if times are kept. */
export function timed<T>(pending: Promise<T>): Promise<T> {
  if (timing) {
    const start = performance.now();
    const note = (): void => noteRead(performance.now() - start);
    pending.then(note, note);
  }
  return pending;
}

/** Whether times are kept. */
export function keepsTimes(): boolean {
  return timing;
}

/** Notes a read's time. */
export function noteRead(milliseconds: number): void {
  // Each of all reads is as likely to be kept as any other.
  const at = seen < MOST_SAMPLES ? seen : Math.floor(Math.random() * (seen + 1));
  if (at < MOST_SAMPLES) reads[at] = milliseconds;
  seen++;
}

/** The counts until now. */
export function tally(): RegisterReport {
  return {
    intercepted: Object.fromEntries(intercepted),
    passed: Object.fromEntries(passed),
    reads: [...reads],
  };
}

const lines = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .sort((a, b) => b[1] - a[1])
    .map(([name, count]) => `  ${String(count).padStart(9)}  ${name}\n`)
    .join("");

/** How many calls there were. */
export function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}

/** A report for people. */
export function shown({ intercepted: ours, passed: nodes }: RegisterReport): string {
  return (
    `maniac/register: ${sum(ours)} calls intercepted\n${lines(ours)}` +
    `maniac/register: ${sum(nodes)} calls passed through to Node\n${lines(nodes)}`
  );
}
