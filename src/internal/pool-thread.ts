/** A thread of a pool as the pool sees it: what was sent to it, and what it has told. Whom to send what is decided elsewhere. */
import {
  MessageChannel,
  type MessagePort,
  receiveMessageOnPort,
  type Transferable,
  Worker,
} from "node:worker_threads";
import type { ThreadSettings } from "./pool-options.js";
import {
  type FromThread,
  HEAD,
  type ResultMessage,
  recall,
  type StateMessage,
  type ThreadData,
  WORDS,
} from "./pool-protocol.js";
import type { Task } from "./pool-task.js";

/** Numbers of a kind that never becomes negative. */
const MASK = 0x7fffffff;
/** Timers may come a little early. */
const EARLY = 0.8;
/** Results taken before the event loop has its turn. */
const AT_ONCE = 256;

/** Who is told of a thread. */
export interface Owner {
  /** A task has ended. */
  result(thread: Thread, task: Task, message: ResultMessage): void;
  /** It is ready, or a task blocks it, or does so no more. */
  state(thread: Thread, state: StateMessage["state"]): void;
  /** Called after some of the above: there may be room. */
  room(): void;
  /** It has ended. */
  ended(thread: Thread, code: number, error: unknown): void;
}

/** See the module's page. */
export class Thread {
  readonly worker: Worker;
  /** Sent and not ended, by number. */
  readonly tasks = new Map<number, Task>();
  ready = false;
  /** A task in it has run past the quantum while others waited. */
  overdue = false;
  /** A task in it waits in `syncAwait`. */
  blocked = false;
  /** It gets no more tasks: a task in it was cancelled and does not end, or it was told to end. */
  closed = false;
  /** It was told to end, and gets no more tasks whatever comes from it. */
  ending = false;
  /** Since when it has had nothing to do, in milliseconds. */
  idleSince = performance.now();

  readonly #owner: Owner;
  readonly #port: MessagePort;
  readonly #words = new Int32Array(new SharedArrayBuffer(WORDS * 4));
  #next = 0;
  #error: unknown;
  #over = false;
  #held = false;
  /** What {@link isStuck} saw last, or will see once the task that is next has begun; and since when, in milliseconds. */
  #seen = -1;
  #since = 0;
  #results = 0;

  constructor(settings: ThreadSettings, owner: Owner) {
    this.#owner = owner;
    const { port1, port2 } = new MessageChannel();
    const { handler, concurrency, workerData, ...rest } = settings;
    const data: ThreadData = { port: port2, words: this.#words, handler, concurrency, workerData };
    this.#port = port1;
    this.worker = new Worker(new URL("./pool-worker.js", import.meta.url), {
      ...rest,
      workerData: data,
      transferList: [port2],
    });
    port1.on("message", (message: FromThread) => this.#take(message));
    // Whose result it was that cannot be read is not known.
    port1.on("messageerror", (error: Error) => {
      this.#error = error;
      void this.end();
    });
    port1.unref();
    this.worker.on("error", (error) => {
      this.#error = error;
    });
    this.worker.on("exit", (code) => this.#ended(code));
    this.worker.unref();
  }

  /** Keeps the process alive, or does not. A thread with tasks always does, and one that was told to end until it has. */
  hold(wanted: boolean): void {
    const held = wanted || this.tasks.size > 0 || this.ending;
    if (held === this.#held || this.#over) return;
    this.#held = held;
    // The Worker and not the port, which closes before the Worker's end is told.
    if (held) this.worker.ref();
    else this.worker.unref();
  }

  /** Sends a task. Throws what `postMessage` throws for a value that cannot be cloned; then nothing was sent. */
  send(task: Task): void {
    const n = this.#next;
    const { value: v, list, handler: f } = task;
    const message = f === undefined ? { n, v } : { n, v, f };
    if (list === undefined) this.#port.postMessage(message);
    else this.#port.postMessage(message, list as Transferable[]);
    this.#next = (n + 1) | 0;
    task.number = n;
    if (this.tasks.size === 0) this.#expect(n);
    this.tasks.set(n, task);
    if (!this.#held) this.hold(true);
  }

  /** The next to begin, if it was sent already. */
  get first(): Task | undefined {
    return this.tasks.get(Atomics.load(this.#words, HEAD));
  }

  /**
   * Takes back all that has not begun, in order. One with a transfer list is sent to a thread with nothing to do, so it is the first
   * to begin: until it has, nothing is taken back, unless nobody wants it or `lost`, when none of it will be sent again.
   */
  recall(lost = false): Task[] {
    const { first } = this;
    if (first?.list !== undefined && !first.settled && !lost) return [];
    const back: Task[] = [];
    for (let n = recall(this.#words, this.#next); n !== this.#next; n = (n + 1) | 0) {
      const task = this.tasks.get(n);
      if (task !== undefined) {
        this.tasks.delete(n);
        back.push(task);
      }
    }
    return back;
  }

  /** Tells a task that has begun that nobody wants it any more. */
  cancel(task: Task): void {
    this.#port.postMessage({ cancel: task.number });
  }

  /** Task `n` is the thread's next, and it has nothing else to do. */
  #expect(n: number): void {
    this.#seen = (n + 1 + this.#results) & MASK;
    this.#since = performance.now();
  }

  /** When nothing will have begun or ended for `quantum`, if nothing does, although there is something to do. */
  stuckAt(quantum: number): number {
    return this.tasks.size === 0 ? Number.POSITIVE_INFINITY : this.#since + quantum;
  }

  /** Whether that has come. */
  isStuck(quantum: number): boolean {
    const seen = (Atomics.load(this.#words, HEAD) + this.#results) & MASK;
    if (seen !== this.#seen) {
      this.#seen = seen;
      this.#since = performance.now();
    }
    return performance.now() >= this.stuckAt(quantum * EARLY);
  }

  /** Ends it, whatever it does. */
  async end(): Promise<void> {
    this.closed = true;
    this.ending = true;
    this.hold(true);
    await this.worker.terminate();
  }

  #take(first: FromThread): void {
    let message: FromThread | undefined = first;
    for (let count = 0; message !== undefined; count++) {
      this.#told(message);
      // What is left is given by the port, in turn with all else.
      message = count < AT_ONCE ? this.#receive() : undefined;
    }
    if (this.tasks.size === 0) this.hold(false);
    this.#owner.room();
  }

  /** The port's next message; `undefined` if there is none, or it cannot be read. */
  #receive(): FromThread | undefined {
    try {
      return receiveMessageOnPort(this.#port)?.message as FromThread | undefined;
    } catch (error) {
      this.#error = error;
      void this.end();
      return undefined;
    }
  }

  #told(message: FromThread): void {
    if ("state" in message) {
      this.#owner.state(this, message.state);
      return;
    }
    const task = this.tasks.get(message.n);
    if (task === undefined) return;
    this.tasks.delete(message.n);
    this.#results++;
    if (this.tasks.size === 0) this.idleSince = performance.now();
    else this.#expect((message.n + 1) | 0);
    this.#owner.result(this, task, message);
  }

  #ended(code: number): void {
    // What it posted before its end counts.
    for (let next = this.#receive(); next !== undefined; next = this.#receive()) this.#told(next);
    this.closed = true;
    this.#over = true;
    this.#port.close();
    this.#owner.ended(this, code, this.#error);
  }
}
