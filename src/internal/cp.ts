/** Copying trees: `cp`. */
import type { Abortable } from "node:events";
import { type BigIntStats, constants, type CopyOptions as NodeCopyOptions, type Stats } from "node:fs";
import { constants as osConstants } from "node:os";
import { dirname, isAbsolute, join, parse, resolve, sep } from "node:path";
import type { URL } from "node:url";
import { mkdir, readdir } from "./directories.js";
import { copyFile, readlink, symlink, unlink } from "./links.js";
import { chmod, lstat, stat, utimes } from "./meta.js";
import { abortError, incompatibleOptions, systemError } from "./node-errors.js";
import { mayRead, mayWrite, node, restricted } from "./permission.js";
import {
  NODE_MAJOR,
  signalOf,
  validBoolean,
  validFunction,
  validInteger,
  validObject,
  validPath,
} from "./validate.js";

const { EEXIST, EINVAL, EISDIR, ENOTDIR } = osConstants.errno;

/** Options of {@link cp}. */
export interface CpOptions extends NodeCopyOptions, Abortable {}

interface Settings {
  readonly dereference: boolean;
  readonly errorOnExist: boolean;
  readonly filter: ((source: string, destination: string) => boolean | Promise<boolean>) | undefined;
  readonly force: boolean;
  readonly mode: number;
  readonly preserveTimestamps: boolean;
  readonly recursive: boolean;
  readonly verbatimSymlinks: boolean;
  readonly signal: AbortSignal | undefined;
}

/** The kinds of refusal; each has its code, its number and the first words of its message. */
const REFUSALS = {
  dirToNonDir: [
    "ERR_FS_CP_DIR_TO_NON_DIR",
    "Cannot overwrite non-directory with directory",
    "EISDIR",
    EISDIR,
  ],
  exists: ["ERR_FS_CP_EEXIST", "Target already exists", "EEXIST", EEXIST],
  fifo: ["ERR_FS_CP_FIFO_PIPE", "Cannot copy a FIFO pipe", "EINVAL", EINVAL],
  invalid: ["ERR_FS_CP_EINVAL", "Invalid src or dest", "EINVAL", EINVAL],
  isDir: ["ERR_FS_EISDIR", "Path is a directory", "EISDIR", EISDIR],
  nonDirToDir: [
    "ERR_FS_CP_NON_DIR_TO_DIR",
    "Cannot overwrite directory with non-directory",
    "ENOTDIR",
    ENOTDIR,
  ],
  socket: ["ERR_FS_CP_SOCKET", "Cannot copy a socket file", "EINVAL", EINVAL],
  subdirectory: [
    "ERR_FS_CP_SYMLINK_TO_SUBDIRECTORY",
    "Cannot overwrite symlink in subdirectory of self",
    "EINVAL",
    EINVAL,
  ],
  unknown: ["ERR_FS_CP_UNKNOWN", "Cannot copy an unknown file type", "EINVAL", EINVAL],
} as const;

function refusal(kind: keyof typeof REFUSALS, message: string, path: string): Error {
  const [key, prefix, code, errno] = REFUSALS[kind];
  return systemError(key, prefix, { message, path, syscall: "cp", errno, code });
}

function validSettings(options: unknown): Settings {
  const given = {
    dereference: false,
    errorOnExist: false,
    filter: undefined,
    force: true,
    preserveTimestamps: false,
    recursive: false,
    verbatimSymlinks: false,
    ...(options === undefined ? {} : validObject(options, "options")),
  } as unknown as Settings & { mode: number };
  if (options === undefined) {
    return { ...given, mode: 0, signal: undefined };
  }
  validBoolean(given.dereference, "options.dereference");
  validBoolean(given.errorOnExist, "options.errorOnExist");
  validBoolean(given.force, "options.force");
  validBoolean(given.preserveTimestamps, "options.preserveTimestamps");
  validBoolean(given.recursive, "options.recursive");
  validBoolean(given.verbatimSymlinks, "options.verbatimSymlinks");
  const { COPYFILE_EXCL, COPYFILE_FICLONE, COPYFILE_FICLONE_FORCE } = constants;
  const most = COPYFILE_EXCL | COPYFILE_FICLONE | COPYFILE_FICLONE_FORCE;
  const mode = given.mode == null ? 0 : validInteger(given.mode, "mode", 0, most);
  if (given.dereference && given.verbatimSymlinks) {
    throw incompatibleOptions("dereference", "verbatimSymlinks");
  }
  if (given.filter !== undefined) {
    validFunction(given.filter, "options.filter");
  }
  return { ...given, mode, signal: signalOf(options) };
}

/**
 * Copies a file, or with `recursive` a directory and all below it.
 *
 * Cancel safety: what was copied before an abort stays.
 *
 * @param source - what to copy.
 * @param destination - the copy; missing parents are made.
 * @param options - as in Node: `dereference`, `errorOnExist`, `filter`, `force`, `mode`, `preserveTimestamps`, `recursive`,
 *   `verbatimSymlinks`; and `signal` to abort it.
 *
 * @example
 * ```ts
 * import { cp } from "maniac/fs";
 *
 * await cp("template", "project", { recursive: true, filter: (source) => !source.endsWith(".tmp") });
 * ```
 */
export async function cp(
  source: string | URL,
  destination: string | URL,
  options?: CpOptions,
): Promise<void> {
  const settings = validSettings(options);
  const from = validPath(source, "src") as string;
  const to = validPath(destination, "dest") as string;
  if (restricted && !(mayRead(from) && mayWrite(to))) {
    return await node.cp(source, destination, options);
  }
  throwIfAborted(settings);
  const checked = await check(from, to, settings);
  if (checked === undefined) {
    return;
  }
  await refuseCopyIntoSelf(from, checked.sourceStats, to);
  await mkdirParents(to);
  await copy(checked.destinationStats, from, to, settings);
}

function throwIfAborted({ signal }: Settings): void {
  if (signal?.aborted) {
    throw abortError(signal);
  }
}

interface Checked {
  readonly sourceStats: BigIntStats;
  readonly destinationStats: BigIntStats | null;
}

function orNull<T>(pending: Promise<T>): Promise<T | null> {
  return pending.catch((error: unknown) => {
    if ((error as { code?: unknown }).code === "ENOENT") {
      return null;
    }
    throw error;
  });
}

function same(a: BigIntStats, b: BigIntStats): boolean {
  return b.ino !== 0n && b.dev !== 0n && a.ino === b.ino && a.dev === b.dev;
}

/** Looks at both ends; `undefined` when the filter leaves the source out. */
async function check(from: string, to: string, settings: Settings): Promise<Checked | undefined> {
  if (settings.filter !== undefined && !(await settings.filter(from, to))) {
    return undefined;
  }
  const look = settings.dereference ? stat : lstat;
  const [sourceStats, destinationStats] = await Promise.all([
    look(from, { bigint: true }),
    orNull(look(to, { bigint: true })),
  ]);
  if (destinationStats !== null) {
    if (same(sourceStats, destinationStats)) {
      throw refusal("invalid", "src and dest cannot be the same", to);
    }
    if (sourceStats.isDirectory() && !destinationStats.isDirectory()) {
      throw refusal("dirToNonDir", `cannot overwrite non-directory ${to} with directory ${from}`, to);
    }
    if (!sourceStats.isDirectory() && destinationStats.isDirectory()) {
      throw refusal("nonDirToDir", `cannot overwrite directory ${to} with non-directory ${from}`, to);
    }
  }
  if (sourceStats.isDirectory() && isBelow(from, to)) {
    throw refusal("invalid", `cannot copy ${from} to a subdirectory of self ${to}`, to);
  }
  return { sourceStats, destinationStats };
}

/** Whether `path` names `directory` or something in it, by the names alone. */
function isBelow(directory: string, path: string): boolean {
  const parts = resolve(path).split(sep).filter(Boolean);
  return resolve(directory)
    .split(sep)
    .filter(Boolean)
    .every((part, index) => parts[index] === part);
}

/** Walks up from the destination: none of its parents may be the source itself under another name. */
async function refuseCopyIntoSelf(from: string, sourceStats: BigIntStats, to: string): Promise<void> {
  const stop = resolve(dirname(from));
  for (
    let parent = resolve(dirname(to));
    parent !== stop && parent !== parse(parent).root;
    parent = dirname(parent)
  ) {
    const stats = await orNull(stat(parent, { bigint: true }));
    if (stats === null) {
      return;
    }
    if (same(sourceStats, stats)) {
      throw refusal("invalid", `cannot copy ${from} to a subdirectory of self ${to}`, to);
    }
  }
}

async function mkdirParents(to: string): Promise<void> {
  const parent = dirname(to);
  if ((await orNull(stat(parent))) === null) {
    await mkdir(parent, { recursive: true });
  }
}

async function copy(
  destinationStats: BigIntStats | null,
  from: string,
  to: string,
  settings: Settings,
): Promise<void> {
  throwIfAborted(settings);
  const stats = await (settings.dereference ? stat : lstat)(from);
  if (stats.isDirectory()) {
    if (!settings.recursive) {
      throw refusal("isDir", `${from} is a directory (not copied)`, from);
    }
    return await copyDirectory(stats, destinationStats, from, to, settings);
  }
  if (stats.isFile() || stats.isCharacterDevice() || stats.isBlockDevice()) {
    return await copyOneFile(stats, destinationStats, from, to, settings);
  }
  if (stats.isSymbolicLink()) {
    return await copyLink(destinationStats, from, to, settings);
  }
  if (stats.isSocket()) {
    throw refusal("socket", `cannot copy a socket file: ${to}`, to);
  }
  if (stats.isFIFO()) {
    throw refusal("fifo", `cannot copy a FIFO pipe: ${to}`, to);
  }
  throw refusal("unknown", `cannot copy an unknown file type: ${to}`, to);
}

async function copyOneFile(
  stats: Stats,
  destinationStats: BigIntStats | null,
  from: string,
  to: string,
  settings: Settings,
): Promise<void> {
  if (destinationStats !== null) {
    if (!settings.force) {
      if (settings.errorOnExist) {
        throw refusal("exists", `${to} already exists`, to);
      }
      return;
    }
    await unlink(to);
  }
  await copyFile(from, to, settings.mode);
  if (settings.preserveTimestamps) {
    if ((stats.mode & 0o200) === 0) {
      // A file that may not be written cannot have its times set everywhere.
      await chmod(to, stats.mode | 0o200);
    }
    // Reading has changed the source's time of access: take what it is now.
    const { atime, mtime } = await stat(from);
    await utimes(to, atime, mtime);
  }
  await chmod(to, stats.mode);
}

async function copyDirectory(
  stats: Stats,
  destinationStats: BigIntStats | null,
  from: string,
  to: string,
  settings: Settings,
): Promise<void> {
  if (destinationStats === null) {
    await mkdir(to);
  } else if (NODE_MAJOR >= 22 && settings.errorOnExist && !settings.force) {
    throw refusal("exists", `${to} already exists`, to);
  }
  for (const name of await readdir(from)) {
    const source = join(from, name);
    const destination = join(to, name);
    const checked = await check(source, destination, settings);
    if (checked !== undefined) {
      await copy(checked.destinationStats, source, destination, settings);
    }
  }
  if (destinationStats === null) {
    await chmod(to, stats.mode);
  }
}

async function copyLink(
  destinationStats: BigIntStats | null,
  from: string,
  to: string,
  settings: Settings,
): Promise<void> {
  let says = await readlink(from);
  if (!settings.verbatimSymlinks && !isAbsolute(says)) {
    says = resolve(dirname(from), says);
  }
  if (destinationStats === null) {
    return await symlink(says, to);
  }
  let present: string;
  try {
    present = await readlink(to);
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code === "EINVAL" || code === "UNKNOWN") {
      // No link is there but something else: making the link tells what.
      return await symlink(says, to);
    }
    throw error;
  }
  if (!isAbsolute(present)) {
    present = resolve(dirname(to), present);
  }
  if (isBelow(says, present)) {
    throw refusal("invalid", `cannot copy ${says} to a subdirectory of self ${present}`, to);
  }
  // Replacing a link to a directory above the source would cut off what is being copied.
  if ((await stat(from)).isDirectory() && isBelow(present, says)) {
    throw refusal("subdirectory", `cannot overwrite ${present} with ${says}`, to);
  }
  await unlink(to);
  await symlink(says, to);
}
