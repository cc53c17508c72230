/**
 * Operations of modules that `syncAwait` does not load itself. Such a module tells here, when it is loaded, what each of its operations
 * does in a call that blocks: without promises and ticks, which stand still meanwhile.
 */

/**
 * Lets time pass until `ended` says so, or for `most` milliseconds; tells which by true and false. Throws when the call's time is
 * over or nobody wants it any more.
 */
export type Until = (ended: () => boolean, most?: number) => boolean;

/** Runs an operation to its end; `on` is whose method it is. Gives its result, or throws. */
export type Blocking = (until: Until, on: unknown, args: readonly unknown[]) => unknown;

const known = new Map<unknown, Blocking>();

/** Tells what `operation` does in a call that blocks. */
export function register(operation: unknown, blocking: Blocking): void {
  known.set(operation, blocking);
}

/** What was told of `operation`. */
export function blockingOf(operation: unknown): Blocking | undefined {
  return known.get(operation);
}
