/**
 * `_handle`: what Node's sockets and servers show of their insides, for programs that reach in (`unref`, the queue's size,
 * options set on the quick). Made when somebody looks; from then on its socket sets options through it, as Node's does.
 */
import type { Handle } from "./net-link.js";
import { OPTION_KEEP_ALIVE, OPTION_NO_DELAY } from "./ops.js";

/** The handle behind a view. */
export let handleOf: (view: HandleView) => Handle | null;

/**
 * A socket's native side, in the shape of Node's.
 *
 * @example
 * ```ts
 * import { createServer } from "maniac/net";
 *
 * const server = createServer().listen(0, () => {
 *   server._handle?.unref();
 *   server.close();
 * });
 * ```
 */
export class HandleView {
  readonly #handle: () => Handle | null;

  static {
    handleOf = (view) => view.#handle();
  }

  constructor(handle: () => Handle | null) {
    this.#handle = handle;
  }

  /** Whether small writes go out at once. */
  setNoDelay(on: boolean): void {
    this.#handle()?.option(OPTION_NO_DELAY, on ? 1 : 0);
  }

  /** Whether an idle connection is probed, first after so many seconds. */
  setKeepAlive(on: boolean, seconds: number): void {
    this.#handle()?.option(OPTION_KEEP_ALIVE, on ? 1 : 0, seconds);
  }

  /** Begins to receive. */
  readStart(): void {
    this.#handle()?.readStart();
  }

  /** Receives no more. */
  readStop(): void {
    this.#handle()?.readStop();
  }

  /** Closes it behind the socket's back. */
  close(callback?: () => void): void {
    this.#handle()?.close(callback);
  }

  /** Keeps the process alive. */
  ref(): void {
    this.#handle()?.ref(true);
  }

  /** Lets the process end. */
  unref(): void {
    this.#handle()?.ref(false);
  }

  /** Bytes that the kernel has not taken yet. */
  get writeQueueSize(): number {
    return this.#handle()?.queued ?? 0;
  }
}
