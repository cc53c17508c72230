/** The tour's first stop: one `readFile` each millisecond, beside eight pbkdf2 jobs. */
import { pbkdf2 } from "node:crypto";
import nodeFs from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import * as maniacFs from "../fs.js";
import { quantile } from "./contest.js";
import { logBar, milliseconds, type Screen } from "./screen.js";

/** Jobs at a time, as many as fill the pool of four threads twice. */
const JOBS = 8;
/** How long each module is watched. */
const WATCH_MS = 3000;

/** What one module came to. */
export interface Latency {
  readonly reads: number;
  readonly p50: number;
  readonly p99: number;
  readonly worst: number;
}

function job(iterations: number): Promise<void> {
  return new Promise((resolve, reject) => {
    pbkdf2("password", "salt", iterations, 64, "sha512", (error) => (error ? reject(error) : resolve()));
  });
}

/** How long a job takes, about. */
const JOB_MS = 50;

/** Iterations that take a job so long on this machine. */
async function calibrate(): Promise<number> {
  const probe = 20_000;
  const start = performance.now();
  await job(probe);
  return Math.max(1000, Math.round((probe * JOB_MS) / (performance.now() - start)));
}

async function watch(
  name: string,
  readFile: (path: string) => Promise<unknown>,
  file: string,
  iterations: number,
  share: number,
  screen: Screen,
): Promise<Latency> {
  let running = true;
  const keepBusy = async (): Promise<void> => {
    while (running) await job(iterations);
  };
  const jobs = Array.from({ length: JOBS }, keepBusy);
  const end = performance.now() + WATCH_MS * share;
  const times: number[] = [];
  while (performance.now() < end) {
    const start = performance.now();
    await readFile(file);
    const took = performance.now() - start;
    times.push(took);
    screen.live(() => `  ${name.padEnd(18)}${logBar(took, 0.05, 1000)} ${milliseconds(took)}`);
    await sleep(1);
  }
  running = false;
  await Promise.all(jobs);
  const [p50, p99, worst] = [quantile(times, 0.5), quantile(times, 0.99), quantile(times, 1)];
  const text = `${milliseconds(p50)} p50, ${milliseconds(p99)} p99, ${times.length} reads`;
  screen.line(`  ${name.padEnd(18)}${logBar(p50, 0.05, 1000)} ${text}`);
  return { reads: times.length, p50, p99, worst };
}

/** Watches both modules in turn, for a share of the usual time. */
export async function latency(
  file: string,
  share: number,
  screen: Screen,
): Promise<{ node: Latency; maniac: Latency }> {
  screen.line(screen.bold("1. One readFile each millisecond, beside eight pbkdf2 jobs"));
  const iterations = await calibrate();
  const node = await watch(
    "node:fs/promises",
    (path) => nodeFs.readFile(path),
    file,
    iterations,
    share,
    screen,
  );
  const maniac = await watch("maniac/fs", (path) => maniacFs.readFile(path), file, iterations, share, screen);
  screen.line();
  return { node, maniac };
}
