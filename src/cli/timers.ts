/** The tour's fourth stop: one million timers of up to a second, set, awaited, and how late they fired. */
import * as node from "node:timers/promises";
import * as maniac from "../timers.js";
import { bar, milliseconds, type Screen } from "./screen.js";

/** Timers of a whole tour. */
const COUNT = 1_000_000;
/** Longest delay. */
const LONGEST_MS = 1000;
/** Of so many timers one looks at the clock when it fires. */
const WATCHED = 1000;

/** What one module came to. */
export interface Timers {
  readonly count: number;
  /** From the first timer set to the last one fired. */
  readonly seconds: number;
  readonly cpuMilliseconds: number;
  /** How late the last of those watched fired. */
  readonly lateMilliseconds: number;
  /** Of those watched, how many fired early. */
  readonly early: number;
}

/** Delays that look random, and are the same in each run. */
function delayOf(index: number): number {
  return 1 + ((Math.imul(index, 2_654_435_761) >>> 0) % LONGEST_MS);
}

async function run(
  name: string,
  setTimeout: (delay: number) => Promise<void>,
  count: number,
  screen: Screen,
): Promise<Timers> {
  const before = process.cpuUsage();
  const start = performance.now();
  let [fired, early, late] = [0, 0, 0];
  const waits: Promise<void>[] = [];
  for (let index = 0; index < count; index++) {
    const delay = delayOf(index);
    const wait = setTimeout(delay);
    if (index % WATCHED !== 0) {
      waits.push(wait);
      continue;
    }
    const due = performance.now() + delay;
    const seen = wait.then(() => {
      const after = performance.now() - due;
      fired += WATCHED;
      late = Math.max(late, after);
      // The clock was read just after the timer was set.
      if (after < -0.5) early += 1;
      screen.live(() => `  ${name.padEnd(22)}${bar(fired / count)}`);
    });
    waits.push(seen);
  }
  await Promise.all(waits);
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(before);
  const cpuMilliseconds = (user + system) / 1000;
  const text = `${seconds.toFixed(2)} s, ${milliseconds(cpuMilliseconds)} CPU, ${early} of ${count / WATCHED} early`;
  screen.line(`  ${name.padEnd(22)}${bar(1)} ${text}`);
  return { count, seconds, cpuMilliseconds, lateMilliseconds: late, early };
}

/** Sets a million timers, or this share of them, with both modules in turn. */
export async function timers(share: number, screen: Screen): Promise<{ node: Timers; maniac: Timers }> {
  const count = COUNT * share;
  screen.line(screen.bold(`4. ${count.toLocaleString("en")} timers of up to ${LONGEST_MS} ms`));
  // The second finds a heap that has grown already, so that is Node's.
  const ours = await run("maniac/timers", (delay) => maniac.setTimeout(delay), count, screen);
  const theirs = await run("node:timers/promises", (delay) => node.setTimeout(delay), count, screen);
  screen.line();
  return { node: theirs, maniac: ours };
}
