/** Names in the file system: `rename`, `link`, `symlink`, `unlink`, `readlink`, `realpath`, `copyFile`. */
import type { NonSharedBuffer } from "node:buffer";
import type { Abortable } from "node:events";
import type { BufferEncodingOption, ObjectEncodingOptions, PathLike } from "node:fs";
import { constants } from "node:fs";
import { isAbsolute, resolve, toNamespacedPath } from "node:path";
import { isDirectory } from "./meta.js";
import { decodeName, type NameEncoding, nameEncoding } from "./names.js";
import { invalidSymlinkType, invalidValue } from "./node-errors.js";
import { OP_COPY_FILE, OP_LINK, OP_READLINK, OP_REALPATH, OP_RENAME, OP_SYMLINK, OP_UNLINK } from "./ops.js";
import { shownPath } from "./os-errors.js";
import { mayRead, mayWrite, node, restricted } from "./permission.js";
import { type Operation, type Path, plain, Request } from "./request.js";
import { runWith } from "./run.js";
import {
  encodingOptions,
  isWindows,
  NODE_MAJOR,
  signalOf,
  validNumericMode,
  validPath,
  validSignal,
} from "./validate.js";

const named = (code: number, syscall: string): Operation => ({
  code,
  steps: [syscall],
  finish: (request, completion) => decodeName(completion, request.context as NameEncoding),
});

const RENAME = plain(OP_RENAME, "rename");
const LINK = plain(OP_LINK, "link");
const SYMLINK = plain(OP_SYMLINK, "symlink");
const UNLINK = plain(OP_UNLINK, "unlink");
const COPY_FILE = plain(OP_COPY_FILE, "copyfile");
const READLINK = named(OP_READLINK, "readlink");
const REALPATH = named(OP_REALPATH, "realpath");

/** Options of calls that give a name: an encoding, or `"buffer"` for bytes. */
export type NameOptions = (ObjectEncodingOptions & Abortable) | BufferEncoding | null;
/** Options that ask for a name as bytes. */
export type BufferNameOptions =
  | BufferEncodingOption
  | ({
      /** Bytes, please. */
      encoding: "buffer";
    } & Abortable);

/**
 * Renames a file or directory; what has the new name already is replaced.
 *
 * Cancel safety: none; the file may have been renamed.
 *
 * @param oldPath - the present name.
 * @param newPath - the new one, on the same file system.
 * @param options - `signal` to abort it.
 *
 * @example
 * ```ts
 * import { rename, writeFile } from "maniac/fs";
 *
 * await writeFile("config.json.new", "{}", { flush: true });
 * await rename("config.json.new", "config.json");
 * ```
 */
export async function rename(oldPath: PathLike, newPath: PathLike, options: Abortable = {}): Promise<void> {
  const request = new Request(RENAME);
  const from = validPath(oldPath, "oldPath");
  const to = validPath(newPath, "newPath");
  request.path = from;
  request.path2 = to;
  if (restricted && !(mayRead(from) && mayWrite(from) && mayWrite(to))) {
    return await node.rename(oldPath, newPath);
  }
  return await runWith(request, signalOf(options));
}

/**
 * Gives a file a further name.
 *
 * @param existingPath - the file.
 * @param newPath - the further name, on the same file system; must be free.
 * @param options - `signal` to abort it.
 *
 * @example
 * ```ts
 * import { link } from "maniac/fs";
 *
 * await link("data.bin", "data.backup");
 * ```
 */
export async function link(
  existingPath: PathLike,
  newPath: PathLike,
  options: Abortable = {},
): Promise<void> {
  const request = new Request(LINK);
  const from = validPath(existingPath, "existingPath");
  const to = validPath(newPath, "newPath");
  request.path = from;
  request.path2 = to;
  if (restricted && !(mayRead(from) && mayWrite(from) && mayWrite(to))) {
    return await node.link(existingPath, newPath);
  }
  return await runWith(request, signalOf(options));
}

/**
 * Makes a symbolic link.
 *
 * @param target - what the link says; need not exist.
 * @param path - the link; must be free.
 * @param type - `"file"`, `"dir"` or `"junction"`; counts on Windows only, where it is found out when not given.
 * @param options - `signal` to abort it.
 *
 * @example
 * ```ts
 * import { symlink } from "maniac/fs";
 *
 * await symlink("releases/7", "current");
 * ```
 */
export async function symlink(
  target: PathLike,
  path: PathLike,
  type?: string | null,
  options: Abortable = {},
): Promise<void> {
  if (NODE_MAJOR >= 24 && type !== undefined && type !== null && !LINK_TYPES.has(type)) {
    throw invalidValue("type", type, "must be one of: 'dir', 'file', 'junction', null, undefined");
  }
  if (restricted) {
    // Node's rules for links under the permission model differ between its versions: let it apply its own.
    return await node.symlink(target, path, type);
  }
  let kind = typeof type === "string" ? type : null;
  if (isWindows && kind === null) {
    const absolute = resolve(`${path}`, "..", `${target}`);
    kind = (await isDirectory(absolute)) ? "dir" : "file";
  }
  const request = new Request(SYMLINK);
  const to = validPath(target, "target");
  const at = validPath(path);
  request.path = isWindows ? windowsTarget(to, kind, at) : to;
  request.path2 = at;
  request.arg0 = symlinkFlags(kind);
  return await runWith(request, signalOf(options));
}

const LINK_TYPES: ReadonlySet<unknown> = new Set(["dir", "file", "junction"]);

// Public constants of Node's that its types do not have.
const { UV_FS_SYMLINK_DIR = 0, UV_FS_SYMLINK_JUNCTION = 0 } = constants as unknown as Record<string, number>;

function symlinkFlags(kind: string | null): number {
  switch (kind) {
    case null:
    case "file":
      return 0;
    case "dir":
      return UV_FS_SYMLINK_DIR;
    case "junction":
      return UV_FS_SYMLINK_JUNCTION;
    default:
      throw invalidSymlinkType(kind);
  }
}

/** What Windows wants a link to say: junctions absolute, no forward slashes in relative ones. */
function windowsTarget(target: Path, kind: string | null, path: Path): string {
  const text = shownPath(target);
  if (kind === "junction") {
    return toNamespacedPath(resolve(shownPath(path), "..", text));
  }
  return isAbsolute(text) ? toNamespacedPath(text) : text.replaceAll("/", "\\");
}

/**
 * Removes a file's name, or a link; not a directory.
 *
 * @param path - the name.
 * @param options - `signal` to abort it.
 *
 * @example
 * ```ts
 * import { unlink } from "maniac/fs";
 *
 * await unlink("draft.txt");
 * ```
 */
export async function unlink(path: PathLike, options: Abortable = {}): Promise<void> {
  const request = new Request(UNLINK);
  request.path = validPath(path);
  if (restricted && !mayWrite(request.path)) {
    return await node.unlink(path);
  }
  return await runWith(request, signalOf(options));
}

/**
 * Gives what a symbolic link says.
 *
 * @param path - the link.
 * @param options - an encoding, or `"buffer"` for bytes; `signal` to abort it.
 *
 * @example
 * ```ts
 * import { readlink } from "maniac/fs";
 *
 * console.log(await readlink("current"));
 * ```
 */
export function readlink(path: PathLike, options: BufferNameOptions): Promise<NonSharedBuffer>;
export function readlink(path: PathLike, options?: NameOptions): Promise<string>;
export function readlink(
  path: PathLike,
  options?: (ObjectEncodingOptions & Abortable) | string | null,
): Promise<string | NonSharedBuffer>;
export async function readlink(path: PathLike, options?: unknown): Promise<unknown> {
  const given = encodingOptions(options, {});
  const request = new Request(READLINK);
  request.path = validPath(path, "oldPath");
  request.context = nameEncoding((given as { encoding?: unknown }).encoding);
  if (restricted && !mayRead(request.path)) {
    return await node.readlink(path, options as BufferEncoding);
  }
  return await runWith(request, signalOf(given));
}

/**
 * Gives a path without links, `.` and `..`, as the system's realpath does.
 *
 * @param path - must exist.
 * @param options - an encoding, or `"buffer"` for bytes; `signal` to abort it.
 *
 * @example
 * ```ts
 * import { realpath } from "maniac/fs";
 *
 * console.log(await realpath("current"));
 * ```
 */
export function realpath(path: PathLike, options: BufferNameOptions): Promise<NonSharedBuffer>;
export function realpath(path: PathLike, options?: NameOptions): Promise<string>;
export function realpath(
  path: PathLike,
  options?: (ObjectEncodingOptions & Abortable) | BufferEncoding | null,
): Promise<string | NonSharedBuffer>;
export async function realpath(path: PathLike, options?: unknown): Promise<unknown> {
  const given = encodingOptions(options, {});
  const request = new Request(REALPATH);
  request.path = validPath(path);
  request.context = nameEncoding((given as { encoding?: unknown }).encoding);
  if (restricted && !mayRead(request.path)) {
    return await node.realpath(path, options as BufferEncoding);
  }
  return await runWith(request, signalOf(given));
}

/**
 * Copies a file, within the kernel where the file system can.
 *
 * Cancel safety: none; the copy may be there in part.
 *
 * @param src - the file to copy.
 * @param dest - the copy; replaced if it exists.
 * @param mode - `constants.COPYFILE_EXCL` to refuse an existing one, `COPYFILE_FICLONE` to share blocks where
 *   possible, `COPYFILE_FICLONE_FORCE` to insist on it. Default 0.
 * @param options - `signal` to abort it.
 *
 * @example
 * ```ts
 * import { constants, copyFile } from "maniac/fs";
 *
 * await copyFile("a.db", "b.db", constants.COPYFILE_FICLONE);
 * ```
 */
export async function copyFile(
  src: PathLike,
  dest: PathLike,
  mode?: number,
  options: Abortable = {},
): Promise<void> {
  const request = new Request(COPY_FILE);
  const from = validPath(src, "src");
  const to = validPath(dest, "dest");
  request.path = from;
  request.path2 = to;
  const { COPYFILE_EXCL, COPYFILE_FICLONE, COPYFILE_FICLONE_FORCE } = constants;
  request.arg0 = validNumericMode(mode, COPYFILE_EXCL | COPYFILE_FICLONE | COPYFILE_FICLONE_FORCE);
  if (restricted && !(mayRead(from) && mayWrite(to))) {
    return await node.copyFile(src, dest, mode);
  }
  return await runWith(request, validSignal(options.signal, "options.signal"));
}
