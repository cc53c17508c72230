/**
 * A thread of a pool: takes tasks from its port, runs them, posts what they give. It never blocks: what tasks have begun goes on
 * between tasks.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { receiveMessageOnPort, type Transferable, workerData } from "node:worker_threads";
import { ManiacError } from "../errors.js";
import { encodeError } from "./pool-errors.js";
import { enter, Moved } from "./pool-inside.js";
import {
  claim,
  type FromThread,
  type HandlerName,
  type TaskMessage,
  type ThreadData,
  type ToThread,
} from "./pool-protocol.js";

type Handler = (value: unknown, context: Context) => unknown;

const { port, words, handler: usual, concurrency, workerData: passed } = workerData as ThreadData;

/** A task that runs. */
class Context {
  #controller: AbortController | undefined;
  #cancelled = false;

  /** Aborted when nobody wants the task any more. Made when first asked for. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#cancelled) this.#controller.abort();
    return this.#controller.signal;
  }

  cancel(): void {
    this.#cancelled = true;
    this.#controller?.abort();
  }
}

/** A task that could not be read: it fails when its turn comes, so that those behind it have theirs. */
interface Unreadable {
  readonly n: number;
  readonly error: unknown;
}

/** Tasks sent, oldest first; those before `at` are done with. */
let waiting: (TaskMessage | Unreadable)[] = [];
/** The number of the last task that came. They come in order, so it tells which one could not be read. */
let last = -1;
let at = 0;
const running = new Map<number, Context>();
/** Which of several tasks runs now; with one at a time that is plain. */
const which = concurrency > 1 ? new AsyncLocalStorage<Context>() : undefined;
const handlers = new Map<string, Promise<Handler>>();
let usualHandler: Handler | undefined;

/** Whether `value` has a `then` to be waited for. */
function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function"
  );
}

async function load({ href, name }: HandlerName): Promise<Handler> {
  let module: Record<string, unknown>;
  try {
    module = (await import(href)) as Record<string, unknown>;
  } catch (cause) {
    throw new ManiacError("ERR_MANIAC_TASK_FILE", `The task file ${href} could not be loaded`, { cause });
  }
  // What CommonJS exports is the default export; what compilers make of ESM has its own default within.
  const { default: whole } = module;
  const within = typeof whole === "object" && whole !== null ? (whole as Record<string, unknown>) : {};
  const found = module[name] ?? within[name];
  const handler = typeof found === "function" ? found : within[name];
  if (typeof handler === "function") return handler as Handler;
  throw new ManiacError("ERR_MANIAC_TASK_FILE", `The task file ${href} exports no function ${name}`);
}

/** The handler, loaded once. A file that could not be loaded is tried again by the next task. */
function loaded(handler: HandlerName): Promise<Handler> {
  const key = `${handler.name} ${handler.href}`;
  let found = handlers.get(key);
  if (found === undefined) {
    found = load(handler);
    handlers.set(key, found);
    found.catch(() => handlers.delete(key));
  }
  return found;
}

function post(message: FromThread, list?: readonly object[]): void {
  port.postMessage(message, list as Transferable[] | undefined);
}

function succeed(number: number, began: number, value: unknown): void {
  running.delete(number);
  const t = performance.now() - began;
  try {
    if (value instanceof Moved) post({ n: number, v: value.value, t }, value.list);
    else post({ n: number, v: value, t });
  } catch (cause) {
    const message = "What the task gave cannot be cloned";
    post({ n: number, e: encodeError(new ManiacError("ERR_MANIAC_TASK_RESULT", message, { cause })), t });
  }
}

function fail(number: number, began: number, thrown: unknown): void {
  running.delete(number);
  post({ n: number, e: encodeError(thrown), t: performance.now() - began });
}

/** Calls the handler and posts what comes of it; true if that is still to come. */
function call(handler: Handler, { n, v }: TaskMessage, context: Context, began: number): boolean {
  try {
    const value = which === undefined ? handler(v, context) : which.run(context, handler, v, context);
    if (!isThenable(value)) {
      succeed(n, began, value);
      return false;
    }
    value.then(
      (result) => {
        succeed(n, began, result);
        pump();
      },
      (thrown: unknown) => {
        fail(n, began, thrown);
        pump();
      },
    );
    return true;
  } catch (thrown) {
    fail(n, began, thrown);
    return false;
  }
}

function begin(message: TaskMessage): void {
  const context = new Context();
  const began = performance.now();
  running.set(message.n, context);
  if (message.f === undefined && usualHandler !== undefined) {
    call(usualHandler, message, context, began);
    return;
  }
  loaded(message.f ?? (usual as HandlerName)).then(
    (handler) => {
      if (message.f === undefined) usualHandler = handler;
      if (!call(handler, message, context, began)) pump();
    },
    (error: unknown) => {
      fail(message.n, began, error);
      pump();
    },
  );
}

/** Begins what may begin. */
function pump(): void {
  while (running.size < concurrency && at < waiting.length) {
    const message = waiting[at++] as TaskMessage | Unreadable;
    if (!claim(words, message.n)) continue;
    if ("error" in message) fail(message.n, performance.now(), message.error);
    else begin(message);
  }
  if (at === waiting.length && at > 0) {
    waiting = [];
    at = 0;
  }
}

function take(message: ToThread): void {
  if ("cancel" in message) running.get(message.cancel)?.cancel();
  else {
    last = message.n;
    waiting.push(message);
  }
}

function unreadable(error: unknown): void {
  last = (last + 1) | 0;
  waiting.push({ n: last, error });
}

/** Takes what is there. One call for many messages: an event for each would cost more than the task. */
function look(): void {
  for (;;) {
    try {
      const next = receiveMessageOnPort(port);
      if (next === undefined) return;
      take(next.message as ToThread);
    } catch (error) {
      unreadable(error);
    }
  }
}

enter({
  workerData: passed,
  blocked: (is) => post({ state: is ? "blocked" : "unblocked" }),
  look,
  signal() {
    const [only] = running.values();
    return (which === undefined ? only : which.getStore())?.signal;
  },
});
port.on("message", (message: ToThread) => {
  take(message);
  look();
  pump();
});
port.on("messageerror", (error) => {
  unreadable(error);
  pump();
});
if (usual === undefined) {
  post({ state: "ready" });
} else {
  // Loaded ahead; a file that cannot be loaded is told to the tasks.
  const ready = (): void => post({ state: "ready" });
  loaded(usual).then((handler) => {
    usualHandler = handler;
    ready();
  }, ready);
}
