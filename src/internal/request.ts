/**
 * One operation: its arguments on the way there, its promise on the way back.
 *
 * All operations share one class, so that the engine's loops stay monomorphic. What differs is in the static
 * {@link Operation} that each points to. Who submits requests: `run.ts`.
 */
import { type Abortee, unwatch, watch } from "./abort.js";
import type { Completion } from "./completion.js";
import { abortError } from "./node-errors.js";
import { osError } from "./os-errors.js";

/** A path that has been checked: no null bytes, no URL. */
export type Path = string | Uint8Array;

/** Waits in JavaScript. */
export const STATE_QUEUED = 0;
/** The native side holds it. */
export const STATE_IN_FLIGHT = 1;
/** The native side has completed it, or never saw it. */
export const STATE_DONE = 2;

/** What is the same for all requests of a kind. */
export interface Operation {
  /** Operation code. */
  readonly code: number;
  /** The system call's name, as errors show it, for each step; the path belongs to the first step alone. */
  readonly steps: readonly string[];
  /** Makes the result; what it throws becomes the rejection. */
  finish(request: Request, completion: Completion): unknown;
  /** Makes the error of a failed step, where it is not the plain one; `detail` is the completion's 64-bit result. */
  failure?(request: Request, errno: number, step: number, detail: number): Error;
  /** Undoes a result that nobody wants any more: closes what was opened. */
  dispose?(value: unknown): void;
}

/** An operation of one step that gives nothing. */
export function plain(code: number, syscall: string): Operation {
  return { code, steps: [syscall], finish: () => undefined };
}

/** What an operation keeps alive until the native side has let go of it, such as a file handle. */
export interface Held {
  /** Called once, when the operation has been completed, whether anybody still waits for it or not. */
  unref(): void;
}

/** An operation on its way. */
export class Request implements Abortee {
  /** Operation code and flags. */
  op: number;
  id = -1;
  fd = -1;
  arg0 = 0;
  arg1 = 0;
  /** File offset; -1 is the file's cursor. */
  position: number | bigint = -1;
  /** Bytes wanted of a read. */
  length = 0;
  extra: number | bigint = 0;
  extra2: number | bigint = 0;
  path: Path | null = null;
  path2: Path | null = null;
  payload: Uint8Array | null = null;
  /** The payload's length at the call: until it crosses, its owner may detach or resize it. */
  payloadLength = 0;
  region = -1;
  regionOffset = 0;

  /** The caller's buffer, and where in it a read's bytes belong. */
  buffer: NodeJS.ArrayBufferView | null = null;
  bufferOffset = 0;
  /** Whatever else {@link Operation.finish} wants. */
  context: unknown = undefined;

  state = STATE_QUEUED;
  /** The promise is settled; the native side may still hold the operation. */
  settled = false;
  /** The caller waits on this very thread: a failure is handed over as the error itself. */
  synchronous = false;
  resolve!: (value: unknown) => void;
  reject!: (reason: unknown) => void;

  readonly operation: Operation;
  #held: Held | null = null;
  #signal: AbortSignal | null = null;
  #onAbort: ((request: Request, signal: AbortSignal) => void) | null = null;

  constructor(operation: Operation, flags = 0) {
    this.operation = operation;
    this.op = operation.code | flags;
  }

  /** Takes `bytes` along to the native side. */
  carry(bytes: Uint8Array): void {
    this.payload = bytes;
    this.payloadLength = bytes.byteLength;
  }

  /** Keeps `held` until the native side has completed the operation. */
  hold(held: Held): void {
    this.#held = held;
  }

  /**
   * Calls `onAbort` when `signal` is aborted before the operation has ended.
   *
   * With a signal the outcome is handed on in the next tick: an abort that the program has put off to that tick still
   * counts, as it does with Node's own operations, which never end in the turn that started them.
   */
  listen(signal: AbortSignal, onAbort: (request: Request, signal: AbortSignal) => void): void {
    this.#signal = signal;
    this.#onAbort = onAbort;
    try {
      watch(signal, this);
    } catch {
      // What has `aborted` but cannot be listened to passes for a signal with Node: it is asked at the end.
    }
  }

  /** Called by the signal's watch. */
  onAbort(signal: AbortSignal): void {
    this.#onAbort?.(this, signal);
  }

  /** Marks the promise as settled, or about to be; no abort will be told of any more. */
  settle(): void {
    this.settled = true;
    if (this.#onAbort !== null) {
      this.#onAbort = null;
      unwatch(this.#signal as AbortSignal, this);
    }
  }

  /** Lets go of what was held. */
  release(): void {
    const held = this.#held;
    if (held !== null) {
      this.#held = null;
      held.unref();
    }
  }

  /** Settles the promise from a completion. */
  complete(completion: Completion): void {
    if (this.settled) {
      const { operation } = this;
      if (completion.result >= 0 && operation.dispose !== undefined) {
        operation.dispose(operation.finish(this, completion));
      }
      return;
    }
    if (completion.result < 0) {
      this.fail(completion.result, completion.step, completion.extra);
      return;
    }
    this.settle();
    let value: unknown;
    try {
      value = this.operation.finish(this, completion);
    } catch (error) {
      this.reject(error);
      return;
    }
    if (this.#signal === null) {
      this.resolve(value);
    } else {
      process.nextTick(Request.#resolveLate, this, value);
    }
  }

  /** Rejects with the error of the operating system. */
  fail(errno: number, step: number, detail = 0): void {
    if (this.settled) {
      return;
    }
    this.settle();
    if (this.synchronous) {
      this.reject(this.error(errno, step, detail));
    } else if (this.#signal === null) {
      this.resolve(thrown(this, errno, step, detail));
    } else {
      process.nextTick(Request.#failLate, this, errno, step, detail);
    }
  }

  /** Rejects with an error that is none of the operating system's. */
  refuse(error: Error): void {
    if (!this.settled) {
      this.settle();
      this.reject(error);
    }
  }

  static #resolveLate(request: Request, value: unknown): void {
    if (!request.#rejectedByAbort()) {
      request.resolve(value);
    } else {
      request.operation.dispose?.(value);
    }
  }

  static #failLate(request: Request, errno: number, step: number, detail: number): void {
    if (!request.#rejectedByAbort()) {
      request.resolve(thrown(request, errno, step, detail));
    }
  }

  #rejectedByAbort(): boolean {
    const signal = this.#signal as AbortSignal;
    if (signal.aborted) {
      this.reject(abortError(signal));
    }
    return signal.aborted;
  }

  /** The error for a failed step; a path belongs to the first step alone. */
  error(errno: number, step: number, detail: number): Error {
    const { operation } = this;
    if (operation.failure !== undefined) {
      return operation.failure(this, errno, step, detail);
    }
    const syscall = operation.steps[step] ?? (operation.steps[0] as string);
    return step === 0 ? osError(errno, syscall, this.path, this.path2) : osError(errno, syscall);
  }
}

/**
 * A promise rejected with the operation's error, whose stack shows who awaits it.
 *
 * The operation's own stack is long gone, and V8 finds the awaiting functions only from a microtask that leads to
 * them: one tick for the caller's promise to adopt this one, one to be resumed with that link in place.
 */
async function thrown(request: Request, errno: number, step: number, detail: number): Promise<never> {
  await undefined;
  await undefined;
  const error = request.error(errno, step, detail);
  Error.captureStackTrace(error, thrown);
  throw error;
}
