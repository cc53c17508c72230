/**
 * Errors between threads. The structured clone keeps name, message and stack of the language's own errors and nothing else;
 * here an error keeps its class where the other side knows it, `code` and other properties, `cause` and `errors`.
 */
import { inspect } from "node:util";
import { ManiacError, type ManiacErrorCode } from "../errors.js";

/** An error's causes of causes that are kept. */
const DEPTH = 8;

/** What was thrown, as a message carries it. */
export interface EncodedError {
  /** Set if it was no error: the value itself. */
  readonly value?: unknown;
  readonly name?: string;
  readonly message?: string;
  readonly stack?: string | undefined;
  readonly cause?: EncodedError | undefined;
  readonly errors?: readonly EncodedError[] | undefined;
  readonly properties?: Readonly<Record<string, unknown>>;
}

const BUILT_IN = {
  AggregateError,
  Error,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
};
/** Written by the encoding itself. */
const OWN = new Set(["name", "message", "stack", "cause", "errors"]);

/** A value that can be cloned: itself, or its description. */
function cloneable(value: unknown): unknown {
  if (typeof value !== "object" && typeof value !== "function" && typeof value !== "symbol") return value;
  try {
    return structuredClone(value);
  } catch {
    return inspect(value);
  }
}

/** What was thrown, for a message. It never throws. */
export function encodeError(thrown: unknown, depth = DEPTH): EncodedError {
  if (!(thrown instanceof Error)) return { value: cloneable(thrown) };
  const properties: Record<string, unknown> = {};
  for (const key of Object.keys(thrown)) {
    if (!OWN.has(key)) properties[key] = cloneable((thrown as unknown as Record<string, unknown>)[key]);
  }
  const more = depth > 0 ? depth - 1 : 0;
  const { cause } = thrown;
  const errors = thrown instanceof AggregateError ? thrown.errors.slice(0, 100) : undefined;
  return {
    name: String(thrown.name),
    message: String(thrown.message),
    stack: typeof thrown.stack === "string" ? thrown.stack : undefined,
    cause: cause === undefined || depth === 0 ? undefined : encodeError(cause, more),
    errors: depth === 0 ? undefined : errors?.map((one: unknown) => encodeError(one, more)),
    properties,
  };
}

function made({ name = "Error", message = "", errors, properties }: EncodedError): Error {
  if (name === "ManiacError") {
    return new ManiacError(properties?.code as ManiacErrorCode, message);
  }
  if (name === "AggregateError") {
    return new AggregateError((errors ?? []).map(decodeError), message);
  }
  if (Object.hasOwn(BUILT_IN, name)) {
    return new BUILT_IN[name as Exclude<keyof typeof BUILT_IN, "AggregateError">](message);
  }
  if (name === "DataCloneError") {
    return new DOMException(message, name);
  }
  const error = new Error(message);
  Object.defineProperty(error, "name", { value: name, configurable: true, writable: true });
  return error;
}

/** What was thrown, again. */
export function decodeError(encoded: EncodedError): unknown {
  if (encoded.name === undefined) return encoded.value;
  const error = made(encoded);
  Object.assign(error, encoded.properties);
  if (encoded.stack !== undefined) {
    Object.defineProperty(error, "stack", { value: encoded.stack, configurable: true, writable: true });
  }
  if (encoded.cause !== undefined) {
    Object.defineProperty(error, "cause", {
      value: decodeError(encoded.cause),
      configurable: true,
      writable: true,
    });
  }
  return error;
}
