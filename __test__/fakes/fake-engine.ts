/**
 * A fake native side: the byte protocol of `src/internal/CROSSING.md` over `node:fs`. It stands in for the addon where
 * the facade alone is tested, and is unkind on purpose: what JavaScript may no longer read is overwritten, results come
 * inline or later, in or out of order, in the slab or handed over, as a seed decides.
 */
import fs from "node:fs";
import type { Binding, NativeEngine, NativeRegion } from "../../src/internal/binding.js";
import { type Entry, type Outcome, perform, readEntry } from "./fake-operations.js";
import { ops } from "./internal.js";

/** How a fake engine behaves. */
export interface FakeOptions {
  /** Whether an operation completes within the call that submits it. */
  readonly inline?: "always" | "never" | "random";
  /** For everything random. */
  readonly seed?: number;
  /** Whether small results are sometimes handed over, and later ones come out of order. */
  readonly unkind?: boolean;
  /** Directory entries come without their types, as from some file systems. */
  readonly hideTypes?: boolean;
}

/** Bytes of the fake's slab: small, so that it runs full. */
const SLAB_BYTES = 1024 * 1024;
/** Largest result in the slab. */
const SLAB_RESULT_MAX = 64 * 1024;
const POISON = 0xdd;

// Not among Node's types.
const { Memory } = (globalThis as unknown as { WebAssembly: PageMemory }).WebAssembly;

interface PageMemory {
  readonly Memory: new (size: { initial: number }) => { readonly buffer: ArrayBuffer };
}

interface Ready {
  readonly id: number;
  readonly outcome: Outcome;
}

/** A small generator of random numbers from a seed (mulberry32). */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** One environment's fake engine. */
export class FakeEngine implements NativeEngine {
  readonly slab: ArrayBuffer = new ArrayBuffer(SLAB_BYTES);
  /** Descriptors that were opened and not yet closed. */
  readonly open: Set<number> = new Set();
  /** Directories that were opened and not yet closed. */
  readonly directories: Map<number, fs.Dir> = new Map();
  /** Memory that was handed over and neither taken nor dropped. */
  readonly handed: Map<number, Buffer> = new Map();
  /** Payloads that were staged and not yet used. */
  readonly staged: Map<number, Buffer> = new Map();
  /** Memory from {@link allocRegion}. */
  readonly regions: Map<number, Buffer> = new Map();
  /** Operations that arrived, by code. */
  readonly seen: Map<number, number> = new Map();
  /** Cancellations that found their operation still waiting. */
  cancelled = 0;
  /** Directory entries come without their types. */
  readonly hideTypes: boolean;

  readonly #options: FakeOptions;
  readonly #submissions: Int32Array;
  readonly #area: Uint8Array;
  readonly #completions: Int32Array;
  readonly #onCompletions: (count: number) => void;
  readonly #random: () => number;
  readonly #slab: Buffer;
  #slabUsed = 0;
  #next = 1;
  #ready: Ready[] = [];
  /** Operations that are to run on a later turn. */
  readonly #waiting: Map<number, Entry> = new Map();
  #wake: NodeJS.Immediate | undefined;
  #closed = false;

  constructor(
    options: FakeOptions,
    submissions: Int32Array,
    area: Uint8Array,
    completions: Int32Array,
    onCompletions: (count: number) => void,
  ) {
    this.#options = options;
    this.hideTypes = options.hideTypes === true;
    this.#submissions = submissions;
    this.#area = area;
    this.#completions = completions;
    this.#onCompletions = onCompletions;
    this.#random = random(options.seed ?? 1);
    this.#slab = Buffer.from(this.slab);
  }

  flush(count: number): number {
    if (this.#closed) {
      throw new Error("the fake engine was shut down");
    }
    this.#reclaim();
    for (let index = 0; index < count; index++) {
      this.#accept(readEntry(this, this.#submissions, this.#area, index));
    }
    return this.#deliver();
  }

  reap(): number {
    this.#reclaim();
    return this.#deliver();
  }

  take(handed: number): ArrayBuffer {
    const bytes = this.#claim(handed);
    return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
  }

  copyOut(handed: number, target: Uint8Array): void {
    this.#claim(handed).copy(target);
  }

  drop(handed: number): void {
    this.#claim(handed);
  }

  stage(source: Uint8Array): number {
    const token = this.#next++;
    this.staged.set(token, Buffer.from(source));
    return token;
  }

  allocRegion(size: number, _alignment: number): NativeRegion {
    const region = this.#next++;
    // Memory of WebAssembly starts at a page: enough for O_DIRECT, which the fake reads with too.
    const memory = new Memory({ initial: Math.ceil(size / 65_536) }).buffer;
    this.regions.set(region, Buffer.from(memory));
    return { region, memory };
  }

  shutdown(): void {
    this.#closed = true;
    clearImmediate(this.#wake);
    for (const fd of this.open) {
      fs.closeSync(fd);
    }
    this.open.clear();
  }

  #claim(handed: number): Buffer {
    const bytes = this.handed.get(handed);
    if (bytes === undefined) {
      throw new Error(`hand-over ${handed} is spent or was never made`);
    }
    this.handed.delete(handed);
    return bytes;
  }

  #accept(entry: Entry): void {
    this.seen.set(entry.code, (this.seen.get(entry.code) ?? 0) + 1);
    if (entry.code === ops.OP_CANCEL) {
      this.#cancel(entry.id);
    } else if (this.#isInline(entry)) {
      this.#ready.push({ id: entry.id, outcome: perform(this, entry) });
    } else {
      this.#later(entry);
    }
  }

  #isInline(entry: Entry): boolean {
    if ((entry.flags & ops.F_BLOCK) !== 0) {
      return true;
    }
    const { inline = "random" } = this.#options;
    return inline === "always" || (inline === "random" && this.#random() < 0.5);
  }

  #cancel(id: number): void {
    const entry = this.#waiting.get(id);
    if (entry !== undefined) {
      this.#waiting.delete(id);
      this.cancelled++;
      this.#ready.push({ id, outcome: { result: -125 } });
      this.#wakeSoon();
    }
  }

  /** Runs `entry` on a later turn of the event loop; what may block runs in Node's pool. */
  #later(entry: Entry): void {
    const finish = (outcome: Outcome): void => {
      this.#ready.push({ id: entry.id, outcome });
      this.#wakeSoon();
    };
    if (entry.code === ops.OP_OPEN) {
      fs.open(entry.path as Buffer, entry.arg0, entry.arg1, (error, fd) => {
        if (error === null) {
          this.open.add(fd);
        }
        finish({ result: error === null ? fd : (error.errno as number) });
      });
    } else if (entry.code === ops.OP_READ && entry.place !== ops.DATA_REGION) {
      const data = Buffer.alloc(entry.length);
      const position = entry.position < 0n ? null : Number(entry.position);
      fs.read(entry.fd, data, 0, entry.length, position, (error, count) =>
        finish(
          error === null
            ? { result: count, data: data.subarray(0, count) }
            : { result: error.errno as number },
        ),
      );
    } else {
      this.#waiting.set(entry.id, entry);
      this.#wakeSoon();
    }
  }

  #wakeSoon(): void {
    this.#wake ??= setImmediate(() => {
      this.#wake = undefined;
      for (const [id, entry] of this.#waiting) {
        this.#waiting.delete(id);
        this.#ready.push({ id, outcome: perform(this, entry) });
      }
      if (this.#options.unkind) {
        this.#ready.sort(() => this.#random() - 0.5);
      }
      while (this.#ready.length !== 0) {
        this.#reclaim();
        this.#onCompletions(this.#deliver());
      }
    });
  }

  /** The slab is the engine's again: whoever reads it now reads rubbish. */
  #reclaim(): void {
    this.#slab.fill(POISON, 0, this.#slabUsed);
    this.#slabUsed = 0;
  }

  /** Fills the completion array. */
  #deliver(): number {
    const count = Math.min(this.#ready.length, ops.COMPLETION_ENTRIES);
    for (let index = 0; index < count; index++) {
      this.#record(this.#ready[index] as Ready, index * ops.COMPLETION_WORDS);
    }
    this.#ready = this.#ready.slice(count);
    return count;
  }

  #record({ id, outcome }: Ready, at: number): void {
    const records = this.#completions;
    const { data } = outcome;
    records.fill(0, at, at + ops.COMPLETION_WORDS);
    records[at + ops.C_ID] = id;
    records[at + ops.C_RESULT] = outcome.result;
    records[at + ops.C_INFO] = (outcome.step ?? 0) << ops.INFO_STEP_SHIFT;
    const extra = BigInt(outcome.extra ?? 0);
    records[at + ops.C_EXTRA] = Number(BigInt.asIntN(32, extra));
    records[at + ops.C_EXTRA + 1] = Number(BigInt.asIntN(32, extra >> 32n));
    if (outcome.inPlace) {
      records[at + ops.C_INFO] = (records[at + ops.C_INFO] as number) | ops.DATA_REGION;
    } else if (data !== undefined && data.length !== 0) {
      this.#place(data, at, outcome.fixed === true);
    }
  }

  #place(data: Buffer, at: number, fixed: boolean): void {
    const records = this.#completions;
    const start = (this.#slabUsed + 7) & ~7;
    const handOver = !fixed && this.#options.unkind === true && this.#random() < 0.2;
    records[at + ops.C_LENGTH] = data.length;
    if (data.length > SLAB_RESULT_MAX || start + data.length > SLAB_BYTES || handOver) {
      if (fixed) {
        throw new Error("the slab is too small for this many attributes in one batch");
      }
      const handed = this.#next++;
      this.handed.set(handed, data);
      records[at + ops.C_DATA] = handed;
      records[at + ops.C_INFO] = (records[at + ops.C_INFO] as number) | ops.DATA_HANDED;
      return;
    }
    data.copy(this.#slab, start);
    this.#slabUsed = start + data.length;
    records[at + ops.C_DATA] = start;
    records[at + ops.C_INFO] = (records[at + ops.C_INFO] as number) | ops.DATA_SLAB;
  }
}

/** A binding whose engine is fake; `last` is the engine that was opened last. */
export class FakeBinding implements Binding {
  /** The engine that was opened last. */
  last: FakeEngine | undefined;
  readonly #options: FakeOptions;

  constructor(options: FakeOptions = {}) {
    this.#options = options;
  }

  openEngine(
    version: number,
    submissions: Int32Array,
    area: Uint8Array,
    completions: Int32Array,
    onCompletions: (count: number) => void,
  ): NativeEngine {
    if (version !== ops.PROTOCOL_VERSION) {
      throw new Error(`the fake engine speaks version ${ops.PROTOCOL_VERSION}, not ${version}`);
    }
    this.last = new FakeEngine(this.#options, submissions, area, completions, onCompletions);
    return this.last;
  }
}
