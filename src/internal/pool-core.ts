/**
 * A pool's scheduling: which task goes to which thread, when a thread joins and when one ends.
 *
 * Short tasks are sent ahead, several to a thread, so that a thread need not wait for the pool between two; what has not begun can
 * be taken back at any time (`pool-protocol.ts`). While tasks wait, one look at the threads each quantum, the first as soon as one may be
 * overdue: one in which nothing has begun or ended for a quantum. What was sent ahead to it is taken back, and it does not count any more, so that
 * another thread takes its place; it counts again when its task has ended.
 *
 * The start of a thread takes tens of milliseconds, far more beside long tasks. So spare threads stand ready, and the last of them are
 * not for tasks that are likely long (`Burst`), unless no thread is about to join and fewer than `maxThreads` run, or none could join.
 */
import { createHistogram, type RecordableHistogram } from "node:perf_hooks";
import { ManiacError } from "../errors.js";
import { decodeError } from "./pool-errors.js";
import type { Settings } from "./pool-options.js";
import type { ResultMessage, StateMessage } from "./pool-protocol.js";
import { type Burst, Line, type Task } from "./pool-task.js";
import { type Owner, Thread } from "./pool-thread.js";

/** Most tasks sent ahead to a thread. */
const MOST_AHEAD = 32;
/** Work sent ahead to a thread, in milliseconds, judged by what tasks took so far. */
const AHEAD_MS = 0.5;
/** Weight of the latest task in what tasks take. */
const WEIGHT = 1 / 16;
/** Quanta after which a task that stepped back is before all others. */
const PATIENCE = 200;

/** Who is told. */
export interface Listener {
  drained(): void;
  created(thread: Thread): void;
  destroyed(thread: Thread): void;
  /** A thread has failed while no task ran in it. */
  failed(error: unknown): void;
}

const closedError = (): ManiacError => new ManiacError("ERR_MANIAC_POOL_CLOSED", "The pool is closed.");

const inNanoseconds = (milliseconds: number): number => Math.max(1, Math.round(milliseconds * 1e6));

/** Whether a thread takes tasks. */
const isOpen = ({ ready, overdue, blocked, closed }: Thread): boolean =>
  ready && !overdue && !blocked && !closed;

/** See the module's page. */
export class Core implements Owner {
  readonly threads: Thread[] = [];
  readonly waiting: Line;
  readonly runTime: RecordableHistogram = createHistogram();
  readonly waitTime: RecordableHistogram = createHistogram();
  /** Tasks that have ended, whatever came of them. */
  completed = 0;
  /** More waited than shall; reset when the queue has gone down to half of that. */
  needsDrain = false;
  /** No further task is taken. */
  closing = false;

  readonly #settings: Settings;
  readonly #listener: Listener;
  readonly #capacity: number;
  /** Those of this turn, by function. */
  readonly #bursts = new Map<string, Burst>();
  /** What a task takes, in milliseconds. */
  #mean: number;
  #watched = false;
  #reaper: NodeJS.Timeout | undefined;
  /** Resolves when all threads of a pool that was closed have ended. */
  #closed: Promise<void> = Promise.resolve();
  #resolve: () => void = () => undefined;
  /** Why the last thread that was never ready has ended. */
  #startFailure: unknown;

  constructor(settings: Settings, listener: Listener) {
    this.#settings = settings;
    this.#listener = listener;
    this.#mean = settings.quantum;
    this.waiting = new Line(PATIENCE * settings.quantum);
    const { maxQueue, maxThreads } = settings;
    this.#capacity = Number.isFinite(maxQueue) ? maxQueue : maxThreads ** 2;
    this.#grow();
  }

  /** Tasks that have not begun, as far as the pool knows. */
  get queued(): number {
    const { concurrentTasksPerWorker } = this.#settings;
    const ahead = this.threads.reduce(
      (sum, { tasks }) => sum + Math.max(0, tasks.size - concurrentTasksPerWorker),
      0,
    );
    return this.waiting.size + ahead;
  }

  /** Takes a task, or fails it. */
  submit(task: Task): void {
    if (this.closing) {
      task.fail(closedError());
      return;
    }
    task.burst = this.#burst(task);
    this.waiting.push(task);
    this.#dispatch();
    if (this.waiting.size === 0) return;
    // What a thread that starts will take does not wait for others.
    const { starting, busy } = this.#count();
    const joining = Math.min(starting, Math.max(0, this.#settings.maxThreads - busy));
    const queued = this.queued - joining * this.#settings.concurrentTasksPerWorker;
    if (queued > this.#settings.maxQueue && this.waiting.remove(task)) {
      const message = `${this.#settings.maxQueue} tasks wait already: wait for 'drain' before further ones`;
      task.fail(new ManiacError("ERR_MANIAC_QUEUE_FULL", message));
    }
    this.needsDrain ||= queued >= this.#capacity;
  }

  /** The burst that a task belongs to. */
  #burst({ handler }: Task): Burst {
    const key = handler === undefined ? "" : `${handler.name} ${handler.href}`;
    let burst = this.#bursts.get(key);
    if (burst === undefined) {
      if (this.#bursts.size === 0) queueMicrotask(() => this.#bursts.clear());
      burst = { overdue: false };
      this.#bursts.set(key, burst);
    }
    return burst;
  }

  /** A task was aborted; its promise is rejected. */
  abandon(task: Task): void {
    if (this.waiting.remove(task)) {
      this.room();
      return;
    }
    const thread = this.threads.find(({ tasks }) => tasks.get(task.number) === task);
    if (thread === undefined) return;
    this.waiting.giveBack(thread.recall());
    if (thread.tasks.get(task.number) === task) {
      thread.cancel(task);
      setTimeout(() => this.#end(thread, task), this.#settings.cancelTimeout).unref();
    }
    this.room();
  }

  /** Ends the pool when all tasks have ended; `force` fails those that have not begun. */
  close(force: boolean): Promise<void> {
    this.#close();
    if (force) {
      for (const thread of this.threads) this.waiting.giveBack(thread.recall(true));
      this.#failWaiting();
    }
    this.room();
    return this.#closed;
  }

  #close(): void {
    if (this.closing) return;
    this.closing = true;
    this.#closed = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  #failWaiting(): void {
    for (const task of this.waiting.clear()) task.fail(closedError());
  }

  /** Ends the pool now. */
  async destroy(): Promise<void> {
    this.#close();
    const sent = this.threads.flatMap(({ tasks }) => [...tasks.values()]);
    for (const task of sent) task.fail(closedError());
    this.#failWaiting();
    await Promise.all(this.threads.map((thread) => thread.end()));
    this.room();
    await this.#closed;
  }

  result(thread: Thread, task: Task, { v, e, t }: ResultMessage): void {
    thread.overdue = false;
    this.completed++;
    const { quantum, recordTiming } = this.#settings;
    this.#mean += (Math.min(t, quantum) - this.#mean) * WEIGHT;
    if (recordTiming) {
      this.runTime.record(inNanoseconds(t));
      this.waitTime.record(inNanoseconds(performance.now() - task.since - t));
    }
    if (e === undefined) task.succeed(v);
    else task.fail(decodeError(e));
    // A thread that was to end because of a cancelled task may go on once it has ended after all.
    if (thread.tasks.size === 0 && !thread.ending) thread.closed = false;
  }

  state(thread: Thread, state: StateMessage["state"]): void {
    if (state === "ready") {
      thread.ready = true;
      this.#startFailure = undefined;
      thread.hold(false);
      this.#reap();
    } else {
      thread.blocked = state === "blocked";
      if (thread.blocked) this.waiting.giveBack(thread.recall());
      this.#grow();
    }
  }

  room(): void {
    this.#dispatch();
    if (this.needsDrain && this.queued <= this.#capacity / 2) {
      this.needsDrain = false;
      this.#listener.drained();
    }
    if (this.closing) this.#finish();
    else this.#reap();
  }

  ended(thread: Thread, code: number, error: unknown): void {
    this.threads.splice(this.threads.indexOf(thread), 1);
    // What has moved there is lost, begun or not.
    const back = thread.recall(true);
    this.waiting.giveBack(back.filter(({ list }) => list === undefined));
    const moved = back.filter(({ list }) => list !== undefined);
    const lost = [...thread.tasks.values(), ...moved].filter(({ settled }) => !settled);
    const why = error === undefined ? `ended with code ${code}` : "has failed";
    for (const task of lost) {
      const options = error === undefined ? undefined : { cause: error };
      task.fail(new ManiacError("ERR_MANIAC_TASK_LOST", `The thread that ran the task ${why}`, options));
    }
    this.completed += thread.tasks.size + moved.length;
    thread.tasks.clear();
    this.#listener.destroyed(thread);
    if (error !== undefined && lost.length === 0) this.#listener.failed(error);
    if (!thread.ready) this.#startFailed(error ?? new Error(`A thread of the pool ended with code ${code}`));
    else this.#grow();
    this.room();
  }

  /** Sends what waits to threads with room; has threads join. */
  #dispatch(): void {
    let taken = false;
    for (let task = this.waiting.first(); task !== undefined; task = this.waiting.first()) {
      const thread = this.#pick(this.waiting.patient, task.list !== undefined);
      if (thread === undefined) break;
      this.waiting.remove(task);
      taken ||= thread.tasks.size === 0;
      try {
        thread.send(task);
      } catch (error) {
        task.fail(error);
      }
    }
    if (taken || this.waiting.size > 0) this.#grow();
    this.#look();
  }

  /** The thread for the next task: one with nothing to do, else, unless it `stays` there, one that has little before it. */
  #pick(patient: boolean, stays: boolean): Thread | undefined {
    const { concurrentTasksPerWorker: most, maxThreads, maxQueue } = this.#settings;
    let starting = 0;
    let idle = 0;
    let busy = 0;
    let running = 0;
    let free: Thread | undefined;
    let least: Thread | undefined;
    for (const thread of this.threads) {
      const { size } = thread.tasks;
      if (size > 0 && !thread.blocked) running++;
      if (!thread.ready && !thread.closed) starting++;
      if (!isOpen(thread)) continue;
      if (size > 0) busy++;
      else idle++;
      // Behind one that is not taken back none could be.
      if (size > 0 && thread.first?.list !== undefined) continue;
      if (size < most && (free === undefined || size < free.tasks.size)) free = thread;
      if (size > 0 && (least === undefined || size < least.tasks.size)) least = thread;
    }
    const more = starting > 0 || (running >= maxThreads && this.threads.length < this.#most);
    if (patient && more && idle <= this.#spare) return undefined;
    if (free !== undefined && (free.tasks.size > 0 ? !stays : busy < maxThreads)) return free;
    if (patient || stays || least === undefined || maxQueue === 0) return undefined;
    const ahead = Math.min(MOST_AHEAD, Math.floor(AHEAD_MS / this.#mean));
    return least.tasks.size < most + ahead ? least : undefined;
  }

  /** Threads that shall stand ready beside those that tasks need. None once no further task is taken, or when threads cannot start. */
  get #spare(): number {
    return this.closing || this.#startFailure !== undefined ? 0 : this.#settings.spareThreads;
  }

  /** Most threads. */
  get #most(): number {
    return this.#settings.maxThreads + this.#settings.maxOverdueThreads;
  }

  #count(): { readonly starting: number; readonly idle: number; readonly busy: number } {
    let starting = 0;
    let idle = 0;
    let busy = 0;
    for (const thread of this.threads) {
      if (!thread.ready && !thread.closed) starting++;
      if (!isOpen(thread)) continue;
      if (thread.tasks.size > 0) busy++;
      else idle++;
    }
    return { starting, idle, busy };
  }

  /** Has as many threads join as there are tasks for and spare ones shall be, within the limits. */
  #grow(): void {
    const { minThreads, maxThreads } = this.#settings;
    const { starting, idle, busy } = this.#count();
    const waiting = this.waiting.size;
    const spare = this.#spare;
    const least = this.closing || this.#startFailure !== undefined ? 0 : minThreads + spare;
    let lacking = Math.min(waiting, maxThreads - busy) + spare - idle - starting;
    while ((lacking > 0 || this.threads.length < least) && this.threads.length < this.#most) {
      if (this.#start() === undefined) return;
      lacking--;
    }
    if (waiting === 0) return;
    for (const thread of this.threads) {
      // Its start is waited for: it keeps the process alive.
      if (!thread.ready) thread.hold(true);
    }
  }

  #start(): Thread | undefined {
    try {
      const thread = new Thread(this.#settings.thread, this);
      this.threads.push(thread);
      this.#listener.created(thread);
      // Listening to its messages has made it keep the process alive.
      thread.worker.unref();
      return thread;
    } catch (error) {
      this.#startFailed(error);
      return undefined;
    }
  }

  /** Tasks do not wait for threads that cannot start. */
  #startFailed(error: unknown): void {
    this.#startFailure = error;
    if (this.threads.length > 0) return;
    const options = { cause: error };
    for (const task of this.waiting.clear()) {
      task.fail(new ManiacError("ERR_MANIAC_TASK_LOST", "No thread of the pool could start", options));
    }
  }

  /** Looks at the threads every quantum for as long as something waits. */
  #look(): void {
    if (this.#watched) return;
    const { concurrentTasksPerWorker: most, quantum } = this.#settings;
    if (this.waiting.size === 0 && !this.threads.some(({ tasks }) => tasks.size > most)) return;
    this.#watched = true;
    const open = this.threads.filter(isOpen);
    const first = Math.min(...open.map((thread) => thread.stuckAt(quantum)));
    const delay = first - performance.now();
    // Not now: a result may have come that nobody has read yet.
    if (delay <= 0) setImmediate(() => this.#lookNow());
    else setTimeout(() => this.#lookNow(), Math.min(delay, quantum)).unref();
  }

  #lookNow(): void {
    this.#watched = false;
    for (const thread of this.threads) {
      if (!thread.ready || !thread.isStuck(this.#settings.quantum)) continue;
      this.waiting.giveBack(thread.recall());
      // One that has begun nothing is slow, not overdue: no result would ever tell that it goes on.
      thread.overdue = thread.tasks.size > 0 && thread.first === undefined;
      if (!thread.overdue) continue;
      for (const { burst } of thread.tasks.values()) burst.overdue = true;
    }
    this.#grow();
    this.room();
  }

  /** Ends the thread of a cancelled task that does not end by itself, unless others run there that are wanted. */
  #end(thread: Thread, task: Task): void {
    if (thread.tasks.get(task.number) !== task) return;
    thread.closed = true;
    this.waiting.giveBack(thread.recall());
    if ([...thread.tasks.values()].every(({ settled }) => settled)) void thread.end();
    else setTimeout(() => this.#end(thread, task), this.#settings.cancelTimeout).unref();
    this.room();
  }

  /** Ends threads that have had nothing to do for long. One timer for all: they become idle by the thousand a second. */
  #reap(): void {
    const { minThreads, idleTimeout, spareThreads } = this.#settings;
    if (this.#reaper !== undefined || idleTimeout === Number.POSITIVE_INFINITY) return;
    const least = minThreads + spareThreads;
    if (this.threads.length <= least) return;
    this.#reaper = setTimeout(
      () => {
        this.#reaper = undefined;
        const before = performance.now() - idleTimeout;
        let surplus = Math.min(this.threads.length - least, this.#count().idle - spareThreads);
        for (const thread of this.threads) {
          const idle =
            thread.ready && !thread.closed && thread.tasks.size === 0 && thread.idleSince <= before;
          if (!idle || surplus <= 0) continue;
          surplus--;
          void thread.end();
        }
        this.#reap();
      },
      Math.max(idleTimeout, 1),
    ).unref();
  }

  /** Ends the threads once nothing is left to do. */
  #finish(): void {
    if (this.waiting.size > 0 || this.threads.some(({ tasks }) => tasks.size > 0)) return;
    for (const thread of this.threads) {
      if (!thread.closed) void thread.end();
    }
    if (this.threads.length === 0) this.#resolve();
  }
}
