/** One task of a pool, from `run` until its promise is settled; and the line of those that wait. */
import type { Transferable } from "node:worker_threads";
import { type Abortee, unwatch, watch } from "./abort.js";
import { abortError } from "./node-errors.js";
import type { HandlerName } from "./pool-protocol.js";

/** Told when a task's signal is aborted. */
export type OnAbort = (task: Task) => void;

/** See the module's page. */
export class Task implements Abortee {
  readonly value: unknown;
  readonly list: readonly Transferable[] | undefined;
  readonly handler: HandlerName | undefined;
  /** When it was given to the pool, in milliseconds. */
  readonly since = performance.now();
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
    this.list = list;
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

/** Tasks that wait, in order. Those that a thread gave back are before all others. */
export class Line {
  readonly #back = new Set<Task>();
  readonly #again = new Set<Task>();

  get size(): number {
    return this.#back.size + this.#again.size;
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

  /** Takes the first. */
  shift(): Task | undefined {
    const from = this.#again.size > 0 ? this.#again : this.#back;
    for (const task of from) {
      from.delete(task);
      return task;
    }
    return undefined;
  }

  /** Takes one out; false if it does not wait. */
  remove(task: Task): boolean {
    return this.#back.delete(task) || this.#again.delete(task);
  }
}
