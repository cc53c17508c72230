/** A fake native side that does nothing by itself: a test looks at what arrived and says what comes back. */
import type { Binding, NativeEngine, NativeRegion } from "../../src/internal/binding.js";
import { ops } from "./internal.js";

/** A record to give back. */
export interface Answer {
  readonly id: number;
  readonly result: number;
  readonly info?: number;
  readonly data?: number;
  readonly length?: number;
  readonly extra?: bigint;
}

/** One batch as it arrived: the words of its entries, and a copy of the area. */
export interface Batch {
  readonly words: Int32Array;
  readonly area: Buffer;
  readonly count: number;
}

/** A native side under a test's control. */
export class FakeScript implements Binding, NativeEngine {
  readonly slab: ArrayBuffer = new ArrayBuffer(64 * 1024);
  /** Everything that arrived, oldest first. */
  readonly batches: Batch[] = [];
  /** Payloads that were staged, by token from 1. */
  readonly staged: Buffer[] = [];
  /** Hand-overs that were taken, copied or dropped, as they came. */
  readonly spent: string[] = [];
  /** Whether batches are kept with the area as it was; without, for tests of many. */
  keepsArea = true;
  /** Calls of {@link reap}. */
  reaps = 0;
  /** What the next calls of {@link flush} answer at once, given what they got. */
  inline: ((batch: Batch) => readonly Answer[]) | undefined;
  /** What the next calls of {@link reap} answer. */
  readonly later: (readonly Answer[])[] = [];

  #submissions: Int32Array = new Int32Array();
  #area: Buffer = Buffer.alloc(0);
  #completions: Int32Array = new Int32Array();
  #onCompletions: (count: number) => void = () => undefined;

  openEngine(
    _version: number,
    submissions: Int32Array,
    area: Uint8Array,
    completions: Int32Array,
    onCompletions: (count: number) => void,
  ): NativeEngine {
    this.#submissions = submissions;
    this.#area = Buffer.from(area.buffer, area.byteOffset, area.byteLength);
    this.#completions = completions;
    this.#onCompletions = onCompletions;
    return this;
  }

  flush(count: number): number {
    const batch = {
      words: this.#submissions.slice(0, count * ops.ENTRY_WORDS),
      area: this.keepsArea ? Buffer.from(this.#area) : Buffer.alloc(0),
      count,
    };
    this.batches.push(batch);
    return this.#fill(this.inline?.(batch) ?? []);
  }

  reap(): number {
    this.reaps++;
    return this.#fill(this.later.shift() ?? []);
  }

  take(handed: number): ArrayBuffer {
    this.spent.push(`take ${handed}`);
    return Uint8Array.from([1, 2, 3, 4]).buffer;
  }

  copyOut(handed: number, target: Uint8Array): void {
    this.spent.push(`copyOut ${handed}`);
    target.fill(7);
  }

  drop(handed: number): void {
    this.spent.push(`drop ${handed}`);
  }

  stage(source: Uint8Array): number {
    return this.staged.push(Buffer.from(source));
  }

  allocRegion(size: number): NativeRegion {
    return { region: 9, memory: new ArrayBuffer(size) };
  }

  shutdown(): void {}

  /** Calls JavaScript from the event loop, as it were. */
  complete(...answers: Answer[]): void {
    this.#onCompletions(this.#fill(answers));
  }

  /** Ids of the entries of batch `index`. */
  ids(index: number): number[] {
    return this.column(index, ops.W_ID);
  }

  /** One word of each entry of batch `index`. */
  column(index: number, word: number): number[] {
    const { words, count } = this.batches[index] as Batch;
    return Array.from({ length: count }, (_, entry) => words[entry * ops.ENTRY_WORDS + word] as number);
  }

  #fill(answers: readonly Answer[]): number {
    const records = this.#completions;
    for (const [index, answer] of answers.entries()) {
      const at = index * ops.COMPLETION_WORDS;
      records[at + ops.C_ID] = answer.id;
      records[at + ops.C_RESULT] = answer.result;
      records[at + ops.C_INFO] = answer.info ?? 0;
      records[at + ops.C_DATA] = answer.data ?? 0;
      records[at + ops.C_LENGTH] = answer.length ?? 0;
      const extra = answer.extra ?? 0n;
      records[at + ops.C_EXTRA] = Number(BigInt.asIntN(32, extra));
      records[at + ops.C_EXTRA + 1] = Number(BigInt.asIntN(32, extra >> 32n));
    }
    return answers.length;
  }
}
