/**
 * This environment's jobs, JavaScript's side: who waits for which number. The native side has copies of all inputs before a call
 * returns, does the work on threads of its own, and says which jobs have ended. What a job means is known to the other `jobs-` files.
 */
import { ManiacError } from "../errors.js";
import { type Abortee, unwatch, watch } from "./abort.js";
import { loadBinding } from "./binding.js";
import { abortError } from "./node-errors.js";

/** Words that describe a job; `WORDS` of the native side. */
const WORDS = 16;
/** The word that says how many of the inputs belong to all others. */
const W_SHARED = 15;
const STARTED = 0;
/** Numbers travel as unsigned words. */
const NUMBERS = 2 ** 32;

/** Kinds of jobs: the first word. */
export const HASH = 0;
export const HASH_FILE = 1;
export const CODE = 2;
export const DERIVE = 3;

/** Why there is no result. */
export const FAULT_CORRUPT = 2;
export const FAULT_TRUNCATED = 3;
export const FAULT_TOO_LONG = 4;
export const FAULT_WINDOW = 5;
const FAULT_MEMORY = 6;
export const FAULT_OPEN = 7;
export const FAULT_READ = 8;

interface NativeJobs {
  run(id: number, inputs: readonly Uint8Array[]): number;
  open(stream: number): number;
  step(id: number, stream: number, last: number, inputs: readonly Uint8Array[]): number;
  close(stream: number): void;
  cancel(id: number): void;
  take(): [id: number, fault: number, detail: number, index: number, more: number, ...ArrayBuffer[]];
}

interface JobsBinding {
  openJobs(words: Uint32Array, onEnded: (count: number) => void): NativeJobs;
}

/** What a job gives. */
export interface Ended {
  readonly buffers: readonly ArrayBuffer[];
  /** A stream has more to give before it takes anything. */
  readonly more: boolean;
}

/** How a job failed. */
export interface Fault {
  readonly fault: number;
  /** Of a system call, its number. */
  readonly detail: number;
  /** Which input it was. */
  readonly index: number;
}

/** Makes the error that a caller sees; `undefined` leaves it to this file. */
export type Explain = (fault: Fault) => Error | undefined;

class Job implements Abortee {
  readonly #id: number;
  readonly #explain: Explain;
  #resolve: ((ended: Ended) => void) | undefined;
  #reject: ((error: unknown) => void) | undefined;
  #signal: AbortSignal | undefined;
  readonly promise: Promise<Ended>;

  constructor(id: number, explain: Explain, signal: AbortSignal | undefined) {
    this.#id = id;
    this.#explain = explain;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    if (signal !== undefined) {
      this.#signal = signal;
      watch(signal, this);
    }
  }

  end(fault: Fault, ended: Ended): void {
    if (this.#signal !== undefined) unwatch(this.#signal, this);
    if (fault.fault === 0) {
      this.#resolve?.(ended);
    } else {
      this.#reject?.(this.#explain(fault) ?? failure(fault));
    }
  }

  /** The caller hears of it now; the work ends at its next chunk. */
  onAbort(signal: AbortSignal): void {
    this.#signal = undefined;
    own().native.cancel(this.#id);
    this.#reject?.(abortError(signal));
  }
}

function failure({ fault }: Fault): Error {
  return fault === FAULT_MEMORY
    ? new ManiacError("ERR_MANIAC_MEMORY", "The system has not the memory that this job needs.")
    : new ManiacError(
        "ERR_MANIAC_UNSUPPORTED",
        `The job could not be done (${fault}): no thread was to be had.`,
      );
}

class Jobs {
  readonly words = new Uint32Array(WORDS);
  readonly native: NativeJobs;
  readonly #table = new Map<number, Job>();
  #last = 0;

  constructor() {
    const binding = loadBinding() as unknown as JobsBinding;
    this.native = binding.openJobs(this.words, (count) => this.#settle(count));
  }

  /** A number that `used` does not have. */
  number(used: (number: number) => boolean): number {
    do {
      this.#last = (this.#last + 1) % NUMBERS;
    } while (used(this.#last));
    return this.#last;
  }

  start(begin: (id: number) => number, explain: Explain, signal: AbortSignal | undefined): Promise<Ended> {
    if (signal?.aborted) return Promise.reject(abortError(signal));
    const id = this.number((number) => this.#table.has(number));
    if (begin(id) !== STARTED) return Promise.reject(failure({ fault: FAULT_MEMORY, detail: 0, index: 0 }));
    const job = new Job(id, explain, signal);
    this.#table.set(id, job);
    return job.promise;
  }

  #settle(count: number): void {
    for (let at = 0; at < count; at++) {
      const [id, fault, detail, index, more, ...buffers] = this.native.take();
      const job = this.#table.get(id >>> 0);
      this.#table.delete(id >>> 0);
      job?.end({ fault, detail, index }, { buffers, more: more !== 0 });
    }
  }
}

let jobs: Jobs | undefined;

function own(): Jobs {
  jobs ??= new Jobs();
  return jobs;
}

function describe(target: Jobs, words: readonly number[], shared: number): void {
  target.words.fill(0);
  target.words.set(words);
  target.words[W_SHARED] = shared;
}

/**
 * Does the same with each of `inputs`, which are copied before this returns.
 *
 * @param shared - what belongs to all of them.
 */
export function run(
  words: readonly number[],
  inputs: readonly Uint8Array[],
  explain: Explain,
  signal: AbortSignal | undefined,
  shared: readonly Uint8Array[] = [],
): Promise<Ended> {
  const target = own();
  const begin = (id: number): number => {
    describe(target, words, shared.length);
    return target.native.run(id, [...shared, ...inputs]);
  };
  return target.start(begin, explain, signal);
}

const forgotten = new FinalizationRegistry((stream: number) => close(stream));
const open = new Set<number>();

function close(stream: number): void {
  if (open.delete(stream)) own().native.close(stream);
}

/** A job in steps. Each step must have ended before the next. */
export class JobStream {
  readonly #number: number;
  readonly #explain: Explain;
  readonly #stop = new AbortController();

  constructor(words: readonly number[], explain: Explain) {
    const target = own();
    this.#number = target.number((number) => open.has(number));
    this.#explain = explain;
    describe(target, words, 0);
    if (target.native.open(this.#number) !== STARTED) {
      throw failure({ fault: FAULT_MEMORY, detail: 0, index: 0 });
    }
    open.add(this.#number);
    forgotten.register(this, this.#number, this);
  }

  /** Takes `inputs`, one behind the other; the last step ends it. */
  step(inputs: readonly Uint8Array[], last: boolean): Promise<Ended> {
    const begin = (id: number): number => own().native.step(id, this.#number, last ? 1 : 0, inputs);
    return own().start(begin, this.#explain, this.#stop.signal);
  }

  /** Frees what it has; a step under way ends at its next chunk. */
  close(): void {
    this.#stop.abort();
    forgotten.unregister(this);
    close(this.#number);
  }
}
