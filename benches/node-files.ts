/**
 * `maniac/fs` beside `node:fs/promises`: the same calls on both, in turn, the median of several rounds. Prints a line of JSON for each
 * bench, as `benches/rust` does. `npm run bench` runs it and writes `benches/RESULTS.md`.
 *
 * Run: `node target/js/benches/node-files.js [ROUNDS]`
 */
import type { FileHandle } from "node:fs/promises";
import nodeFs from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const maniacFs = (await import("maniac/fs" as string)) as typeof nodeFs;

const ROUNDS = Number(process.argv[2] ?? 5);
const FILES = 20_000;
const BLOCK = 4096;
const BLOCKS = 4096;

interface Module {
  readonly name: string;
  readonly fs: typeof nodeFs;
}

const MODULES: readonly Module[] = [
  { name: "maniac/fs", fs: maniacFs },
  { name: "node:fs/promises", fs: nodeFs },
];

/** Runs `work(n)` for n below `count`, `width` at a time. */
async function atATime(count: number, width: number, work: (n: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: width }, lane));
}

interface Sample {
  /** Thousands of operations in a second. */
  readonly rate: number;
  /** Processor time of an operation, in microseconds. */
  readonly cpu: number;
}

async function measure(count: number, work: () => Promise<void>): Promise<Sample> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await work();
  const took = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  return { rate: count / took, cpu: (user + system) / count };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

async function bench(name: string, count: number, work: (fs: typeof nodeFs) => Promise<void>): Promise<void> {
  const samples = new Map<string, Sample[]>();
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const module of MODULES) {
      const sample = await measure(count, () => work(module.fs));
      // The first round is for warming up.
      if (round > 0) samples.set(module.name, [...(samples.get(module.name) ?? []), sample]);
    }
  }
  for (const [unit, pick] of [
    ["thousands a second", (sample: Sample) => sample.rate],
    ["us of CPU", (sample: Sample) => sample.cpu],
  ] as const) {
    const results = Object.fromEntries(
      [...samples].map(([module, all]) => [module, Number(median(all.map(pick)).toFixed(2))]),
    );
    const line = { group: "Node: files", bench: name, unit, rounds: ROUNDS, results };
    process.stdout.write(`${JSON.stringify(line)}\n`);
  }
}

async function blocks(path: string, fs: typeof nodeFs, width: number, reads: number): Promise<void> {
  const file: FileHandle = await fs.open(path);
  const buffers = Array.from({ length: width }, () => Buffer.alloc(BLOCK));
  let lane = 0;
  await Promise.all(
    Array.from({ length: width }, async () => {
      const buffer = buffers[lane++] as Buffer;
      for (let n = 0; n < reads / width; n += 1) {
        const position = (((lane * 977 + n * 31) % BLOCKS) * BLOCK) as number;
        await file.read(buffer, 0, BLOCK, position);
      }
    }),
  );
  await file.close();
}

const folder = await nodeFs.mkdtemp(join(tmpdir(), "maniac-bench-"));
try {
  const content = Buffer.alloc(BLOCK, 7);
  const path = (n: number): string => join(folder, `file-${n}`);
  await atATime(FILES, 64, (n) => nodeFs.writeFile(path(n), content));
  const large = join(folder, "large");
  await nodeFs.writeFile(large, Buffer.alloc(BLOCK * BLOCKS, 7));

  await bench("readFile of 4 KiB, 64 at a time", FILES, (fs) =>
    atATime(FILES, 64, (n) => fs.readFile(path(n))),
  );
  await bench("stat, 64 at a time", FILES, (fs) => atATime(FILES, 64, (n) => fs.stat(path(n))));
  await bench("read of 4 KiB, cached, one by one", 20_000, (fs) => blocks(large, fs, 1, 20_000));
  await bench("read of 4 KiB, cached, 256 at a time", 102_400, (fs) => blocks(large, fs, 256, 102_400));
  await bench("writeFile of 4 KiB, 64 at a time", 5000, (fs) =>
    atATime(5000, 64, (n) => fs.writeFile(join(folder, `written-${n}`), content)),
  );
} finally {
  await nodeFs.rm(folder, { recursive: true, force: true });
}
