/**
 * maniac: what concerns the runtime as a whole. Files, sockets, timers and channels have sub-paths of their own
 * (`maniac/fs`, …).
 */
import { ManiacError } from "./errors.js";
import { loadBinding } from "./internal/binding.js";
import { engine } from "./internal/engine.js";
import { invalidType, invalidValue, outOfRange } from "./internal/node-errors.js";
import { refuseMainThread } from "./internal/sync-await.js";
import { perform } from "./internal/sync-operations.js";
import { validFunction, validSignal } from "./internal/validate.js";
import type { ConnectOptions, connect, Socket } from "./net.js";

export { ManiacError, type ManiacErrorCode } from "./errors.js";

/** A link to the kernel: `uring` (io_uring) or `poll` (epoll or kqueue, and threads for files). */
export type Driver = "uring" | "poll";

/** What {@link Runtime.configure} takes. Everything has a default. */
export interface RuntimeOptions {
  /** Workers of the process's runtime, 1 to 512. Default: 1, since Node's own threads do most of the work. */
  workers?: number;
  /** Tasks at most. Default: no limit. */
  maxTasks?: number;
  /** Whether task memory is asked of the system in huge pages. Default: false. */
  hugePages?: boolean;
  /** Milliseconds that a task may run while others wait. Default: 1. */
  quantum?: number;
  /** Which driver; default `auto`, or what the environment variable `MANIAC_DRIVER` says. */
  driver?: Driver | "auto";
}

/** How the driver was chosen, as {@link probe} gives it. */
export interface Probe {
  /** The package's version. */
  readonly version: string;
  /** The driver in use. */
  readonly driver: Driver;
  /** Why that one. */
  readonly reason: string;
  /** The kernel's release; empty where unknown. */
  readonly kernel: string;
  /** Why the kernel refuses io_uring; `undefined` if it does not, or was not asked. */
  readonly uringRefusal: string | undefined;
  /** Submission entries of a ring; `undefined` without one. */
  readonly ringEntries: number | undefined;
  /** Set-up flags that the kernel accepted for rings. */
  readonly ringFlags: readonly string[];
  /** Limit of locked memory in bytes; `undefined` if there is none or it is unknown. */
  readonly lockedMemoryLimit: number | undefined;
  /**
   * What came of {@link RuntimeOptions.hugePages}: `off`, `advised` (the kernel's `AnonHugePages` says how many it gave), or `refused: `
   * and why; `undefined` before the first operation that may block.
   */
  readonly hugePages: string | undefined;
}

/** Counters, as {@link metrics} gives them. */
export interface Metrics {
  /** This environment's operations (the main thread's, or this Worker's). */
  readonly operations: {
    /** Begun so far. */
    readonly submitted: number;
    /** Ended so far. */
    readonly completed: number;
    /** With the runtime now. */
    readonly inFlight: number;
    /** Waiting in JavaScript for room. */
    readonly queued: number;
    /** Native calls that took operations: one for each turn of the microtask queue. */
    readonly flushes: number;
    /** Calls from the event loop: operations that had to wait. */
    readonly wakeups: number;
  };
  /** The process's threads for calls that block. */
  readonly blocking: {
    /** Threads alive. */
    readonly threads: number;
    /** Of these, those that wait for work. */
    readonly idle: number;
    /** Calls that wait for a thread. */
    readonly queued: number;
  };
}

/** What the addon exports beyond the engine. */
interface Reports {
  configure(options: RuntimeOptions): void;
  probe(): Omit<Probe, "uringRefusal" | "ringEntries" | "lockedMemoryLimit" | "hugePages"> & {
    readonly uringRefusal?: string;
    readonly hugePages?: string;
    readonly ringEntries?: number;
    readonly lockedMemoryLimit?: number;
  };
  poolMetrics(): Metrics["blocking"];
}

function reports(): Reports {
  return loadBinding() as unknown as Reports;
}

/** The runtime as a whole. */
export const Runtime: {
  /**
   * Sets what the runtime begins with. To be called before the first operation that may block; Workers share it.
   *
   * @param options - what to set; the rest keeps its default.
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`; {@link ManiacError} `ERR_MANIAC_STARTED` once the runtime runs.
   *
   * @example
   * ```ts
   * import { Runtime } from 'maniac';
   *
   * Runtime.configure({ driver: 'auto', workers: 2 });
   * ```
   */
  configure(options: RuntimeOptions): void;
} = {
  configure(options) {
    if (typeof options !== "object" || options === null) {
      throw invalidType("options", "of type object", options);
    }
    const checked: RuntimeOptions = {};
    if (options.workers !== undefined) checked.workers = integer("workers", options.workers, 1, 512);
    if (options.maxTasks !== undefined) {
      checked.maxTasks = integer("maxTasks", options.maxTasks, 1, Number.MAX_SAFE_INTEGER);
    }
    if (options.quantum !== undefined) {
      if (typeof options.quantum !== "number")
        throw invalidType("quantum", "of type number", options.quantum);
      if (!(options.quantum >= 0.1 && options.quantum <= 1000)) {
        throw outOfRange("quantum", ">= 0.1 && <= 1000", options.quantum);
      }
      checked.quantum = options.quantum;
    }
    if (options.hugePages !== undefined) {
      if (typeof options.hugePages !== "boolean")
        throw invalidType("hugePages", "of type boolean", options.hugePages);
      checked.hugePages = options.hugePages;
    }
    if (options.driver !== undefined) {
      if (!["auto", "uring", "poll"].includes(options.driver)) {
        throw invalidValue("driver", options.driver, "must be 'auto', 'uring' or 'poll'");
      }
      checked.driver = options.driver;
    }
    try {
      reports().configure(checked);
    } catch (cause) {
      if (cause instanceof ManiacError) throw cause;
      const message = "The runtime runs already: call Runtime.configure before the first operation.";
      throw new ManiacError("ERR_MANIAC_STARTED", message, { cause });
    }
  },
};

function integer(name: string, value: unknown, least: number, most: number): number {
  if (typeof value !== "number") throw invalidType(name, "of type number", value);
  if (!Number.isInteger(value) || value < least || value > most) {
    throw outOfRange(name, `an integer >= ${least} && <= ${most}`, value);
  }
  return value;
}

/**
 * Tells which driver this process uses, or would use, and why.
 *
 * @example
 * ```ts
 * import { probe } from 'maniac';
 *
 * const { driver, reason } = probe();
 * console.log(`${driver}: ${reason}`);
 * ```
 */
export function probe(): Probe {
  const { uringRefusal, ringEntries, lockedMemoryLimit, hugePages, ...rest } = reports().probe();
  return { ...rest, uringRefusal, ringEntries, lockedMemoryLimit, hugePages };
}

/**
 * Gives counters of this environment's engine and of the process's threads. Opens the engine if nothing has done so.
 *
 * @example
 * ```ts
 * import { metrics } from 'maniac';
 *
 * console.log(metrics().operations.inFlight); // 0
 * ```
 */
export function metrics(): Metrics {
  const { counters, inFlight, queued } = engine();
  const { submitted, completed, flushes, wakeups } = counters;
  const { threads, idle, queued: waiting } = reports().poolMetrics();
  return {
    operations: { submitted, completed, inFlight, queued, flushes, wakeups },
    blocking: { threads, idle, queued: waiting },
  };
}

/** What {@link syncAwait} may take before the operation. */
export interface SyncAwaitOptions {
  /** Milliseconds to wait at most; then the operation is aborted and `ERR_MANIAC_TIMEOUT` thrown. Default: no limit. */
  timeout?: number | undefined;
  /** Aborts the operation. Only what runs while this thread is blocked can abort it: in a pool's task, its own signal. */
  signal?: AbortSignal | undefined;
  /** Whose method the operation is: a `FileHandle`, a `Socket`, a `Sender` or a `Receiver`. */
  on?: object | undefined;
}

/** Where {@link syncAwait} connects to: options, a port and a host, or a path. */
export type ConnectArguments = [options: ConnectOptions] | [portOrPath: number | string, host?: string];

/** {@link SyncAwaitOptions} for a socket's methods. */
export interface OnSocket extends SyncAwaitOptions {
  /** The socket, connected. */
  on: Socket;
}

/**
 * Runs an operation to its end and blocks this Worker meanwhile: code that cannot be asynchronous, such as a callback that must give
 * a value, reads files, waits, sends and receives. Nothing else of this Worker runs until then; other threads are not affected, and
 * in a task of `maniac/pool` another thread stands in.
 *
 * It takes the functions of `maniac/fs` and `maniac/timers`; with `on`, methods of `FileHandle`, `Sender.send` and `Receiver.recv`.
 * Result and error are those of the asynchronous call. The cancellation of a pool's task ends it with an `AbortError`.
 *
 * Of `maniac/net` it takes `lookup`; `connect`, which gives a socket that is connected; and with a connected socket as `on`, `read` (the next bytes,
 * null at the peer's end), `write` (until the system has taken all) and `end` (until all is sent). What fails there is thrown,
 * not emitted. The socket may be used both ways in turn. Servers and datagram sockets are not for threads that block.
 *
 * @param operation - the function, not its promise.
 * @param parameters - its arguments.
 * @returns what the promise would give.
 * @throws {@link ManiacError} `ERR_MANIAC_SYNC_AWAIT_MAIN_THREAD` on the main thread; `ERR_MANIAC_TIMEOUT`;
 * `ERR_MANIAC_UNSUPPORTED` for what is no such operation, or waits for other code of this Worker; `ERR_MANIAC_BUSY` within another
 * call; and what the operation throws.
 *
 * @example
 * ```ts
 * import { once } from 'node:events';
 * import { isMainThread, parentPort, Worker } from 'node:worker_threads';
 * import { syncAwait } from 'maniac';
 * import { readFile } from 'maniac/fs';
 *
 * if (isMainThread) {
 *   const worker = new Worker(new URL(import.meta.url));
 *   console.log(await once(worker, 'message')); // [ 'maniac is at version 0.1.0' ]
 * } else {
 *   // A replacer must give its text at once.
 *   const version = () => JSON.parse(syncAwait(readFile, 'package.json', 'utf8') as string).version;
 *   parentPort?.postMessage('maniac is at version %'.replace('%', version));
 * }
 * ```
 */
export function syncAwait<A extends unknown[], R>(
  operation: (...parameters: A) => Promise<R>,
  ...parameters: A
): R;
/**
 * As above, with limits.
 *
 * @param options - `timeout`, `signal`, and `on` for methods.
 * @param operation - the function, not its promise.
 * @param parameters - its arguments.
 * @returns what the promise would give.
 */
export function syncAwait<A extends unknown[], R>(
  options: SyncAwaitOptions,
  operation: (...parameters: A) => Promise<R>,
  ...parameters: A
): R;
/**
 * Connects, as `connect` of `maniac/net`, whose arguments follow, without a listener.
 *
 * @param operation - `connect`.
 * @returns the socket, connected.
 */
export function syncAwait(operation: typeof connect, ...parameters: ConnectArguments): Socket;
export function syncAwait(
  options: SyncAwaitOptions,
  operation: typeof connect,
  ...parameters: ConnectArguments
): Socket;
/**
 * Reads from a socket, writes to it, ends it.
 *
 * @param options - the socket as `on`; `timeout` and `signal` as above.
 * @param operation - its `read`, `write` or `end`; what follows are the method's arguments, without a callback.
 * @returns for `read`, the bytes, or text where the socket has an encoding; null at the peer's end.
 */
export function syncAwait(
  options: OnSocket,
  operation: Socket["end"],
  data?: Uint8Array | string,
  encoding?: BufferEncoding,
): Socket;
export function syncAwait(
  options: OnSocket,
  operation: Socket["read"],
  size?: number,
): Buffer | string | null;
export function syncAwait(
  options: OnSocket,
  operation: Socket["write"],
  data: Uint8Array | string,
  encoding?: BufferEncoding,
): boolean;
export function syncAwait(first: unknown, ...rest: unknown[]): unknown {
  refuseMainThread("syncAwait");
  if (typeof first === "function")
    return perform({ timeout: undefined, signal: undefined }, undefined, first, rest);
  const hasOperation = typeof first === "object" && first !== null && typeof rest[0] === "function";
  if (!hasOperation) {
    validFunction(typeof first === "object" && first !== null ? rest[0] : first, "operation");
  }
  const { timeout, signal, on } = first as SyncAwaitOptions;
  if (timeout !== undefined) {
    if (typeof timeout !== "number") throw invalidType("options.timeout", "of type number", timeout);
    if (!(timeout >= 0)) throw outOfRange("options.timeout", ">= 0", timeout);
  }
  const limits = { timeout, signal: validSignal(signal, "options.signal") };
  return perform(limits, on, rest[0], rest.slice(1));
}
