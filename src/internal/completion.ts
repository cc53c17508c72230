/** A view of one completion record and of the data that it names, valid until the next record is loaded. */
import type { NativeEngine } from "./binding.js";
import {
  C_DATA,
  C_EXTRA,
  C_ID,
  C_INFO,
  C_LENGTH,
  C_RESULT,
  DATA_HANDED,
  DATA_NONE,
  DATA_REGION,
  DATA_SLAB,
  INFO_DATA_MASK,
  INFO_KIND_SHIFT,
  INFO_STEP_SHIFT,
} from "./ops.js";

/** The record that is being settled. One object serves all records of an engine. */
export class Completion {
  /** The operation's id. */
  id = 0;
  /** The result, or libuv's negative error number. */
  result = 0;
  /** Data's place, flags, failed step. */
  info = 0;
  /** Bytes of data. */
  length = 0;

  #at = 0;
  #place = DATA_NONE;
  #data = 0;
  readonly #records: Int32Array;
  readonly #native: NativeEngine;
  readonly #slab: Buffer;
  readonly #doubles: Float64Array;
  readonly #integers: BigInt64Array;

  constructor(native: NativeEngine, records: Int32Array) {
    this.#native = native;
    this.#records = records;
    this.#slab = Buffer.from(native.slab);
    this.#doubles = new Float64Array(native.slab);
    this.#integers = new BigInt64Array(native.slab);
  }

  /** Loads the record that starts at word `at`. */
  load(at: number): void {
    const records = this.#records;
    this.#at = at;
    this.id = records[at + C_ID] as number;
    this.result = records[at + C_RESULT] as number;
    const info = records[at + C_INFO] as number;
    this.info = info;
    this.#place = info & INFO_DATA_MASK;
    if (this.#place === DATA_NONE) {
      this.length = 0;
    } else {
      this.#data = records[at + C_DATA] as number;
      this.length = (records[at + C_LENGTH] as number) >>> 0;
    }
  }

  /** Which step of a compound operation failed. */
  get step(): number {
    return (this.info >>> INFO_STEP_SHIFT) & 0xff;
  }

  /** What a socket's event tells of. */
  get kind(): number {
    return (this.info >>> INFO_KIND_SHIFT) & 0xff;
  }

  /** The 64-bit result, as a double. */
  get extra(): number {
    const low = (this.#records[this.#at + C_EXTRA] as number) >>> 0;
    return (this.#records[this.#at + C_EXTRA + 1] as number) * 4294967296 + low;
  }

  /** True when the bytes are in the caller's own region already. */
  get inPlace(): boolean {
    return this.#place === DATA_REGION;
  }

  /** Copies the first `length` bytes to `offset` of `target`. */
  copyTo(target: Uint8Array, offset: number, length: number): void {
    if (this.#place === DATA_SLAB) {
      target.set(this.#slab.subarray(this.#data, this.#data + length), offset);
    } else if (this.#place === DATA_HANDED) {
      this.#place = DATA_NONE;
      this.#native.copyOut(this.#data, target.subarray(offset, offset + length));
    }
  }

  /** The data as a Buffer that shares its memory with nothing else. To be called once. */
  buffer(): Buffer {
    if (this.#place === DATA_HANDED) {
      this.#place = DATA_NONE;
      return Buffer.from(this.#native.take(this.#data), 0, this.length);
    }
    const buffer = Buffer.allocUnsafeSlow(this.length);
    this.copyTo(buffer, 0, this.length);
    return buffer;
  }

  /** The data as a view, for the length of this call only and never to be kept. To be called once. */
  view(): Buffer {
    return this.#place === DATA_SLAB
      ? this.#slab.subarray(this.#data, this.#data + this.length)
      : this.buffer();
  }

  /** The data as a string. To be called once. */
  text(encoding: BufferEncoding): string {
    return this.#place === DATA_SLAB
      ? this.#slab.toString(encoding, this.#data, this.#data + this.length)
      : this.buffer().toString(encoding);
  }

  /** Field `index` of data that is an array of doubles. */
  double(index: number): number {
    return this.#doubles[(this.#data >>> 3) + index] as number;
  }

  /** Field `index` of data that is an array of 64-bit integers. */
  integer(index: number): bigint {
    return this.#integers[(this.#data >>> 3) + index] as bigint;
  }

  /** Frees a hand-over that nobody took. */
  dropUnused(): void {
    if (this.#place === DATA_HANDED) {
      this.#place = DATA_NONE;
      this.#native.drop(this.#data);
    }
  }
}
