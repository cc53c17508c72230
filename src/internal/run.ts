/** Submits requests: the few lines between a checked call and the engine. */
import { isTraced, traced, tracedNow } from "./diagnostics.js";
import { engine } from "./engine.js";
import { abortError } from "./node-errors.js";
import type { Request } from "./request.js";

// One executor for all promises: a closure for each would be the largest cost of a short operation.
let starting: Request | undefined;
const executor = (resolve: (value: unknown) => void, reject: (reason: unknown) => void): void => {
  const request = starting as Request;
  // Not kept: it would hold the last operation's result.
  starting = undefined;
  request.resolve = resolve;
  request.reject = reject;
};

/** Submits `request`; gives its promise. */
export function run<T>(request: Request): Promise<T> {
  return isTraced(request) ? traced(request, () => submit<T>(request)) : submit(request);
}

function submit<T>(request: Request): Promise<T> {
  starting = request;
  const promise = new Promise(executor) as Promise<T>;
  engine().submit(request);
  return promise;
}

const abort = (request: Request, signal: AbortSignal): void => engine().abort(request, signal);

/** As {@link run}, and aborts it with `signal`, if there is one. */
export function runWith<T>(request: Request, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) {
    return run(request);
  }
  if (signal.aborted) {
    request.release();
    return Promise.reject(abortError(signal));
  }
  const promise = run<T>(request);
  if (!request.settled) {
    request.listen(signal, abort);
  }
  return promise;
}

/** Runs an operation to its end on this thread, which it blocks. */
export function runNow<T>(request: Request): T {
  return isTraced(request) ? tracedNow(request, () => submitNow<T>(request)) : submitNow(request);
}

function submitNow<T>(request: Request): T {
  let value: unknown;
  let failure: unknown;
  let failed = false;
  request.synchronous = true;
  request.resolve = (result) => {
    value = result;
  };
  request.reject = (reason) => {
    failed = true;
    failure = reason;
  };
  engine().runNow(request);
  if (failed) {
    throw failure;
  }
  return value as T;
}
