/**
 * Hashing a folder with `maniac/jobs`, beside `node:crypto` in a piscina pool, a file a task and in batches. In turn, the median of several
 * rounds; prints a line of JSON for each bench, as `benches/rust` does.
 *
 * Run: `node target/js/benches/node-jobs.js [--rounds N]`
 */
import { createHash } from "node:crypto";
import fs, { readFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isMainThread } from "node:worker_threads";
import { options, quantile } from "./rounds.js";

const ALGORITHM = "sha256";
/** Paths of one task, in batches. */
const BATCH = 64;

/** The pool's task: the digests of some files. */
export default function hashAll(paths: readonly string[]): string[] {
  return paths.map((path) => createHash(ALGORITHM).update(readFileSync(path)).digest("hex"));
}

interface Folder {
  readonly name: string;
  readonly files: number;
  readonly bytes: number;
}

const FOLDERS: readonly Folder[] = [
  { name: "8,000 files of 4 KiB", files: 8000, bytes: 4096 },
  { name: "1,000 files of 64 KiB", files: 1000, bytes: 65_536 },
  { name: "32 files of 8 MiB", files: 32, bytes: 8 * 1024 * 1024 },
];

/** What of piscina is used. */
type PiscinaClass = new (
  options: object,
) => { run(task: unknown): Promise<unknown>; destroy(): Promise<void> };

type Hash = (paths: readonly string[]) => Promise<readonly string[]>;

async function bench(folder: Folder, rounds: number, ways: Readonly<Record<string, Hash>>): Promise<void> {
  const place = fs.mkdtempSync(join(tmpdir(), "maniac-jobs-bench-"));
  try {
    const paths = Array.from({ length: folder.files }, (_, at) => join(place, `file-${at}`));
    for (const [at, path] of paths.entries()) fs.writeFileSync(path, Buffer.alloc(folder.bytes, at));
    const wanted = JSON.stringify(hashAll(paths));
    const samples: Record<string, { rate: number; cpu: number }[]> = {};
    for (let round = 0; round <= rounds; round++) {
      for (const [name, hash] of Object.entries(ways)) {
        const cpu = process.cpuUsage();
        const start = performance.now();
        const digests = await hash(paths);
        const took = performance.now() - start;
        const { user, system } = process.cpuUsage(cpu);
        if (JSON.stringify(digests) !== wanted) throw new Error(`${name} has other digests`);
        samples[name] ??= [];
        // The first round is for warming up.
        if (round > 0)
          samples[name].push({ rate: (paths.length * 1000) / took, cpu: (user + system) / paths.length });
      }
    }
    for (const [unit, pick] of [
      ["files a second", (sample: { rate: number }) => sample.rate],
      ["us of CPU a file", (sample: { cpu: number }) => sample.cpu],
    ] as const) {
      const results = Object.fromEntries(
        Object.entries(samples).map(([name, all]) => [
          name,
          Number(quantile(all.map(pick as never), 0.5).toFixed(2)),
        ]),
      );
      const line = { group: "Node: jobs", bench: `${ALGORITHM}, ${folder.name}`, unit, rounds, results };
      process.stdout.write(`${JSON.stringify(line)}\n`);
    }
  } finally {
    fs.rmSync(place, { recursive: true });
  }
}

async function main(rounds: number): Promise<void> {
  // Its types do not hold under this repo's checks.
  const { Piscina } = (await import("piscina" as string)) as { Piscina: PiscinaClass };
  const { hashFile } = await import("maniac/jobs");
  const threads = availableParallelism();
  const filename = fileURLToPath(import.meta.url);
  const pool = new Piscina({
    filename,
    minThreads: threads,
    maxThreads: threads,
    concurrentTasksPerWorker: 2,
  });
  const run = (paths: readonly string[]): Promise<string[]> => pool.run(paths) as Promise<string[]>;
  const batches = async (paths: readonly string[], size: number): Promise<string[]> => {
    const parts: Promise<string[]>[] = [];
    for (let at = 0; at < paths.length; at += size) parts.push(run(paths.slice(at, at + size)));
    return (await Promise.all(parts)).flat();
  };
  const ways: Record<string, Hash> = {
    "maniac/jobs": (paths) => hashFile(ALGORITHM, paths),
    "crypto in piscina, a file a task": (paths) => batches(paths, 1),
    "crypto in piscina, in batches": (paths) =>
      batches(paths, Math.min(BATCH, Math.ceil(paths.length / threads / 4))),
  };
  for (const folder of FOLDERS) await bench(folder, rounds, ways);
  await pool.destroy();
}

if (isMainThread) await main(options().rounds);
