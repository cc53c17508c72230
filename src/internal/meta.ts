/** Attributes of files by path: `stat` and its kin, `access`, `chmod`, `chown`, `utimes`, `truncate`. */
import type { Abortable } from "node:events";
import type {
  BigIntStats,
  BigIntStatsFs,
  Mode,
  PathLike,
  StatFsOptions,
  StatOptions,
  Stats,
  StatsFs,
  TimeLike,
} from "node:fs";
import { constants } from "node:fs";
import { open } from "./file-handle.js";
import { notImplemented } from "./node-errors.js";
import {
  F_BIGINT,
  OP_ACCESS,
  OP_CHMOD,
  OP_CHOWN,
  OP_LCHOWN,
  OP_LSTAT,
  OP_LUTIMES,
  OP_STAT,
  OP_STATFS,
  OP_TRUNCATE,
  OP_UTIMES,
} from "./ops.js";
import { osError } from "./os-errors.js";
import { mayRead, mayWrite, node, restricted } from "./permission.js";
import { type Operation, type Path, plain, Request } from "./request.js";
import { run, runWith } from "./run.js";
import { statFsFrom, statOperation, validStatOptions } from "./stats.js";
import { putTimes } from "./times.js";
import {
  NODE_MAJOR,
  signalOf,
  unixSeconds,
  validId,
  validInteger,
  validMode,
  validNumericMode,
  validPath,
} from "./validate.js";

const STAT = statOperation(OP_STAT, "stat");
const LSTAT = statOperation(OP_LSTAT, "lstat");
const STATFS: Operation = {
  code: OP_STATFS,
  steps: ["statfs"],
  finish: (request, completion) => statFsFrom(completion, (request.op & F_BIGINT) !== 0),
};
const ACCESS = plain(OP_ACCESS, "access");
const CHMOD = plain(OP_CHMOD, "chmod");
const CHOWN = plain(OP_CHOWN, "chown");
const LCHOWN = plain(OP_LCHOWN, "lchown");
const UTIMES = plain(OP_UTIMES, "utime");
const LUTIMES = plain(OP_LUTIMES, "lutime");
const TRUNCATE: Operation = {
  code: OP_TRUNCATE,
  steps: ["open", "ftruncate", "close"],
  finish: () => undefined,
};

interface StatCall {
  readonly bigint?: boolean | undefined;
  readonly throwIfNoEntry?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What Node 24 brought: a file that is not there is no error where the caller says so. */
function unlessMissing(promise: Promise<never>): Promise<never> {
  return promise.catch((error: { code?: unknown }) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") {
      return undefined as never;
    }
    throw error;
  });
}

/** A stat call; written without async functions, since programs make millions of them. */
function statCall(
  operation: Operation,
  fallback: (path: PathLike, options?: StatOptions) => Promise<unknown>,
  path: PathLike,
  options: StatCall,
): Promise<never> {
  try {
    if (operation !== STATFS) {
      validStatOptions(options);
    }
    const valid = validPath(path);
    const request = new Request(operation, options.bigint === true ? F_BIGINT : 0);
    request.path = valid;
    if (restricted && !mayRead(valid)) {
      return fallback(path, options as StatOptions) as Promise<never>;
    }
    return options.signal === undefined ? run(request) : runWith(request, signalOf(options));
  } catch (error) {
    return Promise.reject(error);
  }
}

/**
 * Gives a file's attributes, following links.
 *
 * @param path - the file.
 * @param options - `bigint` for 64-bit fields and nanoseconds; `throwIfNoEntry: false` to get `undefined` for a file that is not there,
 *   from Node 24 on; `signal` to abort it.
 *
 * @example
 * ```ts
 * import { stat } from "maniac/fs";
 *
 * const { size, mtime } = await stat("package.json");
 * console.log(size, mtime.toISOString());
 * ```
 */
export function stat(
  path: PathLike,
  options: StatOptions & Abortable & { bigint?: false | undefined; throwIfNoEntry: false },
): Promise<Stats | undefined>;
export function stat(
  path: PathLike,
  options: StatOptions & Abortable & { bigint: true; throwIfNoEntry: false },
): Promise<BigIntStats | undefined>;
export function stat(
  path: PathLike,
  options?: StatOptions & Abortable & { bigint?: false | undefined },
): Promise<Stats>;
export function stat(
  path: PathLike,
  options: StatOptions & Abortable & { bigint: true },
): Promise<BigIntStats>;
export function stat(path: PathLike, options?: StatOptions & Abortable): Promise<Stats | BigIntStats>;
export function stat(path: PathLike, options: StatCall = { bigint: false }): Promise<never> {
  const found = statCall(STAT, node.stat, path, options);
  return options?.throwIfNoEntry === false && NODE_MAJOR >= 24 ? unlessMissing(found) : found;
}

/** Whether there is a directory at `path`, or a link to one. */
export function isDirectory(path: Path): Promise<boolean> {
  return stat(path as Buffer).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
}

/**
 * Gives a file's attributes; of a link, the link's own.
 *
 * @param path - the file.
 * @param options - `bigint` for 64-bit fields and nanoseconds; `signal` to abort it.
 *
 * @example
 * ```ts
 * import { lstat } from "maniac/fs";
 *
 * console.log((await lstat("node_modules")).isSymbolicLink());
 * ```
 */
export function lstat(
  path: PathLike,
  options?: StatOptions & Abortable & { bigint?: false | undefined },
): Promise<Stats>;
export function lstat(
  path: PathLike,
  options: StatOptions & Abortable & { bigint: true },
): Promise<BigIntStats>;
export function lstat(path: PathLike, options?: StatOptions & Abortable): Promise<Stats | BigIntStats>;
export function lstat(path: PathLike, options: StatOptions & Abortable = { bigint: false }): Promise<never> {
  return statCall(LSTAT, node.lstat, path, options);
}

/**
 * Gives the attributes of the file system that a path is on.
 *
 * @param path - any file or directory on it.
 * @param options - `bigint` for 64-bit fields; `signal` to abort it.
 *
 * @example
 * ```ts
 * import { statfs } from "maniac/fs";
 *
 * const { bavail, bsize } = await statfs(".");
 * console.log(`${(bavail * bsize) / 2 ** 30} GiB free`);
 * ```
 */
export function statfs(
  path: PathLike,
  options?: StatFsOptions & Abortable & { bigint?: false | undefined },
): Promise<StatsFs>;
export function statfs(
  path: PathLike,
  options: StatFsOptions & Abortable & { bigint: true },
): Promise<BigIntStatsFs>;
export function statfs(path: PathLike, options?: StatFsOptions & Abortable): Promise<StatsFs | BigIntStatsFs>;
export function statfs(
  path: PathLike,
  options: StatFsOptions & Abortable = { bigint: false },
): Promise<never> {
  return statCall(STATFS, node.statfs, path, options);
}

/**
 * Rejects unless the file may be accessed as `mode` says.
 *
 * @param path - the file.
 * @param mode - `constants.F_OK` (the default), or `R_OK`, `W_OK`, `X_OK` combined.
 * @param options - `signal` to abort it.
 *
 * @example
 * ```ts
 * import { access, constants } from "maniac/fs";
 *
 * const readable = await access("/etc/shadow", constants.R_OK).then(() => true, () => false);
 * console.log(readable);
 * ```
 */
export async function access(
  path: PathLike,
  mode: number = constants.F_OK,
  options: Abortable = {},
): Promise<void> {
  const request = new Request(ACCESS);
  request.path = validPath(path);
  request.arg0 = validNumericMode(mode, constants.R_OK | constants.W_OK | constants.X_OK);
  if (restricted && !mayRead(request.path)) {
    return await node.access(path, mode);
  }
  return await runWith(request, signalOf(options));
}

/**
 * Changes a file's permission bits.
 *
 * @param path - the file.
 * @param mode - a number or an octal string.
 * @param options - `signal` to abort it.
 *
 * @example
 * ```ts
 * import { chmod } from "maniac/fs";
 *
 * await chmod("run.sh", 0o755);
 * ```
 */
export async function chmod(path: PathLike, mode: Mode, options: Abortable = {}): Promise<void> {
  const request = new Request(CHMOD);
  request.path = validPath(path);
  request.arg1 = validMode(mode, "mode");
  if (restricted && !mayWrite(request.path)) {
    return await node.chmod(path, mode);
  }
  return await runWith(request, signalOf(options));
}

/**
 * Changes the permission bits of a link itself. Only macOS can.
 *
 * @param path - the link.
 * @param mode - a number or an octal string.
 * @param options - `signal` to abort it.
 * @throws `ERR_METHOD_NOT_IMPLEMENTED` where the platform has no such call.
 *
 * @example
 * ```ts
 * import { lchmod } from "maniac/fs";
 *
 * if (process.platform === "darwin") await lchmod("link", 0o700);
 * ```
 */
export async function lchmod(path: PathLike, mode: Mode, options: Abortable = {}): Promise<void> {
  if (constants.O_SYMLINK === undefined) {
    throw notImplemented("lchmod()");
  }
  const handle = await open(path, constants.O_WRONLY | constants.O_SYMLINK, undefined, options);
  try {
    await handle.chmod(mode, options);
  } finally {
    await handle.close();
  }
}

/**
 * Changes a file's owner and group.
 *
 * @param path - the file.
 * @param uid - the owner; -1 leaves it.
 * @param gid - the group; -1 leaves it.
 * @param options - `signal` to abort it.
 *
 * @example
 * ```ts
 * import { chown } from "maniac/fs";
 *
 * await chown("data", process.getuid?.() ?? -1, -1);
 * ```
 */
export async function chown(
  path: PathLike,
  uid: number,
  gid: number,
  options: Abortable = {},
): Promise<void> {
  return await chownCall(CHOWN, node.chown, path, uid, gid, options);
}

/**
 * Changes the owner and group of a link itself.
 *
 * @param path - the link.
 * @param uid - the owner; -1 leaves it.
 * @param gid - the group; -1 leaves it.
 * @param options - `signal` to abort it.
 *
 * @example
 * ```ts
 * import { lchown } from "maniac/fs";
 *
 * await lchown("link", process.getuid?.() ?? -1, -1);
 * ```
 */
export async function lchown(
  path: PathLike,
  uid: number,
  gid: number,
  options: Abortable = {},
): Promise<void> {
  return await chownCall(LCHOWN, node.lchown, path, uid, gid, options);
}

async function chownCall(
  operation: Operation,
  fallback: (path: PathLike, uid: number, gid: number) => Promise<void>,
  path: PathLike,
  uid: number,
  gid: number,
  options: Abortable,
): Promise<void> {
  const request = new Request(operation);
  request.path = validPath(path);
  request.arg0 = validId(uid, "uid");
  request.arg1 = validId(gid, "gid");
  if (restricted && !mayWrite(request.path)) {
    return await fallback(path, uid, gid);
  }
  return await runWith(request, signalOf(options));
}

/**
 * Changes the times of last access and modification.
 *
 * @param path - the file.
 * @param atime - seconds since 1970 as a number or numeric string, or a Date.
 * @param mtime - the same.
 * @param options - `signal` to abort it.
 *
 * @example
 * ```ts
 * import { utimes } from "maniac/fs";
 *
 * await utimes("stamp", new Date(), new Date());
 * ```
 */
export async function utimes(
  path: PathLike,
  atime: TimeLike,
  mtime: TimeLike,
  options: Abortable = {},
): Promise<void> {
  return await utimesCall(UTIMES, node.utimes, path, atime, mtime, options);
}

/**
 * Changes the times of a link itself.
 *
 * @param path - the link.
 * @param atime - seconds since 1970 as a number or numeric string, or a Date.
 * @param mtime - the same.
 * @param options - `signal` to abort it.
 *
 * @example
 * ```ts
 * import { lutimes } from "maniac/fs";
 *
 * await lutimes("link", 0, 0);
 * ```
 */
export async function lutimes(
  path: PathLike,
  atime: TimeLike,
  mtime: TimeLike,
  options: Abortable = {},
): Promise<void> {
  return await utimesCall(LUTIMES, node.lutimes, path, atime, mtime, options);
}

async function utimesCall(
  operation: Operation,
  fallback: (path: PathLike, atime: TimeLike, mtime: TimeLike) => Promise<void>,
  path: PathLike,
  atime: TimeLike,
  mtime: TimeLike,
  options: Abortable,
): Promise<void> {
  const request = new Request(operation);
  request.path = validPath(path);
  const errno = putTimes(request, unixSeconds(atime), unixSeconds(mtime));
  if (restricted && !mayWrite(request.path)) {
    return await fallback(path, atime, mtime);
  }
  if (errno !== 0) {
    throw osError(errno, operation.steps[0] as string, request.path);
  }
  return await runWith(request, signalOf(options));
}

/**
 * Cuts or extends a file to `length` bytes.
 *
 * @param path - the file; must exist.
 * @param length - bytes; what is negative counts as 0. Default 0.
 * @param options - `signal` to abort it.
 *
 * @example
 * ```ts
 * import { truncate } from "maniac/fs";
 *
 * await truncate("log.txt");
 * ```
 */
export async function truncate(path: PathLike, length = 0, options: Abortable = {}): Promise<void> {
  const valid = validPath(path);
  if (restricted && !(mayRead(valid) && mayWrite(valid))) {
    return await node.truncate(path, length);
  }
  const signal = signalOf(options);
  if (typeof length !== "number" || !Number.isInteger(length)) {
    // Node opens the file before it looks at the length, so a missing file is the error that counts.
    const handle = await open(path, "r+");
    try {
      validInteger(length, "len");
    } finally {
      await handle.close();
    }
  }
  const request = new Request(TRUNCATE);
  request.path = valid;
  request.extra = Math.max(0, validInteger(length, "len"));
  return await runWith(request, signal);
}
