/** A pool's options, checked, with their defaults. */
import { availableParallelism } from "node:os";
import { isAbsolute } from "node:path";
import { pathToFileURL } from "node:url";
import type { ResourceLimits, WorkerOptions } from "node:worker_threads";
import { invalidType, outOfRange } from "./node-errors.js";
import type { HandlerName } from "./pool-protocol.js";
import { validBoolean, validObject } from "./validate.js";

/** What the constructor of `Pool` takes. */
export interface PoolOptions {
  /** The task file: an absolute path, or a `file:` or `data:` URL. Each task may name another. */
  filename?: string | URL | null | undefined;
  /** The export that is called. Default: `default`. */
  name?: string | undefined;
  /** Threads that are started at once and stay. Default: the number of processors, at most `maxThreads`. */
  minThreads?: number | undefined;
  /** Threads that run tasks at a time, overdue and blocked ones apart. Default: 1.5 times the number of processors. */
  maxThreads?: number | undefined;
  /** How many more threads there may be while tasks are overdue or blocked. Default: 4 for each processor, at least 16. */
  maxOverdueThreads?: number | undefined;
  /**
   * Threads that stand ready beside those that tasks need, so that none has to start first when tasks are overdue or blocked. Started with
   * the others; each takes about 10 MB. Default: 1; 0 if `minThreads` or `maxOverdueThreads` is 0.
   */
  spareThreads?: number | undefined;
  /** Milliseconds that a task may run while others wait, before another thread joins, 1 to 60,000. Default: 5. */
  quantum?: number | undefined;
  /** Tasks that may wait; `auto` is the square of `maxThreads`. Default: no limit. */
  maxQueue?: number | "auto" | undefined;
  /** Milliseconds after which a thread beyond `minThreads` that has nothing to do is ended. Default: 5,000. */
  idleTimeout?: number | undefined;
  /** Asynchronous tasks that a thread runs at a time. Default: 1. */
  concurrentTasksPerWorker?: number | undefined;
  /** Milliseconds that a cancelled task may go on before its thread is ended. Default: 100. */
  cancelTimeout?: number | undefined;
  /** Whether `histogram` is filled. Default: true. */
  recordTiming?: boolean | undefined;
  /** As for a Worker. */
  env?: WorkerOptions["env"];
  /** As for a Worker. */
  argv?: readonly unknown[] | undefined;
  /** As for a Worker. */
  execArgv?: readonly string[] | undefined;
  /** As for a Worker. */
  resourceLimits?: ResourceLimits | undefined;
  /** As for a Worker. */
  trackUnmanagedFds?: boolean | undefined;
  /** What `workerData` of this module is in the threads. It is cloned for each. */
  workerData?: unknown;
}

/** What each thread starts with. */
export type ThreadSettings = Omit<WorkerOptions, "workerData"> & {
  readonly handler: HandlerName | undefined;
  readonly concurrency: number;
  readonly workerData: unknown;
};

/** Options, checked. */
export interface Settings {
  readonly filename: string | undefined;
  readonly name: string;
  readonly minThreads: number;
  readonly maxThreads: number;
  readonly maxOverdueThreads: number;
  readonly spareThreads: number;
  readonly quantum: number;
  readonly maxQueue: number;
  readonly idleTimeout: number;
  readonly concurrentTasksPerWorker: number;
  readonly cancelTimeout: number;
  readonly recordTiming: boolean;
  readonly thread: ThreadSettings;
}

/** Most threads. Each is a whole environment of megabytes. */
const MOST_THREADS = 1024;
/** Longest delay of Node's timers. */
const MOST_MS = 2 ** 31 - 1;

function number(name: string, value: unknown, fallback: number, least: number, most: number): number {
  if (value === undefined) return fallback;
  if (typeof value !== "number") throw invalidType(`options.${name}`, "of type number", value);
  // Not a number is in no range.
  if (!(value >= least && value <= most))
    throw outOfRange(`options.${name}`, `>= ${least} && <= ${most}`, value);
  return value;
}

function integer(name: string, value: unknown, fallback: number, least: number, most: number): number {
  const checked = number(name, value, fallback, least, most);
  if (!Number.isInteger(checked)) throw outOfRange(`options.${name}`, "an integer", checked);
  return checked;
}

/** This process's flags, but for the one of `--eval` with which no file can be run; `undefined`: all of them. */
function inherited(): string[] | undefined {
  const isInputType = (flag: string): boolean => /^--input-type(=|$)/.test(flag);
  // A Worker inherits flags that it refuses when it is given them: those of the whole process, as V8's are.
  if (!process.execArgv.some(isInputType)) return undefined;
  return process.execArgv.filter((flag, at, all) => !isInputType(flag) && all[at - 1] !== "--input-type");
}

/** A file's URL. */
export function hrefOf(name: string, value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (value instanceof URL) return value.href;
  if (typeof value !== "string") throw invalidType(name, "of type string or an instance of URL", value);
  if (/^(file|data|node):/.test(value)) return value;
  if (isAbsolute(value)) return pathToFileURL(value).href;
  throw outOfRange(name, "an absolute path or a URL", value);
}

/** An export's name. */
export function exportOf(name: string, value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "string") throw invalidType(name, "of type string", value);
  return value;
}

function queueOf(value: unknown, maxThreads: number): number {
  if (value === "auto") return maxThreads ** 2;
  if (value === undefined || value === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY;
  return integer("maxQueue", value, 0, 0, Number.MAX_SAFE_INTEGER);
}

function timing(options: PoolOptions): Pick<Settings, "quantum" | "idleTimeout" | "cancelTimeout"> {
  const idle = options.idleTimeout;
  const never = idle === Number.POSITIVE_INFINITY;
  return {
    quantum: number("quantum", options.quantum, 5, 1, 60_000),
    idleTimeout: never ? idle : number("idleTimeout", idle, 5000, 0, MOST_MS),
    cancelTimeout: number("cancelTimeout", options.cancelTimeout, 100, 0, MOST_MS),
  };
}

/** Checks options. Throws as Node does. */
export function settingsOf(given: unknown): Settings {
  const options = validObject(given, "options") as PoolOptions;
  const processors = availableParallelism();
  const least = options.minThreads ?? 1;
  const maxThreads = integer(
    "maxThreads",
    options.maxThreads,
    Math.max(Math.ceil(processors * 1.5), typeof least === "number" ? least : 1),
    1,
    MOST_THREADS,
  );
  const minThreads = integer(
    "minThreads",
    options.minThreads,
    Math.min(processors, maxThreads),
    0,
    maxThreads,
  );
  const filename = hrefOf("options.filename", options.filename);
  const name = exportOf("options.name", options.name) ?? "default";
  const concurrency = integer("concurrentTasksPerWorker", options.concurrentTasksPerWorker, 1, 1, 65_536);
  const recordTiming = options.recordTiming ?? true;
  const thread: ThreadSettings = {
    handler: filename === undefined ? undefined : { href: filename, name },
    concurrency,
    workerData: options.workerData,
    env: options.env,
    argv: options.argv === undefined ? undefined : [...options.argv],
    execArgv: options.execArgv === undefined ? inherited() : [...options.execArgv],
    resourceLimits: options.resourceLimits,
    trackUnmanagedFds: options.trackUnmanagedFds ?? true,
  };
  const overdue = Math.max(4 * processors, 16);
  const maxOverdueThreads = integer("maxOverdueThreads", options.maxOverdueThreads, overdue, 0, MOST_THREADS);
  const spare = Math.min(1, minThreads, maxOverdueThreads);
  return {
    filename,
    name,
    minThreads,
    maxThreads,
    maxOverdueThreads,
    spareThreads: integer("spareThreads", options.spareThreads, spare, 0, maxOverdueThreads),
    maxQueue: queueOf(options.maxQueue, maxThreads),
    concurrentTasksPerWorker: concurrency,
    recordTiming: validBoolean(recordTiming, "options.recordTiming"),
    thread,
    ...timing(options),
  };
}
