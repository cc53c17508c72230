/** Removing: `rm`, and what `rmdir` shares with it. */
import type { Abortable } from "node:events";
import type { PathLike, RmOptions } from "node:fs";
import { constants } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { isDirectoryType, isUncertainType, joinName } from "./dirents.js";
import { chmod, lstat } from "./meta.js";
import { decodeListing } from "./names.js";
import { systemError } from "./node-errors.js";
import { F_TYPES, OP_READDIR, OP_RMDIR, OP_UNLINK } from "./ops.js";
import { mayWrite, node, restricted } from "./permission.js";
import { type Operation, type Path, plain, Request } from "./request.js";
import { runWith } from "./run.js";
import {
  isWindows,
  signalOf,
  validBoolean,
  validInt32,
  validObject,
  validPath,
  validUint32,
} from "./validate.js";

/** Branches of one tree that are removed at a time, beside the one that found them. */
const BRANCHES = 64;

const UNLINK = plain(OP_UNLINK, "unlink");
const RMDIR = plain(OP_RMDIR, "rmdir");

interface Child {
  readonly name: Buffer;
  readonly type: number;
}

const CHILDREN: Operation = {
  code: OP_READDIR,
  steps: ["scandir"],
  finish(_request, completion): Child[] {
    const { names, types } = decodeListing(completion, completion.result, true, "buffer");
    return names.map((name, index) => ({ name: name as Buffer, type: types[index] as number }));
  },
};

/** What all branches of one removal share. */
interface Removal {
  readonly retries: Retries;
  readonly signal: AbortSignal | undefined;
  /** Further branches that may be started. */
  branches: number;
}

/** How often, and after how many milliseconds more each time, a removal is tried again. */
export interface Retries {
  readonly maxRetries: number;
  readonly retryDelay: number;
}

interface RmdirSettings extends Retries {
  readonly recursive: boolean;
}

interface RmSettings extends RmdirSettings {
  readonly force: boolean;
}

function settings<T extends RmdirSettings>(options: unknown, defaults: T): T {
  if (options === undefined) {
    return defaults;
  }
  const given = { ...defaults, ...validObject(options, "options") };
  validBoolean(given.recursive, "options.recursive");
  validInt32(given.retryDelay, "options.retryDelay", 0);
  validUint32(given.maxRetries, "options.maxRetries");
  return given;
}

/** Checks the options of `rmdir`. */
export function validRmdirOptions(options: unknown): RmdirSettings {
  return settings(options, { recursive: false, maxRetries: 0, retryDelay: 100 });
}

function call<T>(operation: Operation, path: Path, signal: AbortSignal | undefined, flags = 0): Promise<T> {
  const request = new Request(operation, flags);
  request.path = path;
  return runWith(request, signal);
}

/** Removes one empty directory. */
export function removeDirectory(path: Path, signal: AbortSignal | undefined): Promise<void> {
  return call(RMDIR, path, signal);
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown }).code;
}

const TRY_AGAIN: ReadonlySet<unknown> = new Set(["EBUSY", "EMFILE", "ENFILE", "ENOTEMPTY", "EPERM"]);
const NOT_EMPTY: ReadonlySet<unknown> = new Set(["ENOTEMPTY", "EEXIST", "EPERM"]);

/** Removes a file, or a directory and all below it. What is gone already counts as removed. */
export function removeTree(path: Path, retries: Retries, signal: AbortSignal | undefined): Promise<void> {
  return removeBranch({ retries, signal, branches: BRANCHES }, path, undefined);
}

async function removeBranch(removal: Removal, path: Path, type: number | undefined): Promise<void> {
  const { retries, signal } = removal;
  for (let tries = 1; ; tries++) {
    try {
      return await removeOnce(removal, path, type);
    } catch (error) {
      const code = codeOf(error);
      if (TRY_AGAIN.has(code) && tries <= retries.maxRetries) {
        await sleep(tries * retries.retryDelay, undefined, signal === undefined ? {} : { signal });
      } else if (code === "ENOENT") {
        return;
      } else {
        throw error;
      }
    }
  }
}

async function removeOnce(removal: Removal, path: Path, type: number | undefined): Promise<void> {
  const { signal } = removal;
  const directory =
    type === undefined || isUncertainType(type)
      ? (await lstat(path as Buffer, { signal })).isDirectory()
      : isDirectoryType(type);
  if (directory) {
    return await removeFull(removal, path, undefined);
  }
  try {
    await call(UNLINK, path, signal);
  } catch (error) {
    const code = codeOf(error);
    if (code === "EPERM" && isWindows) {
      // A read-only file: make it writable and try once more.
      await chmod(path as Buffer, 0o666, { signal });
      return await call(UNLINK, path, signal);
    }
    if (code !== "EISDIR" && code !== "EPERM") {
      throw error;
    }
    await removeFull(removal, path, error);
  }
}

/** Removes a directory that may hold something; `original` is the error that counts if it is none after all. */
async function removeFull(removal: Removal, path: Path, original: unknown): Promise<void> {
  const { signal } = removal;
  try {
    return await removeDirectory(path, signal);
  } catch (error) {
    const code = codeOf(error);
    if (code === "ENOTDIR" && original !== undefined) {
      throw original;
    }
    if (!NOT_EMPTY.has(code)) {
      throw error;
    }
  }
  await removeChildren(removal, path, await call<Child[]>(CHILDREN, path, signal, F_TYPES));
  await removeDirectory(path, signal);
}

/** Removes what a directory holds: as branches of their own while there are any left, else one after the other. */
async function removeChildren(removal: Removal, path: Path, children: readonly Child[]): Promise<void> {
  const base = Buffer.from(path as string);
  const started = new Set<Promise<void>>();
  let failed = false;
  let failure: unknown;
  for (const { name, type } of children) {
    if (failed) {
      break;
    }
    const removed = removeBranch(removal, joinName(base, name), type).catch((error: unknown) => {
      failure = failed ? failure : error;
      failed = true;
    });
    if (removal.branches === 0) {
      await removed;
    } else {
      removal.branches--;
      const ended = removed.then(() => {
        removal.branches++;
        started.delete(ended);
      });
      started.add(ended);
    }
  }
  await Promise.all(started);
  if (failed) {
    throw failure;
  }
}

/**
 * Removes a file or, with `recursive`, a directory and all below it.
 *
 * Cancel safety: what was removed before an abort is gone.
 *
 * @param path - what to remove.
 * @param options - `recursive`; `force` to take a missing path for success; `maxRetries` and `retryDelay` (milliseconds, more
 *   each time) for busy files; `signal` to abort it.
 *
 * @example
 * ```ts
 * import { rm } from "maniac/fs";
 *
 * await rm("build", { recursive: true, force: true });
 * ```
 */
export async function rm(path: PathLike, options?: RmOptions & Abortable): Promise<void> {
  const valid = validPath(path);
  const given = settings<RmSettings>(options, {
    recursive: false,
    force: false,
    maxRetries: 0,
    retryDelay: 100,
  });
  validBoolean(given.force, "options.force");
  const signal = signalOf(options);
  if (restricted && !mayWrite(valid)) {
    return await node.rm(path, options);
  }
  let directory: boolean;
  try {
    directory = (await lstat(valid as Buffer, { signal })).isDirectory();
  } catch (error) {
    if (given.force && codeOf(error) === "ENOENT") {
      return;
    }
    throw error;
  }
  if (directory && !given.recursive) {
    throw systemError("ERR_FS_EISDIR", "Path is a directory", {
      code: "EISDIR",
      message: "is a directory",
      path: valid,
      syscall: "rm",
      errno: constants.errno.EISDIR,
    });
  }
  await removeTree(valid, given, signal);
}
