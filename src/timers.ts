/**
 * `maniac/timers`: timers by the million, with the functions of `node:timers/promises`.
 *
 * Replace `node:timers/promises` by `maniac/timers`: names, argument forms, results and errors are the same. All timers of
 * an environment lie in one wheel beside JavaScript, so that setting, removing and firing one costs the same however many
 * there are. A timer never fires early, not by a fraction of a millisecond.
 *
 * @module
 */
import { setImmediate as nodeSetImmediate } from "node:timers/promises";
import { abortError, invalidType, plainError } from "./internal/node-errors.js";
import { repeat, sleep } from "./internal/timers.js";
import { validBoolean, validObject, validSignal } from "./internal/validate.js";

/** What every function of this module takes. */
export interface TimerOptions {
  /** Ends the wait with an `AbortError`. */
  signal?: AbortSignal | undefined;
  /** Whether the timer keeps the process alive. Default: true. */
  ref?: boolean | undefined;
}

/** Options, checked. */
interface Checked {
  readonly signal: AbortSignal | undefined;
  readonly ref: boolean;
}

function checked(delay: unknown, options: unknown): Checked {
  if (delay !== undefined && typeof delay !== "number") {
    throw invalidType("delay", "of type number", delay);
  }
  const { signal, ref } = validObject(options, "options") as TimerOptions;
  return {
    signal: validSignal(signal, "options.signal"),
    ref: ref === undefined ? true : validBoolean(ref, "options.ref"),
  };
}

/**
 * Waits for a time, as `setTimeout` of `node:timers/promises`.
 *
 * @param delay - milliseconds; what is below 1, or above 2,147,483,647, counts as 1. Default: 1.
 * @param value - what the promise gives.
 * @param options - `signal` ends the wait, `ref: false` lets the process exit meanwhile.
 * @returns a promise of `value`, which rejects with an `AbortError` when the signal is aborted.
 *
 * @example
 * ```ts
 * import { setTimeout } from 'maniac/timers';
 *
 * console.log(await setTimeout(20, 'done')); // done
 *
 * const controller = new AbortController();
 * const wait = setTimeout(60_000, undefined, { signal: controller.signal });
 * controller.abort();
 * await wait.catch((error) => console.log(error.name)); // AbortError
 * ```
 */
export function setTimeout<T = void>(delay?: number, value?: T, options: TimerOptions = {}): Promise<T> {
  try {
    const { signal, ref } = checked(delay, options);
    return signal?.aborted ? Promise.reject(abortError(signal)) : sleep(delay, value as T, signal, ref);
  } catch (error) {
    return Promise.reject(error);
  }
}

/**
 * Gives a value each time an interval has passed, as `setInterval` of `node:timers/promises`. Leaving the loop ends it.
 *
 * @param delay - milliseconds from one value to the next; see {@link setTimeout}.
 * @param value - what the iterator gives.
 * @param options - `signal` ends it with an `AbortError`, `ref: false` lets the process exit meanwhile.
 *
 * @example
 * ```ts
 * import { setInterval } from 'maniac/timers';
 *
 * let ticks = 0;
 * for await (const tick of setInterval(5, 'tick')) {
 *   console.log(tick);
 *   if (++ticks === 3) break;
 * }
 * ```
 */
export async function* setInterval<T = void>(
  delay?: number,
  value?: T,
  options: TimerOptions = {},
): AsyncGenerator<T, void, unknown> {
  const { signal, ref } = checked(delay, options);
  yield* repeat(delay, value as T, signal, ref);
}

/**
 * Waits until the event loop has turned: Node's own function, since the turn is Node's.
 *
 * @param value - what the promise gives.
 * @param options - `signal` ends the wait, `ref: false` lets the process exit meanwhile.
 * @returns a promise of `value`.
 *
 * @example
 * ```ts
 * import { setImmediate } from 'maniac/timers';
 *
 * console.log(await setImmediate('after the turn'));
 * ```
 */
export function setImmediate<T = void>(value?: T, options: TimerOptions = {}): Promise<T> {
  return nodeSetImmediate(value as T, options as { signal?: AbortSignal; ref?: boolean });
}

/** What only this module may pass to the constructor. */
const KEY: unique symbol = Symbol("Scheduler");
let isScheduler: (value: object) => boolean;

function requireScheduler(value: unknown): void {
  if (typeof value !== "object" || value === null || !isScheduler(value)) {
    throw plainError(TypeError, "ERR_INVALID_THIS", 'Value of "this" must be of type Scheduler');
  }
}

/**
 * The class of {@link scheduler}. It cannot be made by programs.
 *
 * @example
 * ```ts
 * import { Scheduler, scheduler } from "maniac/timers";
 *
 * console.log(scheduler instanceof Scheduler); // true
 * await scheduler.wait(10);
 * ```
 */
export class Scheduler {
  readonly #own = true;

  static {
    isScheduler = (value) => #own in value;
  }

  /** @internal */
  constructor(key: symbol) {
    if (key !== KEY) {
      throw plainError(TypeError, "ERR_ILLEGAL_CONSTRUCTOR", "Illegal constructor");
    }
  }

  /**
   * Lets the event loop turn, as {@link setImmediate}.
   *
   * @returns a promise that resolves after the turn.
   */
  yield(): Promise<void> {
    requireScheduler(this);
    return nodeSetImmediate();
  }

  /**
   * Waits for a time, as {@link setTimeout}.
   *
   * @param delay - milliseconds.
   * @param options - `signal` ends the wait, `ref: false` lets the process exit meanwhile.
   * @returns a promise that resolves when the time has passed.
   */
  wait(delay?: number, options?: TimerOptions): Promise<void> {
    requireScheduler(this);
    return setTimeout(delay, undefined, options);
  }
}

/**
 * The scheduler of `node:timers/promises`.
 *
 * @example
 * ```ts
 * import { scheduler } from 'maniac/timers';
 *
 * await scheduler.wait(10);
 * await scheduler.yield();
 * ```
 */
export const scheduler: Scheduler = new Scheduler(KEY);

/** The module's functions in one object, as in Node. */
const module_: {
  /** The same as {@link setTimeout}. */
  readonly setTimeout: typeof setTimeout;
  /** The same as {@link setInterval}. */
  readonly setInterval: typeof setInterval;
  /** The same as {@link setImmediate}. */
  readonly setImmediate: typeof setImmediate;
  /** The same as {@link scheduler}. */
  readonly scheduler: Scheduler;
} = { setTimeout, setInterval, setImmediate, scheduler };

export default module_;
