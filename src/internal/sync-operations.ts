/** Which operations `syncAwait` takes, and what each becomes: a function of the realm's, or a channel's call that blocks. */
import * as channel from "../channel.js";
import { ManiacError } from "../errors.js";
import * as fs from "../fs.js";
import * as timers from "../timers.js";
import { engine } from "./engine.js";
import { abortError } from "./node-errors.js";
import { inside } from "./pool-inside.js";
import { block, drive, type Limits, timedOut } from "./sync-await.js";
import { blockingOf } from "./sync-registry.js";

/** Milliseconds of a channel's call before abortion is looked for. */
const SLICE_MS = 20;

type Load = (place: string) => Record<string, unknown>;
type Callable = (...args: unknown[]) => unknown;
/** Gives the realm's function. */
type Find = (load: Load) => Callable;

const functions = new Map<unknown, Find>();
for (const [place, module] of Object.entries({ "fs.js": fs, "timers.js": timers })) {
  for (const [name, value] of Object.entries(module)) {
    if (typeof value === "function") functions.set(value, (load) => load(place)[name] as Callable);
  }
}
for (const name of ["wait", "yield"] as const) {
  functions.set(timers.scheduler[name], (load) => {
    const { scheduler } = load("timers.js") as unknown as typeof timers;
    return (...args) => (scheduler[name] as Callable).apply(scheduler, args);
  });
}

// What they give has operations of its own, which would be the realm's.
functions.delete(fs.opendir);

const unsupported = (message: string): ManiacError => new ManiacError("ERR_MANIAC_UNSUPPORTED", message);

interface Handles {
  adopt(fd: number): Record<string, Callable>;
}

/** The realm's own handle over the file of a handle. */
function adopted(load: Load, handle: fs.FileHandle): Record<string, Callable> {
  return (load("fs.js").FileHandle as Handles).adopt(handle.fd);
}

/** The name of an object's method. */
function nameOf(on: object, operation: unknown): string | undefined {
  for (
    let at: object | null = on;
    at !== null && at !== Object.prototype;
    at = Object.getPrototypeOf(at) as object
  ) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(at))) {
      if (value === operation) return name;
    }
  }
  return undefined;
}

function findOn(on: unknown, operation: unknown): Find {
  if (on instanceof fs.FileHandle) {
    const name = nameOf(on, operation);
    if (name !== undefined)
      return (load) =>
        (...args) => {
          const handle = adopted(load, on);
          return (handle[name] as Callable).apply(handle, args);
        };
  }
  throw unsupported(
    "syncAwait takes methods of FileHandle, Socket, Sender and Receiver, as `on` says whose: await others",
  );
}

/** What a channel's call gives that blocks until it succeeds, time is over or nobody wants it. */
function waitFor(
  limits: Limits,
  signals: readonly (AbortSignal | undefined)[],
  call: (timeout: number) => unknown,
): unknown {
  const thread = inside();
  const end = performance.now() + (limits.timeout ?? Number.POSITIVE_INFINITY);
  let slice = 0;
  try {
    for (;;) {
      thread?.look();
      const aborted = [...signals, limits.signal, thread?.signal()].find((signal) => signal?.aborted);
      if (aborted !== undefined) throw abortError(aborted);
      try {
        return call(slice);
      } catch (error) {
        if (!(error instanceof ManiacError) || error.code !== "ERR_MANIAC_TIMEOUT") throw error;
        if (performance.now() >= end) throw timedOut(limits);
      }
      if (slice === 0) thread?.blocked(true);
      slice = Math.max(1, Math.min(SLICE_MS, end - performance.now()));
    }
  } finally {
    if (slice > 0) thread?.blocked(false);
  }
}

function onChannel(
  limits: Limits,
  on: unknown,
  operation: unknown,
  args: readonly unknown[],
): { value: unknown } | undefined {
  if (on instanceof channel.Sender && operation === channel.Sender.prototype.send) {
    const [value, options] = args as [unknown, channel.WaitOptions?];
    return { value: waitFor(limits, [options?.signal], (timeout) => on.sendBlocking(value, { timeout })) };
  }
  if (on instanceof channel.Receiver && operation === channel.Receiver.prototype.recv) {
    const [options] = args as [channel.WaitOptions?];
    return { value: waitFor(limits, [options?.signal], (timeout) => on.recvBlocking({ timeout })) };
  }
  return undefined;
}

/** Closes a handle once its operations in flight have ended: the program's own is told, so that it knows. */
function close(limits: Limits, handle: fs.FileHandle): void {
  const end = performance.now() + (limits.timeout ?? Number.POSITIVE_INFINITY);
  // Whoever else called close() learns of a failure.
  handle.close().catch(() => undefined);
  while (handle.fd !== -1) {
    if (performance.now() >= end) {
      throw timedOut(limits);
    }
    block({ ...limits, timeout: undefined }, (load) => (load("timers.js").setTimeout as Callable)(1));
  }
  engine().turn();
}

/** Whether a result is a handle of the realm's. */
function isOpened(value: unknown): value is { readonly fd: number } {
  if (typeof value !== "object" || value === null) return false;
  // Results without a prototype have no constructor.
  return (value as { constructor?: { name: string } }).constructor?.name === "FileHandle";
}

/** Runs an operation to its end. Whoever calls has refused the main thread. */
export function perform(limits: Limits, on: unknown, operation: unknown, args: readonly unknown[]): unknown {
  if (limits.signal?.aborted) throw abortError(limits.signal);
  const received = onChannel(limits, on, operation, args);
  if (received !== undefined) return received.value;
  if (on instanceof fs.FileHandle && operation === on.close) return close(limits, on);
  const blocking = blockingOf(operation);
  if (blocking !== undefined) return drive(limits, (until) => blocking(until, on, args));
  const find = on === undefined ? functions.get(operation) : findOn(on, operation);
  if (find === undefined) {
    throw unsupported(
      "syncAwait takes a function of maniac/fs, maniac/timers, maniac/net or a method of theirs, and its arguments",
    );
  }
  const value = block(limits, (load) => {
    const given = args.map((one) => (one instanceof fs.FileHandle ? adopted(load, one) : one));
    return find(load)(...given);
  });
  // A file that was opened is the program's from here on.
  return isOpened(value) ? new fs.FileHandle(value.fd) : value;
}
