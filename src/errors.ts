/**
 * The package's own errors. Errors that a program knows from Node (operating-system errors,
 * `ERR_INVALID_ARG_TYPE` and its like, `AbortError`) keep Node's shape and are made in `internal/`.
 */

/**
 * The stable codes of {@link ManiacError}. A code, once published, keeps its meaning.
 *
 * | code | meaning | what to do |
 * |---|---|---|
 * | `ERR_MANIAC_BINDING_MISSING` | the native addon could not be loaded | install for this platform, or build it |
 * | `ERR_MANIAC_BUSY` | a synchronous call found no room among the operations in flight | use the asynchronous call |
 * | `ERR_MANIAC_CHANNEL_CLOSED` | the other end of a channel is gone, or this one is closed or moved | nothing more comes, or goes |
 * | `ERR_MANIAC_CHANNEL_HANDLE` | a handle of a channel's end names nothing | open each handle once, while its maker lives |
 * | `ERR_MANIAC_CORRUPT` | brotli or zstd data that is damaged, or none | get the data again |
 * | `ERR_MANIAC_ENGINE_CLOSED` | the environment's engine was shut down | start no operation after `shutdown()` |
 * | `ERR_MANIAC_LIMIT` | a job would need more memory than its options allow | allow more, if the input can be trusted |
 * | `ERR_MANIAC_MEMORY` | the system has not the memory that a job needs | ask for less |
 * | `ERR_MANIAC_POOL_CLOSED` | the pool is closed | run no task after `close()` or `destroy()` |
 * | `ERR_MANIAC_PROTOCOL` | the two sides of the crossing disagree | report it: this is a fault of maniac's |
 * | `ERR_MANIAC_QUEUE_FULL` | as many tasks of a pool wait as may | wait for its event `drain` |
 * | `ERR_MANIAC_STARTED` | the runtime runs already | configure it before the first operation |
 * | `ERR_MANIAC_SYNC_AWAIT_MAIN_THREAD` | a call that blocks was made on the main thread | make it in a Worker, or await |
 * | `ERR_MANIAC_TASK_FILE` | a pool's task file could not be loaded, or lacks the export | see `cause` |
 * | `ERR_MANIAC_TASK_LOST` | the thread that ran a task ended, or none could start | see `cause`; the task may have had effects |
 * | `ERR_MANIAC_TASK_RESULT` | what a task gave cannot be cloned | give what `postMessage` takes |
 * | `ERR_MANIAC_TIMEOUT` | a blocking call's time is over | nothing was sent or received |
 * | `ERR_MANIAC_UNSUPPORTED` | this platform or Node version lacks what the call needs | see the message |
 */
export type ManiacErrorCode =
  | "ERR_MANIAC_BINDING_MISSING"
  | "ERR_MANIAC_BUSY"
  | "ERR_MANIAC_CHANNEL_CLOSED"
  | "ERR_MANIAC_CHANNEL_HANDLE"
  | "ERR_MANIAC_CORRUPT"
  | "ERR_MANIAC_ENGINE_CLOSED"
  | "ERR_MANIAC_LIMIT"
  | "ERR_MANIAC_MEMORY"
  | "ERR_MANIAC_POOL_CLOSED"
  | "ERR_MANIAC_PROTOCOL"
  | "ERR_MANIAC_QUEUE_FULL"
  | "ERR_MANIAC_STARTED"
  | "ERR_MANIAC_SYNC_AWAIT_MAIN_THREAD"
  | "ERR_MANIAC_TASK_FILE"
  | "ERR_MANIAC_TASK_LOST"
  | "ERR_MANIAC_TASK_RESULT"
  | "ERR_MANIAC_TIMEOUT"
  | "ERR_MANIAC_UNSUPPORTED"
  | `ERR_MANIAC_${string}`;

/**
 * An error of the package's own, told apart by its stable {@link ManiacError.code}.
 *
 * @example
 * ```ts
 * import { ManiacError } from "maniac";
 *
 * const error = new ManiacError("ERR_MANIAC_UNSUPPORTED", "Direct I/O needs Linux.");
 * console.log(error instanceof Error, error.code); // true ERR_MANIAC_UNSUPPORTED
 * ```
 */
export class ManiacError extends Error {
  /** Stable, for programs; the message is for people and may change. */
  readonly code: ManiacErrorCode;

  /**
   * @param code - one of the stable codes.
   * @param message - what was wrong and what to do.
   * @param options - `cause`, as for every `Error`.
   */
  constructor(code: ManiacErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  static {
    ManiacError.prototype.name = "ManiacError";
  }
}
