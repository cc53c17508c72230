/**
 * An open file as the operations see it: a number and a count of who needs it. It is closed when the count reaches zero,
 * so never under an operation in flight.
 */
import { OP_CLOSE } from "./ops.js";
import { type Held, type Operation, Request } from "./request.js";
import { run } from "./run.js";

const CLOSE: Operation = { code: OP_CLOSE, steps: ["close"], finish: () => undefined };

/** Closes a descriptor number. */
function closeNumber(fd: number): Promise<void> {
  const request = new Request(CLOSE);
  request.fd = fd;
  return run(request);
}

/** An open file and its users: the handle, operations in flight, streams. */
export class Descriptor implements Held {
  /** The number; -1 once the last user has gone. */
  fd: number;
  #users = 1;
  #closing: Promise<void> | undefined;
  #resolve: ((value: Promise<void>) => void) | undefined;

  constructor(fd: number) {
    this.fd = fd;
  }

  /** True from the call of {@link close} until the file is closed. */
  get closing(): boolean {
    return this.#closing !== undefined;
  }

  /** Counts a user. */
  ref(): void {
    this.#users++;
  }

  /** Lets a user go; the last one closes the file. */
  unref(): void {
    if (--this.#users === 0) {
      const { fd } = this;
      this.fd = -1;
      const closed = closeNumber(fd);
      if (this.#resolve === undefined) {
        // Without a waiting close() nobody is there to learn of a failure.
        closed.catch(() => undefined);
      } else {
        this.#resolve(closed);
      }
    }
  }

  /** Lets the handle go; settles when the file is closed. Idempotent. */
  close(): Promise<void> {
    if (this.fd === -1) {
      return Promise.resolve();
    }
    if (this.#closing === undefined) {
      const closed = new Promise<void>((resolve) => {
        this.#resolve = resolve;
      });
      this.#closing = closed.finally(() => {
        this.#closing = undefined;
      });
      this.unref();
    }
    return this.#closing;
  }
}
