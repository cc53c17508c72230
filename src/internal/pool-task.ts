/**
 * One task of a pool, from `run` until its promise is settled; and the line of those that wait.
 *
 * What is given in one go to one function is likely of one kind. So once a task of such a burst is overdue, those of it that have not
 * begun step back behind all others.
 */
import type { Transferable } from "node:worker_threads";
import { type Abortee, unwatch, watch } from "./abort.js";
import { abortError } from "./node-errors.js";
import type { HandlerName } from "./pool-protocol.js";

/** Told when a task's signal is aborted. */
export type OnAbort = (task: Task) => void;

/** Tasks of one function that were given in the same turn. */
export interface Burst {
  /** One of them has run past the quantum while others waited. */
  overdue: boolean;
}

/** See the module's page. */
export class Task implements Abortee {
  readonly value: unknown;
  /** What moves to the thread; never empty. What has moved cannot be sent again, so such a task stays where it was sent. */
  readonly list: readonly Transferable[] | undefined;
  readonly handler: HandlerName | undefined;
  /** When it was given to the pool, in milliseconds. */
  readonly since = performance.now();
  /** Those it was given with. Set by the pool. */
  burst!: Burst;
  /** When it stepped back first, in milliseconds. Set by the line. */
  steppedBack: number | undefined;
  /** Its number at the thread that it was sent to. */
  number = -1;
  /** Its promise is settled; a thread may still run it. */
  settled = false;
  resolve!: (value: unknown) => void;
  reject!: (reason: unknown) => void;
  #signal: AbortSignal | undefined;
  #onAbort: OnAbort | undefined;

  constructor(value: unknown, list: readonly Transferable[] | undefined, handler: HandlerName | undefined) {
    this.value = value;
    this.list = list?.length === 0 ? undefined : list;
    this.handler = handler;
  }

  /** Calls `onAbort` when `signal` is aborted before the task has ended; its promise is rejected by then. */
  listen(signal: AbortSignal, onAbort: OnAbort): void {
    this.#signal = signal;
    this.#onAbort = onAbort;
    watch(signal, this);
  }

  onAbort(signal: AbortSignal): void {
    const onAbort = this.#onAbort;
    this.fail(abortError(signal));
    onAbort?.(this);
  }

  succeed(value: unknown): void {
    if (this.#settle()) this.resolve(value);
  }

  fail(reason: unknown): void {
    if (this.#settle()) this.reject(reason);
  }

  #settle(): boolean {
    if (this.settled) return false;
    this.settled = true;
    if (this.#signal !== undefined) {
      unwatch(this.#signal, this);
      this.#signal = undefined;
      this.#onAbort = undefined;
    }
    return true;
  }
}

function head(tasks: ReadonlySet<Task>): Task | undefined {
  for (const task of tasks) return task;
  return undefined;
}

/** Tasks that wait, in order. Those that a thread gave back are before all others; those that stepped back, behind. */
export class Line {
  readonly #back = new Set<Task>();
  readonly #again = new Set<Task>();
  readonly #behind = new Set<Task>();
  readonly #order = [this.#again, this.#back];
  readonly #patience: number;
  /** Whether what {@link first} gave last has stepped back, and can wait for a better moment. */
  patient = false;

  /** @param patience - milliseconds after which a task that stepped back is before all others. */
  constructor(patience: number) {
    this.#patience = patience;
  }

  get size(): number {
    return this.#back.size + this.#again.size + this.#behind.size;
  }

  push(task: Task): void {
    this.#back.add(task);
  }

  /** Puts tasks back that were sent and have not begun; what nobody wants any more is dropped. */
  giveBack(tasks: readonly Task[]): void {
    for (const task of tasks) {
      if (!task.settled) this.#again.add(task);
    }
  }

  /** The task whose turn it is; it stays. */
  first(): Task | undefined {
    this.patient = false;
    const oldest = head(this.#behind);
    if (oldest !== undefined && this.#isOver(oldest)) return oldest;
    for (const from of this.#order) {
      for (const task of from) {
        if (!task.burst.overdue || this.#isOver(task)) return task;
        from.delete(task);
        task.steppedBack ??= performance.now();
        this.#behind.add(task);
      }
    }
    this.patient = true;
    return head(this.#behind);
  }

  /** Takes one out; false if it does not wait. */
  remove(task: Task): boolean {
    return this.#behind.delete(task) || this.#back.delete(task) || this.#again.delete(task);
  }

  /** Whether `task` has been behind for long enough. */
  #isOver({ steppedBack }: Task): boolean {
    return steppedBack !== undefined && performance.now() - steppedBack >= this.#patience;
  }

  /** Takes all out. */
  clear(): Task[] {
    const all = [...this.#again, ...this.#back, ...this.#behind];
    for (const tasks of [this.#again, this.#back, this.#behind]) tasks.clear();
    return all;
  }
}
