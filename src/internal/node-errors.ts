/**
 * Errors in the shape that Node gives them: `TypeError` or `RangeError` with a `code`, the code in the stack's
 * first line, and Node's wording, since programs compare messages. Cold: nothing here runs on success.
 */
import { inspect } from "node:util";

type ErrorClass = new (message: string) => Error;

/** Makes an error whose stack starts with `Name [CODE]: message` while its `name` stays the class's. */
export function coded(
  Base: ErrorClass,
  code: string,
  message: string,
  name = Base.name,
): Error & { code: string } {
  const error = new Base(message) as Error & { code: string };
  Object.defineProperty(error, "name", { value: `${name} [${code}]`, configurable: true });
  Error.captureStackTrace(error, coded);
  // A stack gets its first line when it is first looked at: look while the name holds the code.
  void error.stack;
  Reflect.deleteProperty(error, "name");
  error.code = code;
  return error;
}

/** Describes a value the way Node ends its `ERR_INVALID_ARG_TYPE` messages. */
export function received(value: unknown): string {
  if (value === null || value === undefined) {
    return String(value);
  }
  switch (typeof value) {
    case "function":
      return `function ${value.name}`;
    case "object": {
      const made: unknown = (value as { constructor?: unknown }).constructor;
      if (made && "name" in (made as object)) {
        return `an instance of ${(made as { name: string }).name}`;
      }
      return inspect(value, { depth: -1 });
    }
    case "string": {
      const shown = value.length > 28 ? `${value.slice(0, 25)}...` : value;
      return `type string (${shown.includes("'") ? JSON.stringify(shown) : `'${shown}'`})`;
    }
    case "bigint":
      return `type bigint (${value}n)`;
    case "number":
      return `type number (${Object.is(value, -0) ? "-0" : String(value)})`;
    default:
      return `type ${typeof value} (${String(value)})`;
  }
}

/** An error with a code and a message that follows none of the patterns below. */
export function plainError(Base: ErrorClass, code: string, message: string): Error {
  const error = new Base(message);
  Error.captureStackTrace(error, plainError);
  return Object.assign(error, { code });
}

const kind = (name: string): string => (name.includes(".") ? "property" : "argument");

/**
 * `ERR_INVALID_ARG_TYPE`.
 *
 * @param expected - what follows "must be", such as `of type number`.
 */
export function invalidType(name: string, expected: string, actual: unknown): Error {
  return coded(
    TypeError,
    "ERR_INVALID_ARG_TYPE",
    `The "${name}" ${kind(name)} must be ${expected}. Received ${received(actual)}`,
  );
}

/** `ERR_INVALID_ARG_VALUE`. */
export function invalidValue(name: string, actual: unknown, reason = "is invalid"): Error {
  let shown = inspect(actual);
  if (shown.length > 128) {
    shown = `${shown.slice(0, 128)}...`;
  }
  const message = `The ${kind(name)} '${name}' ${reason}. Received ${shown}`;
  return coded(TypeError, "ERR_INVALID_ARG_VALUE", message);
}

/** Groups digits by threes with `_`, as Node shows large numbers. */
function grouped(digits: string): string {
  return digits.replace(/(?<=\d)(?=(?:\d{3})+$)/g, "_");
}

/** `ERR_OUT_OF_RANGE`; `range` is what follows "It must be". */
export function outOfRange(name: string, range: string, actual: unknown): Error {
  let shown: string;
  if (Number.isInteger(actual) && Math.abs(actual as number) > 2 ** 32) {
    shown = grouped(String(actual));
  } else if (typeof actual === "bigint") {
    const large = actual > 2n ** 32n || actual < -(2n ** 32n);
    shown = `${large ? grouped(String(actual)) : actual}n`;
  } else {
    shown = inspect(actual);
  }
  const message = `The value of "${name}" is out of range. It must be ${range}. Received ${shown}`;
  return coded(RangeError, "ERR_OUT_OF_RANGE", message);
}

/** `ERR_INVALID_STATE`. */
export function invalidState(message: string): Error {
  return coded(Error, "ERR_INVALID_STATE", `Invalid state: ${message}`);
}

/** `ERR_METHOD_NOT_IMPLEMENTED`. */
export function notImplemented(method: string): Error {
  return coded(Error, "ERR_METHOD_NOT_IMPLEMENTED", `The ${method} method is not implemented`);
}

/** `ERR_FS_FILE_TOO_LARGE`. */
export function fileTooLarge(size: number): Error {
  return coded(RangeError, "ERR_FS_FILE_TOO_LARGE", `File size (${size}) is greater than 2 GiB`);
}

/** `ERR_UNKNOWN_ENCODING`. */
export function unknownEncoding(encoding: string): Error {
  return coded(TypeError, "ERR_UNKNOWN_ENCODING", `Unknown encoding: ${encoding}`);
}

/** `ERR_FS_INVALID_SYMLINK_TYPE`. */
export function invalidSymlinkType(type: string): Error {
  const message = `Symlink type must be one of "dir", "file", or "junction". Received "${type}"`;
  return coded(Error, "ERR_FS_INVALID_SYMLINK_TYPE", message);
}

/** `ERR_INCOMPATIBLE_OPTION_PAIR`. */
export function incompatibleOptions(first: string, second: string): Error {
  const message = `Option "${first}" cannot be used in combination with option "${second}"`;
  return coded(TypeError, "ERR_INCOMPATIBLE_OPTION_PAIR", message);
}

/** `ERR_DIR_CLOSED`. */
export function dirClosed(): Error {
  return coded(Error, "ERR_DIR_CLOSED", "Directory handle was closed");
}

/** `ERR_DIR_CONCURRENT_OPERATION`. */
export function dirConcurrentOperation(): Error {
  const message = "Cannot do synchronous work on directory handle with concurrent asynchronous operations";
  return coded(Error, "ERR_DIR_CONCURRENT_OPERATION", message);
}

/** What a {@link systemError} tells about the call that failed. */
export interface SystemErrorContext {
  readonly code: string;
  readonly errno: number;
  readonly message: string;
  readonly path?: string | Uint8Array;
  readonly dest?: string | Uint8Array;
  readonly syscall: string;
}

/** The `SystemError` that `rm` and `cp` reject with: `info` holds the context, the code is Node's own. */
export function systemError(code: string, prefix: string, context: SystemErrorContext): Error {
  let message = `${prefix}: ${context.syscall} returned ${context.code} (${context.message})`;
  if (context.path !== undefined) {
    message += ` ${context.path}`;
  }
  if (context.dest !== undefined) {
    message += ` => ${context.dest}`;
  }
  const error = coded(Error, code, message, "SystemError");
  Object.defineProperty(error, "name", { value: "SystemError", configurable: true, writable: true });
  return Object.assign(error, { info: context }, pick(context));
}

function pick({ errno, syscall, path, dest }: SystemErrorContext): object {
  return {
    errno,
    syscall,
    ...(path === undefined ? {} : { path: path.toString() }),
    ...(dest === undefined ? {} : { dest: dest.toString() }),
  };
}

/** What an aborted operation rejects with; the class is Node's in all but identity. */
class AbortError extends Error {
  readonly code = "ABORT_ERR";
  override name = "AbortError";
}

/**
 * The error that an aborted operation rejects with: `name` is `AbortError`, `code` is `ABORT_ERR`, and `cause` is the
 * signal's reason.
 */
export function abortError(signal: AbortSignal): Error {
  return new AbortError("The operation was aborted", { cause: signal.reason });
}
