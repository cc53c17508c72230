/** `onread`: a socket that receives into buffers of the program's own. */
import type { Duplex } from "node:stream";
import { types } from "node:util";
import type { OnReadOptions } from "./net-types.js";

/** What a reader has its socket do. */
export interface Receiving {
  start(): void;
  stop(): void;
  /** All is handed over, the end too. */
  ended(): void;
}

/** Fills the program's buffers, one at a time, and holds what it does not want yet. */
export class BufferReader {
  /** Whether the program has enough for now. */
  paused = false;

  readonly #onread: OnReadOptions;
  readonly #socket: Duplex;
  readonly #receiving: Receiving;
  #target: Uint8Array | undefined;
  /** What was received and not handed over; null is the end. */
  readonly #held: (Buffer | null)[] = [];

  private constructor(onread: OnReadOptions, socket: Duplex, receiving: Receiving) {
    this.#onread = onread;
    this.#socket = socket;
    this.#receiving = receiving;
  }

  /** One for these options, if they are of any use. */
  static of(
    onread: OnReadOptions | undefined | null,
    socket: Duplex,
    receiving: Receiving,
  ): BufferReader | undefined {
    const usable =
      onread != null &&
      (types.isUint8Array(onread.buffer) || typeof onread.buffer === "function") &&
      typeof onread.callback === "function";
    return usable ? new BufferReader(onread, socket, receiving) : undefined;
  }

  /** Takes what was received; null is the end. */
  take(bytes: Buffer | null): void {
    this.#held.push(bytes);
    this.#deliver();
  }

  /** Hands over no more. */
  pause(): void {
    this.paused = true;
    this.#receiving.stop();
  }

  /** Goes on after {@link BufferReader.pause}. */
  resume(): void {
    if (this.paused) {
      this.paused = false;
      this.#receiving.start();
      process.nextTick(() => this.#deliver());
    }
  }

  /** Hands over what there is, as long as it is wanted. */
  #deliver(): void {
    while (!this.paused && !this.#socket.destroyed) {
      const bytes = this.#held.shift();
      if (bytes === undefined) {
        return;
      }
      if (bytes === null) {
        this.#receiving.ended();
        return;
      }
      const target = this.#target ?? this.#next();
      const piece = bytes.subarray(0, target.byteLength);
      target.set(piece);
      if (piece.byteLength < bytes.byteLength) {
        this.#held.unshift(bytes.subarray(piece.byteLength));
      }
      if (this.#onread.callback.call(this.#socket, piece.byteLength, target) === false) {
        this.pause();
      }
      // Asked for at once, as Node does: it is there when the next bytes are.
      this.#target = this.#next();
    }
  }

  #next(): Uint8Array {
    const { buffer } = this.#onread;
    return typeof buffer === "function" ? buffer() : buffer;
  }
}
