/**
 * Who waits for which AbortSignal. Many operations may share one signal; they share one listener on it too, since Node
 * warns of a leak at eleven.
 */

/** Told when its signal is aborted. */
export interface Abortee {
  /** Called once at most, and not after {@link unwatch}. */
  onAbort(signal: AbortSignal): void;
}

class Watch {
  readonly #signal: AbortSignal;
  readonly #waiting = new Set<Abortee>();
  readonly #listener = (): void => {
    watches.delete(this.#signal);
    for (const one of this.#waiting) {
      one.onAbort(this.#signal);
    }
    this.#waiting.clear();
  };

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener("abort", this.#listener, { once: true });
  }

  add(one: Abortee): void {
    this.#waiting.add(one);
  }

  remove(one: Abortee): void {
    if (this.#waiting.delete(one) && this.#waiting.size === 0) {
      watches.delete(this.#signal);
      this.#signal.removeEventListener("abort", this.#listener);
    }
  }
}

const watches = new WeakMap<AbortSignal, Watch>();

/** Tells `one` when `signal` is aborted. */
export function watch(signal: AbortSignal, one: Abortee): void {
  let found = watches.get(signal);
  if (found === undefined) {
    found = new Watch(signal);
    watches.set(signal, found);
  }
  found.add(one);
}

/** Tells `one` no more. */
export function unwatch(signal: AbortSignal, one: Abortee): void {
  watches.get(signal)?.remove(one);
}
