/**
 * What a pool and its threads say to each other: the messages of their port, and the words of memory that both see. Nothing
 * here runs but the claim.
 *
 * Tasks of a thread are numbered in the order in which they are sent. {@link HEAD} is the next one that may begin. The thread
 * begins a task by moving it on by one; the pool takes back all that has not begun by moving it past all that was sent. Both
 * do so by compare-and-exchange from the number that they saw, so a task either begins or is taken back, never both.
 */
import type { MessagePort } from "node:worker_threads";
import type { EncodedError } from "./pool-errors.js";

/** The word with the number of the next task that may begin. */
export const HEAD = 0;
/** Words in all. */
export const WORDS = 1;

/** A task on its way to a thread. Short names: one is cloned for each task. */
export interface TaskMessage {
  /** Its number. */
  readonly n: number;
  /** What the handler is called with. */
  readonly v: unknown;
  /** The file and the export, where they are not the pool's own. */
  readonly f?: HandlerName | undefined;
}

/** Where a handler is. */
export interface HandlerName {
  /** A URL. */
  readonly href: string;
  /** The export. */
  readonly name: string;
}

/** What the pool says beside tasks. */
export interface CancelMessage {
  /** The number of a task that has begun and is not wanted any more. */
  readonly cancel: number;
}

/** To a thread. */
export type ToThread = TaskMessage | CancelMessage;

/** A task has ended. */
export interface ResultMessage {
  /** The task's number. */
  readonly n: number;
  /** What it gave. */
  readonly v?: unknown;
  /** What it threw. */
  readonly e?: EncodedError;
  /** How long it ran, in milliseconds. */
  readonly t: number;
}

/** What a thread says beside results. */
export interface StateMessage {
  /** `ready` once; whether a task blocks it in `syncAwait`. */
  readonly state: "ready" | "blocked" | "unblocked";
}

/** To the pool. */
export type FromThread = ResultMessage | StateMessage;

/** What a thread starts with. */
export interface ThreadData {
  readonly port: MessagePort;
  readonly words: Int32Array;
  readonly handler: HandlerName | undefined;
  readonly concurrency: number;
  readonly workerData: unknown;
}

/** Begins task `number`; false if it was taken back. */
export function claim(words: Int32Array, number: number): boolean {
  return Atomics.compareExchange(words, HEAD, number, (number + 1) | 0) === number;
}

/**
 * Takes back all tasks that have not begun.
 *
 * @param next - the number that the next task will have.
 * @returns the number of the first that was taken back; `next` if there is none.
 */
export function recall(words: Int32Array, next: number): number {
  for (;;) {
    const head = Atomics.load(words, HEAD);
    if (head === next || Atomics.compareExchange(words, HEAD, head, next) === head) return head;
  }
}
