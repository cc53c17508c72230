/**
 * Errors of the operating system, in Node's shape: `errno`, `code`, `syscall`, `path`, `dest`, in that order, and libuv's
 * message text.
 */
import { getSystemErrorMap } from "node:util";

/** An error of the operating system as Node shows it. */
export interface OsError extends Error {
  errno: number;
  code: string;
  syscall: string;
  path?: string;
  dest?: string;
}

let texts: Map<number, [string, string]> | undefined;
let numbers: Map<string, number> | undefined;

function textOf(errno: number): readonly [string, string] {
  texts ??= getSystemErrorMap();
  return texts.get(errno) ?? ["UNKNOWN", "unknown error"];
}

/** libuv's number (negative) of an error's name, such as `ENOENT`. */
export function errnoOf(name: string): number {
  if (numbers === undefined) {
    numbers = new Map();
    for (const [errno, [code]] of getSystemErrorMap()) {
      numbers.set(code, errno);
    }
  }
  const errno = numbers.get(name);
  if (errno === undefined) {
    throw new TypeError(`no such error: ${name}`);
  }
  return errno;
}

/** How the path of an operation reads in its error. */
export function shownPath(path: string | Uint8Array): string {
  return typeof path === "string"
    ? path
    : Buffer.from(path.buffer, path.byteOffset, path.byteLength).toString();
}

/** Makes the error for a failed system call; its stack is the caller's business. */
export function osError(
  errno: number,
  syscall: string,
  path?: string | Uint8Array | null,
  dest?: string | Uint8Array | null,
): OsError {
  const [code, text] = textOf(errno);
  let message = `${code}: ${text}, ${syscall}`;
  const from = path == null ? undefined : shownPath(path);
  const to = dest == null ? undefined : shownPath(dest);
  if (from !== undefined) {
    message += ` '${from}'`;
  }
  if (to !== undefined) {
    message += ` -> '${to}'`;
  }
  const error = new Error(message) as OsError;
  error.errno = errno;
  error.code = code;
  error.syscall = syscall;
  if (from !== undefined) {
    error.path = from;
  }
  if (to !== undefined) {
    error.dest = to;
  }
  return error;
}
