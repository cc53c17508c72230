/**
 * `maniac/pool`: JavaScript that computes, on worker_threads, beside the program's own thread.
 *
 * Option and method names are piscina's where they mean the same; `docs/from-piscina.md` has the table. What is different: a task
 * that runs past the quantum while others wait holds none of them up, since another thread joins; nothing that a task has begun
 * stands still between tasks; and a task may block its thread with `syncAwait`, for which another thread stands in.
 *
 * A task file exports a function; it is called with the task, and what it returns, or its promise gives, is the result:
 *
 * ```ts
 * import { Pool } from 'maniac/pool';
 *
 * const file = 'data:text/javascript,export default ({ a, b }) => a + b';
 * await using pool = new Pool<{ a: number; b: number }, number>({ filename: file });
 * console.log(await pool.run({ a: 4, b: 6 })); // 10
 * ```
 *
 * **Keeping the process alive.** A pool with tasks does, an idle one does not.
 *
 * @module
 */
import { EventEmitter } from "node:events";
import type { RecordableHistogram } from "node:perf_hooks";
import type { Transferable, Worker } from "node:worker_threads";
import { abortError, invalidType } from "./internal/node-errors.js";
import { Core } from "./internal/pool-core.js";
import { inside, Moved } from "./internal/pool-inside.js";
import { exportOf, hrefOf, type PoolOptions, type Settings, settingsOf } from "./internal/pool-options.js";
import type { HandlerName } from "./internal/pool-protocol.js";
import { Task } from "./internal/pool-task.js";
import { validObject, validSignal } from "./internal/validate.js";

export type { PoolOptions } from "./internal/pool-options.js";

/** What {@link Pool.run} takes. */
export interface RunOptions {
  /** Cancels the task: it rejects with an `AbortError` at once. */
  signal?: AbortSignal | null | undefined;
  /** What moves to the thread instead of being cloned. */
  transferList?: readonly Transferable[] | undefined;
  /** The export that is called. Default: the pool's. */
  name?: string | null | undefined;
  /** The task file. Default: the pool's. */
  filename?: string | URL | null | undefined;
}

/** What {@link Pool.close} takes. */
export interface CloseOptions {
  /** Rejects tasks that have not begun. Default: false, they are run. */
  force?: boolean | undefined;
}

/** What a task's function gets as its second argument. */
export interface TaskContext {
  /** Aborted when the task was cancelled. What does not heed it is ended with its thread after `cancelTimeout`. */
  readonly signal: AbortSignal;
}

/** How long something took, in milliseconds. */
export interface TimingSummary {
  /** Tasks counted. */
  readonly count: number;
  /** The mean. */
  readonly mean: number;
  /** The standard deviation. */
  readonly stddev: number;
  /** The shortest. */
  readonly min: number;
  /** The longest. */
  readonly max: number;
  /** Half of them took at most this. */
  readonly p50: number;
  /** 75 % took at most this. */
  readonly p75: number;
  /** 90 % took at most this. */
  readonly p90: number;
  /** 99 % took at most this. */
  readonly p99: number;
  /** 99.9 % took at most this. */
  readonly p99_9: number;
}

/** Times of a pool's tasks. */
export interface PoolHistogram {
  /** From the call of the task's function to its result. */
  readonly runTime: TimingSummary;
  /** From `run` until the result was back, without the run time. */
  readonly waitTime: TimingSummary;
  /** Forgets what was recorded. */
  reset(): void;
}

/** The events of a {@link Pool}, with what listeners get. */
export interface PoolEvents {
  /** After {@link Pool.needsDrain} was true: the queue has gone down to half of its limit. */
  drain: [];
  /** A thread joins. */
  workerCreate: [worker: Worker];
  /** A thread has ended. */
  workerDestroy: [worker: Worker];
  /** A task posted a message on its `parentPort`. */
  message: [value: unknown];
  /** A thread has failed while it ran no task. Emitted only if somebody listens. */
  error: [error: unknown];
}

function summary(histogram: RecordableHistogram): TimingSummary {
  const { count } = histogram;
  const of = (nanoseconds: number): number => (count === 0 ? 0 : nanoseconds / 1e6);
  const at = (percentile: number): number => of(histogram.percentile(percentile));
  const { mean, stddev, min, max } = histogram;
  return {
    count,
    mean: of(mean),
    stddev: of(stddev),
    min: of(min),
    max: of(max),
    p50: at(50),
    p75: at(75),
    p90: at(90),
    p99: at(99),
    p99_9: at(99.9),
  };
}

/**
 * Threads that run tasks.
 *
 * @example
 * ```ts
 * import { Pool } from 'maniac/pool';
 *
 * const file = 'data:text/javascript,export const double = (n) => 2 * n';
 * await using pool = new Pool<number, number>({ filename: file, name: 'double', maxThreads: 2 });
 * console.log(await Promise.all([pool.run(1), pool.run(2)])); // [ 2, 4 ]
 * ```
 */
export class Pool<T = unknown, R = unknown> extends EventEmitter<PoolEvents> {
  readonly #settings: Settings;
  readonly #core: Core;
  readonly #started = performance.now();

  /**
   * Starts `minThreads` threads.
   *
   * @param options - everything has a default; without a `filename` each task must name one.
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`.
   */
  constructor(options: PoolOptions = {}) {
    super();
    this.#settings = settingsOf(options);
    this.#core = new Core(this.#settings, {
      drained: () => void this.emit("drain"),
      created: ({ worker }) => {
        worker.on("message", (value: unknown) => this.emit("message", value));
        this.emit("workerCreate", worker);
      },
      destroyed: ({ worker }) => void this.emit("workerDestroy", worker),
      failed: (error) => {
        if (this.listenerCount("error") > 0) this.emit("error", error);
      },
    });
  }

  /**
   * Runs a task in one of the threads.
   *
   * @param task - what the task's function is called with; it is cloned as `postMessage` does it.
   * @param options - `signal` cancels, `transferList` moves, `name` and `filename` say which function.
   * @returns a promise of what the function gives. It rejects with what the function throws, of the same class where that is
   * one of the language's or `ManiacError`, with `cause` and other properties; and with `ManiacError`: `ERR_MANIAC_QUEUE_FULL`,
   * `ERR_MANIAC_POOL_CLOSED`, `ERR_MANIAC_TASK_FILE` if there is no such function, `ERR_MANIAC_TASK_RESULT` if what it gives
   * cannot be cloned, `ERR_MANIAC_TASK_LOST` if its thread ended, by `process.exit` or an error that nobody caught.
   */
  run(task: T, options: RunOptions = {}): Promise<R> {
    try {
      const { transferList, name, filename } = validObject(options, "options") as RunOptions;
      const signal = validSignal(options.signal ?? undefined, "options.signal");
      const handler = this.#handler(filename, name);
      if (transferList !== undefined && !Array.isArray(transferList)) {
        throw invalidType("options.transferList", "an instance of Array", transferList);
      }
      if (signal?.aborted) throw abortError(signal);
      const one = new Task(task, transferList, handler);
      const promise = new Promise<unknown>((resolve, reject) => {
        one.resolve = resolve;
        one.reject = reject;
      }) as Promise<R>;
      this.#core.submit(one);
      if (signal !== undefined && !one.settled) one.listen(signal, (aborted) => this.#core.abandon(aborted));
      return promise;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Takes no further tasks, waits for those there are, and ends the threads.
   *
   * @param options - `force` rejects those that have not begun.
   * @returns a promise that resolves when all threads have ended.
   */
  close(options: CloseOptions = {}): Promise<void> {
    const { force = false } = options;
    return this.#core.close(force);
  }

  /**
   * Ends the threads at once. Tasks that have not ended reject with `ERR_MANIAC_POOL_CLOSED`.
   *
   * @returns a promise that resolves when all threads have ended.
   */
  destroy(): Promise<void> {
    return this.#core.destroy();
  }

  /**
   * Closes the pool, as {@link Pool.close}.
   *
   * @returns a promise that resolves when all threads have ended.
   */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The threads. */
  get threads(): Worker[] {
    return this.#core.threads.map(({ worker }) => worker);
  }

  /** Threads that run no task. */
  get idleThreads(): number {
    return this.#core.threads.filter(({ ready, tasks }) => ready && tasks.size === 0).length;
  }

  /** Threads whose task has run past the quantum while others waited, or is blocked in `syncAwait`. */
  get overdueThreads(): number {
    return this.#core.threads.filter(({ overdue, blocked }) => overdue || blocked).length;
  }

  /** The least number of threads. */
  get minThreads(): number {
    return this.#settings.minThreads;
  }

  /** The most threads, overdue and blocked ones apart. */
  get maxThreads(): number {
    return this.#settings.maxThreads;
  }

  /** Tasks that have not begun. */
  get queueSize(): number {
    return this.#core.queued;
  }

  /** Tasks that have ended. */
  get completed(): number {
    return this.#core.completed;
  }

  /** Milliseconds since the pool was made. */
  get duration(): number {
    return performance.now() - this.#started;
  }

  /** Which part of the time that `maxThreads` threads had was spent in tasks. It may be above 1: overdue threads count. */
  get utilization(): number {
    const { count, mean } = this.#core.runTime;
    return count === 0 ? 0 : (mean * count) / 1e6 / (this.duration * this.maxThreads);
  }

  /** Whether as many tasks wait as shall: `maxQueue`, or the square of `maxThreads` without one. `drain` tells when no more. */
  get needsDrain(): boolean {
    return this.#core.needsDrain;
  }

  /** How long tasks ran and waited. */
  get histogram(): PoolHistogram {
    const { runTime, waitTime } = this.#core;
    return {
      runTime: summary(runTime),
      waitTime: summary(waitTime),
      reset() {
        runTime.reset();
        waitTime.reset();
      },
    };
  }

  /** Which function a task wants; `undefined` for the pool's own. */
  #handler(filename: RunOptions["filename"], name: RunOptions["name"]): HandlerName | undefined {
    const settings = this.#settings;
    const href = hrefOf("options.filename", filename) ?? settings.filename;
    if (href === undefined) throw invalidType("options.filename", "of type string", filename);
    const wanted = exportOf("options.name", name) ?? settings.name;
    if (href === settings.filename && wanted === settings.name) return undefined;
    return { href, name: wanted };
  }
}

/**
 * Marks what a task gives as to be moved, not cloned: the pool's program gets the memory itself.
 *
 * @param value - the result.
 * @param transferList - what moves. Default: `value`, or its memory if it is a view.
 * @returns what the task is to return.
 *
 * @example
 * ```ts
 * import { move, Pool } from 'maniac/pool';
 *
 * // In a task file:
 * export default function zeros(length: number) {
 *   return move(new Uint8Array(length));
 * }
 *
 * console.log(typeof zeros(8), Pool.name); // object Pool
 * ```
 */
export function move<V>(value: V, transferList?: readonly Transferable[]): V {
  const list = transferList ?? [ArrayBuffer.isView(value) ? value.buffer : value];
  return new Moved(value, list as object[]) as V;
}

/**
 * Whether this code runs in a thread of a pool.
 *
 * @example
 * ```ts
 * import { isWorkerThread } from 'maniac/pool';
 *
 * console.log(isWorkerThread()); // false
 * ```
 */
export function isWorkerThread(): boolean {
  return inside() !== undefined;
}

/**
 * What the pool was given as `workerData`, in its threads; elsewhere `undefined`.
 *
 * @example
 * ```ts
 * import { workerData } from 'maniac/pool';
 *
 * console.log(workerData()); // undefined
 * ```
 */
export function workerData(): unknown {
  return inside()?.workerData;
}
