/** Directories: `mkdir`, `mkdtemp`, `rmdir`, `readdir`. */
import type { NonSharedBuffer } from "node:buffer";
import type { Abortable } from "node:events";
import type {
  Dirent,
  MakeDirectoryOptions,
  Mode,
  ObjectEncodingOptions,
  PathLike,
  RmDirOptions,
} from "node:fs";
import { resolve } from "node:path";
import { direntsFrom } from "./dirents.js";
import type { BufferNameOptions, NameOptions } from "./links.js";
import { below, list } from "./listing.js";
import { stat } from "./meta.js";
import { decodeName, type NameEncoding, nameEncoding } from "./names.js";
import { invalidValue } from "./node-errors.js";
import { F_RECURSIVE, OP_MKDIR, OP_MKDTEMP } from "./ops.js";
import { mayRead, mayWrite, node, restricted } from "./permission.js";
import { removeDirectory, removeTree, rm, validRmdirOptions } from "./remove.js";
import { type Operation, type Path, Request } from "./request.js";
import { runWith } from "./run.js";
import {
  encodingOptions,
  isWindows,
  NODE_MAJOR,
  signalOf,
  validBoolean,
  validMode,
  validObject,
  validPath,
  validSignal,
} from "./validate.js";

const MKDIR: Operation = {
  code: OP_MKDIR,
  steps: ["mkdir"],
  finish: (_request, completion) => (completion.length === 0 ? undefined : completion.text("utf8")),
};

const MKDTEMP: Operation = {
  code: OP_MKDTEMP,
  steps: ["mkdtemp"],
  finish: (request, completion) => decodeName(completion, request.context as NameEncoding),
};

/**
 * Makes a directory.
 *
 * Cancel safety: none; the directory may have been made.
 *
 * @param path - the directory.
 * @param options - a mode, or an object: `recursive` makes missing parents too and takes an existing directory for
 *   success, `mode` (default `0o777`, before the umask), `signal` to abort it.
 * @returns the first directory made, if `recursive`, and one was.
 *
 * @example
 * ```ts
 * import { mkdir } from "maniac/fs";
 *
 * await mkdir("build/cache", { recursive: true });
 * ```
 */
export function mkdir(
  path: PathLike,
  options: MakeDirectoryOptions & Abortable & { recursive: true },
): Promise<string | undefined>;
export function mkdir(
  path: PathLike,
  options?: Mode | (MakeDirectoryOptions & Abortable & { recursive?: false | undefined }) | null,
): Promise<void>;
export function mkdir(
  path: PathLike,
  options?: Mode | (MakeDirectoryOptions & Abortable) | null,
): Promise<string | undefined>;
export async function mkdir(path: PathLike, options?: unknown): Promise<unknown> {
  const given = typeof options === "number" || typeof options === "string" ? { mode: options } : options;
  const { recursive = false, mode = 0o777 } = (given || {}) as MakeDirectoryOptions;
  const valid = validPath(path);
  validBoolean(recursive, "options.recursive");
  const request = new Request(MKDIR, recursive ? F_RECURSIVE : 0);
  request.path = valid;
  request.arg1 = validMode(mode, "mode", 0o777);
  if (restricted && !mayWrite(valid)) {
    return await node.mkdir(path, options as MakeDirectoryOptions);
  }
  return await runWith(request, signalOf(given));
}

let warnedOfTemplate = false;

/** Systems differ in what they make of a template that ends with X, so programs had better not use one. */
function warnOfTemplate(prefix: Path): void {
  const last = typeof prefix === "string" ? prefix.endsWith("X") : prefix.at(-1) === 0x58;
  if (last && !warnedOfTemplate) {
    warnedOfTemplate = true;
    process.emitWarning(
      "mkdtemp() templates ending with X are not portable. For details see: https://nodejs.org/api/fs.html",
    );
  }
}

/**
 * Makes a directory with a name that nobody else has: the prefix and six random characters.
 *
 * @param prefix - how the path begins; for a directory within the temporary one it must end with a separator.
 * @param options - an encoding of the result, or `"buffer"` for bytes; `signal` to abort it.
 *
 * @example
 * ```ts
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import { mkdtemp } from "maniac/fs";
 *
 * const directory = await mkdtemp(join(tmpdir(), "job-"));
 * console.log(directory);
 * ```
 */
export function mkdtemp(prefix: PathLike, options: BufferNameOptions): Promise<NonSharedBuffer>;
export function mkdtemp(prefix: PathLike, options?: NameOptions): Promise<string>;
export function mkdtemp(
  prefix: PathLike,
  options?: (ObjectEncodingOptions & Abortable) | BufferEncoding | null,
): Promise<string | NonSharedBuffer>;
export async function mkdtemp(prefix: PathLike, options?: unknown): Promise<unknown> {
  const given = encodingOptions(options, {});
  const start = validPath(prefix, "prefix");
  warnOfTemplate(start);
  const request = new Request(MKDTEMP);
  request.path = typeof start === "string" ? `${start}XXXXXX` : Buffer.concat([start, Buffer.from("XXXXXX")]);
  request.context = nameEncoding((given as { encoding?: unknown }).encoding);
  if (restricted && !mayWrite(request.path)) {
    return await node.mkdtemp(prefix as string, options as BufferEncoding);
  }
  return await runWith(request, signalOf(given));
}

/** What {@link mkdtempDisposable} gives: a directory that goes away with all that is in it. */
export interface DisposableTempDir<P = string> extends AsyncDisposable {
  /** The directory's path, as {@link mkdtemp} gives it. */
  readonly path: P;
  /** Removes the directory and all that is in it; where it is gone already there is nothing to do. */
  remove(): Promise<void>;
}

/**
 * Makes a directory as {@link mkdtemp} does, which `await using` removes at the block's end, with all that is in it.
 *
 * A later `chdir` does not matter: the directory that was made is the one that is removed.
 *
 * @param prefix - how the path begins.
 * @param options - an encoding of the path; `signal` to abort the making.
 *
 * @example
 * ```ts
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import { mkdtempDisposable, writeFile } from "maniac/fs";
 *
 * await using directory = await mkdtempDisposable(join(tmpdir(), "job-"));
 * await writeFile(join(directory.path, "draft"), "text");
 * ```
 */
export function mkdtempDisposable(
  prefix: PathLike,
  options: BufferNameOptions,
): Promise<DisposableTempDir<NonSharedBuffer>>;
export function mkdtempDisposable(prefix: PathLike, options?: NameOptions): Promise<DisposableTempDir>;
export async function mkdtempDisposable(prefix: PathLike, options?: unknown): Promise<unknown> {
  // Of now: where the process is when the directory has been made may be elsewhere.
  const here = process.cwd();
  const given = encodingOptions(options, {});
  const encoding = nameEncoding((given as { encoding?: unknown }).encoding);
  // Bytes: in another encoding than UTF-8 the path as it is given out is another one.
  const made = await mkdtemp(prefix, { ...(given as Abortable), encoding: "buffer" });
  const absolute = isWindows
    ? resolve(here, made.toString())
    : made[0] === 0x2f
      ? made
      : Buffer.concat([Buffer.from(`${here}/`), made]);
  const path = encoding === "buffer" ? made : made.toString(encoding);
  const remove = (): Promise<void> => rm(absolute, { recursive: true, force: true });
  return Object.assign(Object.create(null) as object, { path, remove, [Symbol.asyncDispose]: remove });
}

let warnedOfRecursion = false;

/**
 * Removes an empty directory.
 *
 * @param path - the directory.
 * @param options - `recursive` is deprecated in favour of {@link rm}, with `maxRetries` and `retryDelay`; `signal` to
 *   abort it.
 *
 * @example
 * ```ts
 * import { rmdir } from "maniac/fs";
 *
 * await rmdir("build/cache");
 * ```
 */
export async function rmdir(path: PathLike, options?: RmDirOptions & Abortable): Promise<void> {
  const valid = validPath(path);
  const given = NODE_MAJOR < 26 ? validRmdirOptions(options) : withoutRecursion(options);
  const signal = signalOf(options);
  if (restricted && !mayWrite(valid)) {
    return await node.rmdir(path, options);
  }
  if (given.recursive) {
    if (!warnedOfRecursion && process.noDeprecation !== true) {
      warnedOfRecursion = true;
      process.emitWarning(
        "In future versions of Node.js, fs.rmdir(path, { recursive: true }) will be removed. " +
          "Use fs.rm(path, { recursive: true }) instead",
        "DeprecationWarning",
        "DEP0147",
      );
    }
    if ((await stat(valid as Buffer, { signal })).isDirectory()) {
      return await removeTree(valid, given, signal);
    }
  }
  return await removeDirectory(valid, signal);
}

/** Node 26 took `recursive` out, and what belongs to it. */
function withoutRecursion(options: unknown): ReturnType<typeof validRmdirOptions> {
  const recursive = (options as RmDirOptions | null | undefined)?.recursive;
  if (recursive !== undefined) {
    throw invalidValue("options.recursive", recursive, "is no longer supported");
  }
  if (options !== undefined) {
    validObject(options, "options");
  }
  return validRmdirOptions(undefined);
}

interface ListOptions extends Abortable {
  readonly encoding?: unknown;
  readonly withFileTypes?: unknown;
  readonly recursive?: unknown;
}

/**
 * Lists a directory, sorted by bytes.
 *
 * @param path - the directory.
 * @param options - an encoding of the names, or `"buffer"` for bytes; or an object with `encoding`, `withFileTypes` for
 *   `Dirent`s, `recursive` for what lies below too, and `signal` to abort it.
 *
 * @example
 * ```ts
 * import { readdir } from "maniac/fs";
 *
 * for (const entry of await readdir(".", { withFileTypes: true })) {
 *   console.log(entry.isDirectory() ? `${entry.name}/` : entry.name);
 * }
 * ```
 */
export function readdir(
  path: PathLike,
  options?:
    | (ObjectEncodingOptions &
        Abortable & { withFileTypes?: false | undefined; recursive?: boolean | undefined })
    | BufferEncoding
    | null,
): Promise<string[]>;
export function readdir(
  path: PathLike,
  options:
    | ({ encoding: "buffer"; withFileTypes?: false | undefined; recursive?: boolean | undefined } & Abortable)
    | "buffer",
): Promise<NonSharedBuffer[]>;
export function readdir(
  path: PathLike,
  options?:
    | (ObjectEncodingOptions &
        Abortable & { withFileTypes?: false | undefined; recursive?: boolean | undefined })
    | BufferEncoding
    | null,
): Promise<string[] | NonSharedBuffer[]>;
export function readdir(
  path: PathLike,
  options: ObjectEncodingOptions & Abortable & { withFileTypes: true; recursive?: boolean | undefined },
): Promise<Dirent[]>;
export function readdir(
  path: PathLike,
  options: { encoding: "buffer"; withFileTypes: true; recursive?: boolean | undefined } & Abortable,
): Promise<Dirent<NonSharedBuffer>[]>;
export async function readdir(path: PathLike, options?: unknown): Promise<unknown> {
  // A copy: what the caller does to the options later must not matter half-way.
  const given: ListOptions = { ...encodingOptions<ListOptions>(options, {}) };
  const valid = validPath(path);
  const encoding = nameEncoding(given.encoding);
  const signal = validSignal(given.signal, "options.signal");
  if (restricted && !mayRead(valid)) {
    return await node.readdir(path, options as { withFileTypes: true });
  }
  if (given.recursive) {
    return await below(valid, encoding, Boolean(given.withFileTypes), signal);
  }
  const { names, types } = await list(valid, encoding, Boolean(given.withFileTypes), signal);
  return given.withFileTypes ? await direntsFrom(valid, names, types) : names;
}
