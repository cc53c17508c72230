/**
 * `maniac bench`: files. The same calls on `maniac/fs`, on `node:fs/promises` and, in a process of its own, on Bun's, in turn.
 *
 * That process runs this file: `bun dist/cli/bench-files.js --here DIRECTORY SHARE`.
 */
import { pbkdf2 } from "node:crypto";
import nodeStreams from "node:fs";
import nodeFs from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { answer, type Contestant, type Figures, Other, quantile } from "./contest.js";

type Fs = typeof nodeFs & Pick<typeof nodeStreams, "createReadStream" | "createWriteStream">;

const FILES = 20_000;
const BLOCK = 4096;
const BLOCKS = 4096;
const MEGABYTES = 100;
const MEGABYTE = 1024 * 1024;
const JOBS = 8;
/** So many that a job takes a tenth of a second or two. */
const ITERATIONS = 200_000;

/**
 * Where the files lie: `file-0` and so on, of a block each; `large` of many; `huge` of many megabytes. `share` is what part of the usual
 * work is done.
 */
type Bench = (fs: Fs, place: string, share: number) => Promise<Figures>;

/** Runs `work(n)` for n below `count`, `width` at a time. */
async function atATime(count: number, width: number, work: (n: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: width }, lane));
}

/** What `work` takes, in milliseconds and in microseconds of processor time. */
async function took(work: () => Promise<void>): Promise<{ readonly wall: number; readonly cpu: number }> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await work();
  const wall = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  return { wall, cpu: user + system };
}

async function operations(count: number, work: () => Promise<void>): Promise<Figures> {
  const { wall, cpu } = await took(work);
  return { "thousands a second": count / wall, "us of CPU": cpu / count };
}

async function megabytes(work: () => Promise<void>): Promise<Figures> {
  const { wall, cpu } = await took(work);
  return { "MB a second": (MEGABYTES * 1000) / wall, "us of CPU a MB": cpu / MEGABYTES };
}

const file = (place: string, n: number): string => join(place, `file-${n}`);

/** Reads all over the large file, `width` at a time. */
async function blocks(fs: Fs, place: string, width: number, count: number): Promise<Figures> {
  const handle = await fs.open(join(place, "large"));
  const lane = async (_: unknown, lane: number): Promise<void> => {
    const buffer = Buffer.alloc(BLOCK);
    for (let n = 0; n < count / width; n += 1) {
      await handle.read(buffer, 0, BLOCK, ((lane * 977 + n * 31) % BLOCKS) * BLOCK);
    }
  };
  try {
    return await operations(count, async () => {
      await Promise.all(Array.from({ length: width }, lane));
    });
  } finally {
    await handle.close();
  }
}

/** What a readFile takes that comes each millisecond, whether those before it have ended or not, until the jobs have ended. */
async function besideJobs(fs: Fs, place: string, share: number): Promise<Figures> {
  const iterations = ITERATIONS * share;
  const job = (): Promise<void> =>
    new Promise((resolve, reject) => {
      pbkdf2("password", "salt", iterations, 64, "sha512", (error) => (error ? reject(error) : resolve()));
    });
  let busy = true;
  const jobs = Promise.all(Array.from({ length: JOBS }, job)).then(() => {
    busy = false;
  });
  const times: number[] = [];
  const reads: Promise<void>[] = [];
  for (let n = 0; busy; n += 1) {
    const start = performance.now();
    reads.push(
      fs.readFile(file(place, n % (FILES * share))).then(() => void times.push(performance.now() - start)),
    );
    await sleep(1);
  }
  await Promise.all([jobs, ...reads]);
  return { "ms (p50)": quantile(times, 0.5), "ms (p99)": quantile(times, 0.99) };
}

const BENCHES: Readonly<Record<string, Bench>> = {
  "readFile of 4 KiB, 64 at a time": (fs, place, share) => {
    const count = FILES * share;
    return operations(count, () => atATime(count, 64, (n) => fs.readFile(file(place, n))));
  },
  "stat, 64 at a time": (fs, place, share) => {
    const count = FILES * share;
    return operations(count, () => atATime(count, 64, (n) => fs.stat(file(place, n))));
  },
  "read of 4 KiB, cached, one by one": (fs, place, share) => blocks(fs, place, 1, 10_000 * share),
  "read of 4 KiB, cached, 256 at a time": (fs, place, share) => blocks(fs, place, 256, 102_400 * share),
  "writeFile of 4 KiB, 64 at a time": (fs, place, share) => {
    const content = Buffer.alloc(BLOCK, 7);
    const count = 5000 * share;
    return operations(count, () =>
      atATime(count, 64, (n) => fs.writeFile(join(place, `written-${n}`), content)),
    );
  },
  [`readFile of ${MEGABYTES} MB`]: (fs, place) =>
    megabytes(async () => {
      await fs.readFile(join(place, "huge"));
    }),
  [`stream copy of ${MEGABYTES} MB`]: (fs, place) =>
    megabytes(() =>
      pipeline(fs.createReadStream(join(place, "huge")), fs.createWriteStream(join(place, "copy"))),
    ),
  [`readFile each ms beside ${JOBS} pbkdf2 jobs`]: besideJobs,
};

/** The names of the benches. */
export const NAMES: readonly string[] = Object.keys(BENCHES);

const NODE: Fs = {
  ...nodeFs,
  createReadStream: nodeStreams.createReadStream,
  createWriteStream: nodeStreams.createWriteStream,
};

/** Bun, which runs this file and measures itself. */
function other(name: string, program: string, place: string, share: number): Contestant {
  const process = new Other(program, [fileURLToPath(import.meta.url), "--here", place, String(share)]);
  return {
    name,
    round: async (bench) => JSON.parse(await process.ask(bench)) as Figures,
    end: () => process.end(),
  };
}

/** Gives those who compete to `use`, and the files that they read a place, as long as that runs. */
export async function withContestants(
  share: number,
  bun: string | undefined,
  use: (contestants: readonly Contestant[]) => Promise<void>,
): Promise<void> {
  const place = await nodeFs.mkdtemp(join(tmpdir(), "maniac-bench-"));
  const contestants: Contestant[] = [];
  try {
    const content = Buffer.alloc(BLOCK, 7);
    await atATime(FILES * share, 64, (n) => nodeFs.writeFile(file(place, n), content));
    await nodeFs.writeFile(join(place, "large"), Buffer.alloc(BLOCK * BLOCKS, 7));
    await nodeFs.writeFile(join(place, "huge"), Buffer.alloc(MEGABYTES * MEGABYTE, 7));
    const maniacFs = (await import("../fs.js")) as unknown as Fs;
    const here = (name: string, fs: Fs): Contestant => ({
      name,
      round: (bench) => (BENCHES[bench] as Bench)(fs, place, share),
    });
    contestants.push(here("maniac/fs", maniacFs), here("node:fs/promises", NODE));
    if (bun !== undefined) contestants.push(other("bun's node:fs/promises", bun, place, share));
    await use(contestants);
  } finally {
    for (const contestant of contestants) contestant.end?.();
    await nodeFs.rm(place, { recursive: true, force: true });
  }
}

if (process.argv[2] === "--here") {
  const [place = "", share = "1"] = process.argv.slice(3);
  await answer(async (bench) => JSON.stringify(await (BENCHES[bench] as Bench)(NODE, place, Number(share))));
}
