/**
 * `syncAwait`'s turn: drives the operations of one call, and the engine, while the Worker stands still. Which functions there are to
 * call is known to `sync-operations.ts`.
 */
import { isMainThread } from "node:worker_threads";
import { ManiacError } from "../errors.js";
import { type Abortee, unwatch, watch } from "./abort.js";
import { engine } from "./engine.js";
import { abortError } from "./node-errors.js";
import { inside } from "./pool-inside.js";
import type { Request } from "./request.js";
import { type Outcome, Realm } from "./sync-realm.js";
import type { Until } from "./sync-registry.js";

/** Looks at the engine without sleeping, at first: what the page cache has is there at once. */
const LOOKS = 4;
/** The shortest and the longest sleep between two looks at the engine, in milliseconds. */
const SHORT_MS = 0.05;
const LONG_MS = 1;
/** The longest sleep where only a timer is waited for, since the pool may cancel the task. */
const SLICE_MS = 20;

/** A wait for a time. */
interface Alarm extends Abortee {
  readonly at: number;
  ring(): void;
}

const sleeper = new Int32Array(new SharedArrayBuffer(4));

/** What a call may take before its operation. */
export interface Limits {
  readonly timeout: number | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Refuses to block the main thread. */
export function refuseMainThread(call: string): void {
  if (!isMainThread) return;
  throw new ManiacError(
    "ERR_MANIAC_SYNC_AWAIT_MAIN_THREAD",
    `${call} blocks its thread, which the main thread must not: call it in a Worker, or await the operation`,
  );
}

/** The error of a call whose time is over. */
export function timedOut({ timeout }: Limits): ManiacError {
  return new ManiacError("ERR_MANIAC_TIMEOUT", `syncAwait waited ${timeout} ms`);
}

/** What is waited for in the call that blocks. */
class Wait {
  readonly requests = new Set<Request>();
  readonly alarms = new Set<Alarm>();
  readonly #deadline: number;
  readonly #limits: Limits;
  #controller: AbortController | undefined;
  #looks = 0;
  #blocked = false;

  constructor(limits: Limits) {
    this.#limits = limits;
    this.#deadline = performance.now() + (limits.timeout ?? Number.POSITIVE_INFINITY);
  }

  /** Ends the operations once time is over or nobody wants them. */
  #check(): void {
    if (this.#controller !== undefined) return;
    const thread = inside();
    thread?.look();
    const task = thread?.signal();
    const { signal } = this.#limits;
    const aborted = [signal, task].find((one) => one?.aborted);
    if (aborted === undefined && performance.now() < this.#deadline) return;
    this.#controller = new AbortController();
    this.#controller.abort(aborted === undefined ? timedOut(this.#limits) : aborted.reason);
    for (const request of this.requests) engine().abort(request, this.#controller.signal);
    for (const alarm of this.alarms) alarm.onAbort(this.#controller.signal);
  }

  /** Lets time pass until something may have come of it; `ended` tells that it has where that is no operation of the engine's. */
  pass(ended?: () => boolean): void {
    const { counters } = engine();
    const before = counters.completed;
    engine().turn();
    const now = performance.now();
    let next = this.#deadline;
    for (const alarm of this.alarms) {
      if (alarm.at <= now) alarm.ring();
      else next = Math.min(next, alarm.at);
    }
    this.#check();
    if (counters.completed !== before || ended?.() === true || this.#looks++ < LOOKS) return;
    if (!this.#blocked) {
      this.#blocked = true;
      inside()?.blocked(true);
    }
    const looked = this.requests.size > 0 || ended !== undefined;
    const most = looked ? Math.min(LONG_MS, SHORT_MS * 2 ** (this.#looks - LOOKS)) : SLICE_MS;
    Atomics.wait(sleeper, 0, 0, Math.max(0, Math.min(most, next - now)));
  }

  /** Whether anything is under way that may end. */
  get pending(): boolean {
    return this.requests.size > 0 || this.alarms.size > 0;
  }

  /** The error to throw for one of the operation's: whoever ended it knows why. */
  error(thrown: unknown): unknown {
    return (thrown as { code?: unknown } | null)?.code === "ABORT_ERR"
      ? (this.abandoned() ?? thrown)
      : thrown;
  }

  /** Why the call is to end; `undefined` while it is not. */
  abandoned(): unknown {
    const signal = this.#controller?.signal;
    if (signal === undefined) return undefined;
    const { reason } = signal;
    return reason instanceof ManiacError && reason.code === "ERR_MANIAC_TIMEOUT"
      ? reason
      : abortError(signal);
  }

  end(): void {
    if (this.#blocked) inside()?.blocked(false);
  }
}

/** The call that blocks now. */
let current: Wait | undefined;
let realm: Realm | undefined;

/** In the place of `run.js`: promises of the realm's, and no microtask of the program's. */
function runner(Own: PromiseConstructor): object {
  // What is left to be done after a call: a file is closed that was opened too late.
  const afterwards = new Wait({ timeout: undefined, signal: undefined });
  const run = (request: Request, signal?: AbortSignal): Promise<unknown> => {
    const wait = current ?? afterwards;
    request.synchronous = true;
    const listener: Abortee = { onAbort: (from) => engine().abort(request, from) };
    return new Own((resolve, reject) => {
      const done = (): void => {
        wait.requests.delete(request);
        if (signal !== undefined) unwatch(signal, listener);
      };
      request.resolve = (value) => {
        done();
        resolve(value);
      };
      request.reject = (reason) => {
        done();
        reject(reason);
      };
      wait.requests.add(request);
      engine().submit(request);
      if (signal !== undefined && !request.settled) watch(signal, listener);
    });
  };
  return {
    run: (request: Request) => run(request),
    runWith(request: Request, signal: AbortSignal | undefined) {
      if (!signal?.aborted) return run(request, signal);
      request.release();
      return Own.reject(abortError(signal));
    },
  };
}

/** In the place of timers: alarms of the call that blocks. */
function sleeping(
  Own: PromiseConstructor,
): (delay?: number, value?: unknown, signal?: AbortSignal) => Promise<unknown> {
  return (delay = 1, value, signal) => {
    const wait = current as Wait;
    return new Own((resolve, reject) => {
      const done = (): void => {
        wait.alarms.delete(alarm);
        if (signal !== undefined) unwatch(signal, alarm);
      };
      const alarm: Alarm = {
        at: performance.now() + (delay >= 1 && delay <= 2 ** 31 - 1 ? Math.trunc(delay) : 1),
        ring() {
          done();
          resolve(value);
        },
        onAbort(from) {
          done();
          reject(abortError(from));
        },
      };
      wait.alarms.add(alarm);
      if (signal !== undefined) watch(signal, alarm);
    });
  };
}

function own(): Realm {
  realm ??= new Realm((Own) => {
    const sleep = sleeping(Own);
    type Options = { readonly signal?: AbortSignal } | undefined;
    return {
      "internal/run.js": runner(Own),
      "internal/timers.js": { sleep },
      "node:timers/promises": {
        setTimeout: (delay?: number, value?: unknown, options?: Options) =>
          sleep(delay, value, options?.signal),
        // No turn of the event loop is waited for: it stands still.
        setImmediate: (value?: unknown) => Own.resolve(value),
      },
    };
  });
  return realm;
}

function begin(limits: Limits): Wait {
  if (current !== undefined) {
    throw new ManiacError("ERR_MANIAC_BUSY", "syncAwait cannot be called while it waits in this thread");
  }
  current = new Wait(limits);
  engine().standing = true;
  return current;
}

function end(wait: Wait): void {
  current = undefined;
  engine().standing = false;
  wait.end();
}

/** Runs what goes on by itself, and lets time pass as it asks. */
export function drive(limits: Limits, work: (until: Until) => unknown): unknown {
  const wait = begin(limits);
  const until: Until = (ended, most = Number.POSITIVE_INFINITY) => {
    const last = performance.now() + most;
    while (!ended()) {
      if (performance.now() >= last) return false;
      wait.pass(ended);
      const why = wait.abandoned();
      if (why !== undefined && !ended()) throw why;
    }
    return true;
  };
  try {
    return work(until);
  } finally {
    end(wait);
  }
}

/**
 * Calls a function of the realm's and waits for its promise.
 *
 * @param call - calls the function, of the realm's modules.
 */
export function block(
  limits: Limits,
  call: (load: (place: string) => Record<string, unknown>) => unknown,
): unknown {
  const wait = begin(limits);
  try {
    const realm = own();
    const promise = call((place) => realm.load(place));
    if (!(promise instanceof realm.Promise)) {
      throw new ManiacError(
        "ERR_MANIAC_UNSUPPORTED",
        "The operation gives no promise that could be waited for",
      );
    }
    const outcome: Outcome = realm.watch(promise);
    for (;;) {
      realm.turn();
      if (outcome.state === "fulfilled") return realm.result(outcome.value);
      if (outcome.state === "rejected") throw wait.error(outcome.value);
      if (!wait.pending) {
        const message =
          "The operation waits for something that cannot come while this thread is blocked: await it";
        throw new ManiacError("ERR_MANIAC_UNSUPPORTED", message);
      }
      wait.pass();
    }
  } finally {
    end(wait);
  }
}
