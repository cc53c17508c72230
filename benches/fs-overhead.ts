/**
 * What the facade itself costs: operations of `maniac/fs` over a native side that completes everything at once and does
 * nothing. Prints nanoseconds per operation, the best of many short windows, which is robust against other load.
 *
 * Run: `node target/js/benches/fs-overhead.js`
 */
import type * as BindingModule from "../src/internal/binding.js";
import type * as OpsModule from "../src/internal/ops.js";

const manifest = import.meta.resolve("maniac/package.json");
const load = (name: string): Promise<unknown> => import(new URL(`dist/internal/${name}.js`, manifest).href);
const { useBinding } = (await load("binding")) as typeof BindingModule;
const ops = (await load("ops")) as typeof OpsModule;

const SLAB_BYTES = 1024 * 1024;
/** Bytes of what every file of the null engine holds. */
const FILE_BYTES = 4096;
/** Bytes of attributes. */
const STAT_BYTES = 144;
const ANY_DESCRIPTOR = 99;

useBinding({
  openEngine(_version, submissions, _area, completions) {
    const answer = (at: number, result: number, length: number): void => {
      completions[at + ops.C_RESULT] = result;
      completions[at + ops.C_INFO] = length === 0 ? ops.DATA_NONE : ops.DATA_SLAB;
      completions[at + ops.C_DATA] = 0;
      completions[at + ops.C_LENGTH] = length;
    };
    return {
      slab: new ArrayBuffer(SLAB_BYTES),
      flush(count) {
        for (let index = 0; index < count; index++) {
          const entry = index * ops.ENTRY_WORDS;
          const at = index * ops.COMPLETION_WORDS;
          completions[at + ops.C_ID] = submissions[entry + ops.W_ID] as number;
          const length = submissions[entry + ops.W_PAYLOAD + 1] as number;
          switch ((submissions[entry + ops.W_OP] as number) & 0xff) {
            case ops.OP_READ:
              answer(at, length, length);
              break;
            case ops.OP_READ_FILE:
              answer(at, FILE_BYTES, FILE_BYTES);
              break;
            case ops.OP_STAT:
              answer(at, 0, STAT_BYTES);
              break;
            case ops.OP_OPEN:
              answer(at, ANY_DESCRIPTOR, 0);
              break;
            default:
              answer(at, length, 0);
          }
        }
        return count;
      },
      reap: () => 0,
      take: () => new ArrayBuffer(0),
      copyOut: () => undefined,
      drop: () => undefined,
      stage: () => 0,
      allocRegion: (size) => ({ region: 0, memory: new ArrayBuffer(size) }),
      shutdown: () => undefined,
    };
  },
});

const fs = await import("maniac/fs");

const WINDOW = 2048;
const WINDOWS = Number(process.env.WINDOWS ?? 400);

async function measure(name: string, depth: number, operation: () => Promise<unknown>): Promise<void> {
  let best = Number.POSITIVE_INFINITY;
  for (let window = 0; window < WINDOWS; window++) {
    let left = WINDOW;
    const loop = async (): Promise<void> => {
      while (left-- > 0) {
        await operation();
      }
    };
    const start = process.hrtime.bigint();
    await Promise.all(Array.from({ length: depth }, loop));
    best = Math.min(best, Number(process.hrtime.bigint() - start) / WINDOW);
  }
  console.log(`${name.padEnd(34)} depth ${String(depth).padStart(3)}  ${best.toFixed(0).padStart(5)} ns`);
}

const file = await fs.open("any");
const page = Buffer.alloc(FILE_BYTES);
const bytes = Buffer.alloc(64);
const path = "/home/user/project/src/index.ts";
const { signal } = new AbortController();

for (const depth of [1, 64, 256]) {
  await measure("nothing but the loop", depth, async () => undefined);
  await measure("FileHandle.read 64 B", depth, () => file.read(bytes, 0, 64, 0));
  await measure("FileHandle.read 4 KiB", depth, () => file.read(page, 0, FILE_BYTES, 0));
  await measure("FileHandle.read 4 KiB, signal", depth, () => file.read(page, { position: 0, signal }));
  await measure("FileHandle.write 4 KiB", depth, () => file.write(page, 0, FILE_BYTES, 0));
  await measure("stat", depth, () => fs.stat(path));
  await measure("access", depth, () => fs.access(path));
  await measure("readFile 4 KiB", depth, () => fs.readFile(path));
  await measure("readFile 4 KiB, utf8", depth, () => fs.readFile(path, "utf8"));
}
