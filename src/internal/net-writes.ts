/**
 * What a socket has to send, in order. A long write crosses in pieces, each when the one before has been taken; what is written after it crosses
 * when it has ended, so nothing comes between two pieces. Short writes cross at once, any number: the native side keeps their order.
 */
import { constants } from "node:os";

/** Longest piece of a write that crosses at once: what is longer would be copied whole. */
const PIECE = 512 * 1024;

/** EFAULT: a buffer was detached or resized before all of it was written. */
const FAULT: number = -constants.errno.EFAULT;

/** A write under way. */
interface Writing {
  readonly bytes: Uint8Array;
  /** Of `bytes` at the call: its owner may detach or resize it meanwhile. */
  readonly length: number;
  done: number;
  readonly callback: (result: number) => void;
}

/** Where the pieces cross. */
export interface Crossing {
  readonly isClosing: boolean;
  /** Has the native side write `bytes`; {@link Writes.written} tells what came of it. */
  cross(bytes: Uint8Array): void;
}

/** See the module's page. */
export class Writes {
  readonly #crossing: Crossing;
  /** Those of which the native side has been told. A long one is the last of them. */
  readonly #begun: Writing[] = [];
  readonly #waiting: Writing[] = [];
  /** Whether a long one has begun. */
  #long = false;
  /** What waits for all of them to have crossed. */
  #after: (() => void) | undefined;

  constructor(crossing: Crossing) {
    this.#crossing = crossing;
  }

  /** Bytes that the kernel has not taken yet. */
  get queued(): number {
    const sum = (all: Writing[]): number => all.reduce((most, { length, done }) => most + length - done, 0);
    return sum(this.#begun) + sum(this.#waiting);
  }

  /** Writes that the kernel has not taken yet. */
  get count(): number {
    return this.#begun.length + this.#waiting.length;
  }

  /** Writes all of `bytes`, unless there is an error. */
  write(bytes: Uint8Array, callback: (result: number) => void): void {
    const write = { bytes, length: bytes.byteLength, done: 0, callback };
    if (this.#long) {
      this.#waiting.push(write);
    } else {
      this.#begin(write);
    }
  }

  /** Keeps account of a datagram, which crosses by itself. */
  sent(bytes: Uint8Array, callback: (result: number) => void): void {
    this.#begun.push({ bytes, length: bytes.byteLength, done: 0, callback });
  }

  /** Calls `then` once, when all that was written so far has crossed. */
  whenCrossed(then: () => void): void {
    if (this.#long) {
      this.#after = then;
    } else {
      then();
    }
  }

  /** The native side has written, or could not. */
  written(result: number): void {
    const write = this.#begun[0];
    if (write === undefined) {
      return;
    }
    const { bytes, length } = write;
    const long = this.#long && this.#begun.length === 1;
    let outcome = result;
    if (result >= 0) {
      write.done += result;
      if (long && write.done < length && result > 0) {
        if (bytes.byteLength === length) {
          if (!this.#crossing.isClosing) {
            this.#piece(write);
          }
          return;
        }
        outcome = FAULT;
      }
    }
    this.#begun.shift();
    try {
      write.callback(outcome);
    } finally {
      if (long) {
        this.#goOn();
      }
    }
  }

  /** None of them will be done. */
  cancel(result: number): void {
    this.#after = undefined;
    for (const { callback } of [...this.#begun.splice(0), ...this.#waiting.splice(0)]) {
      callback(result);
    }
  }

  #begin(write: Writing): void {
    this.#begun.push(write);
    this.#long = write.length > PIECE;
    this.#piece(write);
  }

  #piece({ bytes, length, done }: Writing): void {
    this.#crossing.cross(length <= PIECE ? bytes : bytes.subarray(done, done + PIECE));
  }

  /** A long one has ended. */
  #goOn(): void {
    this.#long = false;
    while (!this.#long && this.#waiting.length > 0 && !this.#crossing.isClosing) {
      const write = this.#waiting.shift() as Writing;
      if (write.bytes.byteLength === write.length) {
        this.#begin(write);
      } else {
        write.callback(FAULT);
      }
    }
    if (!this.#long && !this.#crossing.isClosing) {
      const then = this.#after;
      this.#after = undefined;
      then?.();
    }
  }
}
