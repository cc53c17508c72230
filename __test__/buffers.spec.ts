/**
 * What callers may do to their buffers while operations are in flight: detach, transfer, resize, overwrite, forget them, and keep
 * results for long. Whatever they do, an operation gives the right bytes or a typed error, and touches no memory that is not its own:
 * `npm run deep` runs this file under the address sanitizer. `MANIAC_SEED` repeats a run, `MANIAC_DEEP=1` makes it longer.
 */
import { createHash } from "node:crypto";
import nodeFs from "node:fs";
import type { AddressInfo } from "node:net";
import { setImmediate } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import test from "ava";
import * as fs from "maniac/fs";
import * as net from "maniac/net";
import { runScript } from "./fakes/subprocess.js";
import { makeTree, removeTree } from "./fixtures/fs-tree.js";

const DEEP = process.env.MANIAC_DEEP !== undefined;
const SEED = Number(process.env.MANIAC_SEED ?? Date.now() % 1_000_000);
const root = makeTree();
test.after.always(() => removeTree(root));

/** Neither TypeScript's library nor Node's types know these yet. */
type Resizable = ArrayBuffer & { resize(size: number): void };
const ResizableBuffer = ArrayBuffer as unknown as new (
  size: number,
  options: { maxByteLength: number },
) => Resizable;
const GrowableBuffer = SharedArrayBuffer as unknown as new (
  size: number,
  options: { maxByteLength: number },
) => SharedArrayBuffer & { grow(size: number): void };

declare const WebAssembly: {
  Memory: new (limits: {
    initial: number;
    maximum: number;
  }) => { buffer: ArrayBuffer; grow(pages: number): number };
};

/** Small, fast and good enough for tests (mulberry32). */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** The byte of the file, and of each buffer to be written, at a place. */
const byteAt = (place: number): number => (place * 31 + (place >>> 8)) & 0xff;

function fill(view: Uint8Array, place: number): void {
  for (let index = 0; index < view.length; index++) view[index] = byteAt(place + index);
}

function holds(view: Uint8Array, length: number, place: number): boolean {
  for (let index = 0; index < length; index++) if (view[index] !== byteAt(place + index)) return false;
  return true;
}

/** A buffer of one kind, and what its owner may do to it. */
interface Subject {
  view: Uint8Array;
  hurt: Record<string, () => void>;
}

const overwrite = (view: Uint8Array) => ({ overwrite: () => void view.fill(0xee) });

function plain(size: number): Subject {
  const view = new Uint8Array(new ArrayBuffer(size + 24), 8, size);
  const detach = (): void => void structuredClone(view.buffer, { transfer: [view.buffer as ArrayBuffer] });
  return { view, hurt: { detach, transfer: () => giveAway(view.buffer as ArrayBuffer), ...overwrite(view) } };
}

function resizable(size: number): Subject {
  const buffer = new ResizableBuffer(size + 8, { maxByteLength: 4 * size + 4096 });
  const view = new Uint8Array(buffer, 8, size);
  const hurt = {
    shrink: () => buffer.resize(size >> 1),
    empty: () => buffer.resize(0),
    grow: () => buffer.resize(2 * size + 4096),
    ...overwrite(view),
  };
  return { view, hurt };
}

function shared(size: number): Subject {
  const buffer = new GrowableBuffer(size, { maxByteLength: 2 * size });
  const view = new Uint8Array(buffer, 0, size);
  return { view, hurt: { grow: () => buffer.grow(2 * size), transfer: () => worker.postMessage(buffer) } };
}

/** Growing a memory detaches its buffer and may move it. */
function webAssembly(size: number): Subject {
  const memory = new WebAssembly.Memory({ initial: Math.ceil(size / 65536), maximum: 64 });
  const view = new Uint8Array(memory.buffer, 0, size);
  return { view, hurt: { grow: () => void memory.grow(8), ...overwrite(view) } };
}

/** Memory of the runtime's own, which the kernel reads and writes without a copy. */
function aligned(size: number): Subject {
  const view = fs.allocAligned(size);
  const detach = (): void => void structuredClone(view.buffer, { transfer: [view.buffer as ArrayBuffer] });
  const transfer = (): void => giveAway(view.buffer as ArrayBuffer);
  return { view, hurt: { detach: ifAllowed(detach), transfer: ifAllowed(transfer), ...overwrite(view) } };
}

/** From Node 24 on memory that is an addon's cannot be given away. */
function ifAllowed(hurt: () => void): () => void {
  return () => {
    try {
      hurt();
    } catch (error) {
      if ((error as Error).name !== "DataCloneError") throw error;
    }
  };
}

/** Part of Node's pool, which other buffers share. */
function pooled(size: number): Subject {
  const view = Buffer.allocUnsafe(Math.min(size, 3000));
  return { view, hurt: { overwrite: () => void view.fill(0xee) } };
}

const KINDS = [plain, plain, resizable, resizable, shared, webAssembly, aligned, pooled];

/** Writes into what it is sent, and lets go of it. */
const worker = new Worker(
  `require("node:worker_threads").parentPort.on("message", (buffer) => new Uint8Array(buffer).fill(0xdd))`,
  { eval: true },
);
worker.unref();
const giveAway = (buffer: ArrayBuffer): void => worker.postMessage(buffer, [buffer]);

const FILE_SIZE = 1_000_000;

test.serial("files: buffers that are hurt in flight", async (t) => {
  t.log(`MANIAC_SEED=${SEED}`);
  const random = randomFrom(SEED);
  const source = `${root}/source`;
  const contents = new Uint8Array(FILE_SIZE);
  fill(contents, 0);
  nodeFs.writeFileSync(source, contents);
  await using file = await fs.open(source);
  await using target = await fs.open(`${root}/target`, "w+");
  const ends = { right: 0, changed: 0, refused: 0 };

  async function once(): Promise<void> {
    const kind = KINDS[random(KINDS.length)] ?? plain;
    const { view, hurt } = kind(random(4) === 0 ? 70_000 + random(200_000) : 1 + random(9000));
    const size = view.length;
    const place = random(FILE_SIZE - size);
    const writes = random(2) === 0;
    if (writes) fill(view, place);
    const slot = random(8) * 300_000;
    const names = Object.keys(hurt);
    const name = random(4) === 0 ? "nothing" : (names[random(names.length)] ?? "nothing");
    const operation = writes ? target.write(view, 0, size, slot) : file.read(view, 0, size, place);
    if (random(3) === 0) await Promise.race([operation.catch(() => 0), null]);
    hurt[name]?.();
    try {
      const result = await operation;
      const done = "bytesRead" in result ? result.bytesRead : result.bytesWritten;
      t.true(done > 0 && done <= size, `${kind.name}, ${name}: ${done} of ${size}`);
      // After its end an operation no longer touches the buffer, so what the owner did last is seen or was done before.
      if (writes || name !== "nothing") ends.changed++;
      else {
        t.true(holds(view, done, place), `${kind.name}: wrong bytes`);
        ends.right++;
      }
    } catch (error) {
      t.is((error as NodeJS.ErrnoException).code, "ERR_INVALID_STATE", `${kind.name}, ${name}: ${error}`);
      t.not(name, "nothing");
      ends.refused++;
    }
  }
  for (let round = 0; round < (DEEP ? 2000 : 60); round++) {
    await Promise.all(Array.from({ length: 32 }, once));
  }
  t.true(ends.right > 0 && ends.changed > 0 && ends.refused > 0, JSON.stringify(ends));
});

test.serial("a file has the bytes of the call, whatever became of the buffer after it", async (t) => {
  const random = randomFrom(SEED + 1);
  for (let round = 0; round < (DEEP ? 500 : 40); round++) {
    const { view, hurt } = plain(random(2) === 0 ? 100_000 : 3000);
    fill(view, round);
    const path = `${root}/written`;
    const written = fs.writeFile(path, view);
    const name = (["detach", "transfer"] as const)[random(2)] ?? "detach";
    const size = view.length;
    await setImmediate();
    hurt[name]?.();
    const error = await written.then(
      () => undefined,
      (reason: NodeJS.ErrnoException) => reason,
    );
    if (error === undefined) t.true(holds(nodeFs.readFileSync(path), size, round), `${name}: other bytes`);
    else t.is(error.code, "ERR_INVALID_STATE", String(error));
  }
});

test.serial("results that are kept stay as they were", async (t) => {
  const path = `${root}/source`;
  const expected = createHash("sha256").update(nodeFs.readFileSync(path)).digest("hex");
  const small = `${root}/small`;
  nodeFs.writeFileSync(small, "small");
  const kept: Buffer[] = [];
  for (let round = 0; round < (DEEP ? 50 : 8); round++) {
    kept.push(
      ...(await Promise.all([fs.readFile(path), ...Array.from({ length: 50 }, () => fs.readFile(small))])),
    );
    // Gone at once, so that their memory is used again.
    await Promise.all(Array.from({ length: 100 }, () => fs.readFile(small)));
  }
  const large = kept.filter(({ length }) => length === FILE_SIZE);
  t.true(large.every((buffer) => createHash("sha256").update(buffer).digest("hex") === expected));
  t.true(kept.filter(({ length }) => length === 5).every((buffer) => buffer.toString() === "small"));
  // They are their owner's: what is done to one is done to no other.
  for (const buffer of large.slice(1)) buffer.fill(0);
  t.is(
    createHash("sha256")
      .update(large[0] as Buffer)
      .digest("hex"),
    expected,
  );
});

test.serial("sockets: what is written is what was there at the call or after it, never beyond", async (t) => {
  const random = randomFrom(SEED + 2);
  const server = net.createServer((socket) => socket.on("error", () => undefined).pipe(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  for (let round = 0; round < (DEEP ? 300 : 20); round++) {
    const socket = net.connect(port, "127.0.0.1");
    let received = 0;
    const ended = new Promise<void>((resolve) => socket.on("close", () => resolve()));
    socket
      .on("error", () => undefined)
      .on("data", (chunk: Buffer) => {
        received += chunk.length;
      });
    let sent = 0;
    for (let write = 0; write < 5; write++) {
      const { view, hurt } = (random(2) === 0 ? plain : resizable)(1 + random(150_000));
      sent += view.length;
      socket.write(view);
      const names = Object.keys(hurt);
      if (random(2) === 0) hurt[names[random(names.length)] ?? "overwrite"]?.();
    }
    if (random(3) === 0) socket.destroy();
    else socket.end();
    await ended;
    t.true(received <= sent, `${received} of ${sent}`);
  }
  await new Promise((resolve) => server.close(resolve));
});

test.serial("buffers that nobody holds while an operation uses them", async (t) => {
  const { code, stdout, stderr } = await runScript(
    `
    const file = await fs.open(process.execPath);
    let done = 0;
    const read = (size, place) => file.read(new Uint8Array(size), 0, size, place).then(({ bytesRead }) => { done += bytesRead; });
    for (let round = 0; round < 20; round++) {
      const reads = [];
      for (let index = 0; index < 50; index++) reads.push(read(index % 5 === 0 ? 200_000 : 5000, index * 4096));
      globalThis.gc();
      await Promise.all(reads);
      globalThis.gc();
    }
    await file.close();
    console.log(done);
  `,
    ["--expose-gc", "--no-warnings"],
  );
  t.is(stdout, `${20 * (10 * 200_000 + 40 * 5000)}\n`, stderr);
  t.is(code, 0);
});
