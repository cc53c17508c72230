/**
 * This environment's timers: who waits for which number. The native side has the deadlines, in one wheel, and calls back
 * with the numbers of timers that have fired; it knows nothing of promises.
 *
 * A number belongs to its timer from {@link Timers.add} until it fires or is removed, and is then used again.
 */
import { type Abortee, unwatch, watch } from "./abort.js";
import { loadBinding } from "./binding.js";
import { abortError } from "./node-errors.js";

/** Timers in one call of the native side's; the array is as long. */
const BATCH = 4096;
/** Longest time that Node's timers know. */
const LONGEST_MS = 2 ** 31 - 1;

/** The native side. */
interface NativeTimers {
  /** Sets a timer; `keeps` is 1 if it keeps the process alive, else 0. */
  add(number: number, milliseconds: number, keeps: number): void;
  /** Takes a timer back that has not fired. */
  remove(number: number): void;
}

interface TimersBinding {
  openTimers(fired: Uint32Array, onFired: (count: number) => void): NativeTimers;
}

/** What waits for a time. */
export interface Timer {
  /** Its number while it is set, else -1. */
  number: number;
  /** The time has come. */
  fire(): void;
}

/** One environment's timers. */
class Timers {
  readonly #native: NativeTimers;
  readonly #fired = new Uint32Array(BATCH);
  readonly #table: (Timer | undefined)[] = [];
  readonly #free: number[] = [];

  constructor() {
    const binding = loadBinding() as unknown as TimersBinding;
    this.#native = binding.openTimers(this.#fired, (count) => this.#expire(count));
  }

  add(timer: Timer, milliseconds: number, keeps: boolean): void {
    const number = this.#free.pop() ?? this.#table.length;
    this.#table[number] = timer;
    timer.number = number;
    this.#native.add(number, milliseconds, keeps ? 1 : 0);
  }

  remove(timer: Timer): void {
    if (timer.number >= 0) {
      this.#native.remove(timer.number);
      this.#release(timer.number);
    }
  }

  #release(number: number): Timer {
    const timer = this.#table[number] as Timer;
    this.#table[number] = undefined;
    this.#free.push(number);
    timer.number = -1;
    return timer;
  }

  /** All numbers are free before the first timer fires: what fires may set, and remove, others of this batch. */
  #expire(count: number): void {
    const due: Timer[] = [];
    for (let at = 0; at < count; at++) {
      due.push(this.#release(this.#fired[at] as number));
    }
    for (const timer of due) {
      timer.fire();
    }
  }
}

let timers: Timers | undefined;

/** This environment's timers, opened when first wanted. */
function own(): Timers {
  timers ??= new Timers();
  return timers;
}

/** The delay that Node makes of a number: whole milliseconds, at least one. */
function delayOf(delay: number | undefined): number {
  const wanted = Number(delay);
  if (wanted >= 1 && wanted <= LONGEST_MS) {
    return Math.trunc(wanted);
  }
  if (wanted > LONGEST_MS) {
    const text = `${wanted} does not fit into a 32-bit signed integer.\nTimeout duration was set to 1.`;
    process.emitWarning(text, "TimeoutOverflowWarning");
  }
  return 1;
}

class Sleep implements Timer, Abortee {
  number = -1;
  resolve: ((value: unknown) => void) | undefined;
  /** Only of a timer with a signal. */
  reject: ((reason: unknown) => void) | undefined;
  readonly #value: unknown;
  #signal: AbortSignal | undefined;

  constructor(value: unknown, signal: AbortSignal | undefined) {
    this.#value = value;
    this.#signal = signal;
  }

  /** Listens to its signal, if it has one. */
  listen(): void {
    if (this.#signal !== undefined) {
      watch(this.#signal, this);
    }
  }

  fire(): void {
    if (this.#signal !== undefined) {
      unwatch(this.#signal, this);
      this.#signal = undefined;
    }
    this.resolve?.(this.#value);
  }

  onAbort(signal: AbortSignal): void {
    own().remove(this);
    this.reject?.(abortError(signal));
  }
}

// One executor for all promises: two closures for each would be most of what a timer costs.
let starting: Sleep | undefined;
const executor = (resolve: (value: unknown) => void): void => {
  (starting as Sleep).resolve = resolve;
};
const abortable = (resolve: (value: unknown) => void, reject: (reason: unknown) => void): void => {
  (starting as Sleep).resolve = resolve;
  (starting as Sleep).reject = reject;
};

/** Waits; arguments have been checked, the signal is not aborted. */
export function sleep<T>(
  delay: number | undefined,
  value: T,
  signal: AbortSignal | undefined,
  keeps: boolean,
): Promise<T> {
  const timer = new Sleep(value, signal);
  const milliseconds = delayOf(delay);
  starting = timer;
  const promise = new Promise(signal === undefined ? executor : abortable) as Promise<T>;
  starting = undefined;
  own().add(timer, milliseconds, keeps);
  timer.listen();
  return promise;
}

class Repeat implements Timer, Abortee {
  number = -1;
  /** Times that have come and were not asked for yet. */
  due = 0;
  readonly #milliseconds: number;
  readonly #keeps: boolean;
  #resolve: (() => void) | undefined;
  #ended = false;

  constructor(milliseconds: number, keeps: boolean) {
    this.#milliseconds = milliseconds;
    this.#keeps = keeps;
    own().add(this, milliseconds, keeps);
  }

  /** Waits until a time has come, or the interval was aborted. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  fire(): void {
    this.due++;
    this.#wake();
    if (!this.#ended) {
      own().add(this, this.#milliseconds, this.#keeps);
    }
  }

  end(): void {
    this.#ended = true;
    own().remove(this);
  }

  onAbort(): void {
    this.end();
    this.#wake();
  }

  #wake(): void {
    this.#resolve?.();
    this.#resolve = undefined;
  }
}

/** Gives `value` each time the interval has passed; arguments have been checked. */
export async function* repeat<T>(
  delay: number | undefined,
  value: T,
  signal: AbortSignal | undefined,
  keeps: boolean,
): AsyncGenerator<T, void, unknown> {
  if (signal?.aborted) {
    throw abortError(signal);
  }
  const timer = new Repeat(delayOf(delay), keeps);
  try {
    if (signal !== undefined) {
      watch(signal, timer);
    }
    while (signal?.aborted !== true) {
      if (timer.due === 0) {
        await timer.next();
      }
      for (; timer.due > 0; timer.due--) {
        yield value;
      }
    }
    throw abortError(signal);
  } finally {
    timer.end();
    if (signal !== undefined) {
      unwatch(signal, timer);
    }
  }
}
