/**
 * What code inside a pool's thread may ask for, and what `syncAwait` tells the pool. Filled in by `pool-worker.ts` when a thread
 * of a pool starts; elsewhere there is nothing.
 */

/** A thread of a pool, seen from inside. */
export interface Inside {
  /** What the pool was given as `workerData`. */
  readonly workerData: unknown;
  /** Tells the pool whether a task blocks this thread. */
  blocked(is: boolean): void;
  /** Takes what the pool has sent meanwhile, cancellations above all. */
  look(): void;
  /** The signal of the task that runs now; `undefined` outside a task. */
  signal(): AbortSignal | undefined;
}

let current: Inside | undefined;

/** This thread of a pool; `undefined` if it is none. */
export function inside(): Inside | undefined {
  return current;
}

/** Called once, by a thread of a pool. */
export function enter(thread: Inside): void {
  current = thread;
}

/** Marks a result whose parts move to the other thread. */
export class Moved {
  readonly value: unknown;
  readonly list: readonly object[];

  constructor(value: unknown, list: readonly object[]) {
    this.value = value;
    this.list = list;
  }
}
