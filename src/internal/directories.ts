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
import { join, relative } from "node:path";
import { direntsFrom, isDirectoryType, isUncertainType } from "./dirents.js";
import type { BufferNameOptions, NameOptions } from "./links.js";
import { stat } from "./meta.js";
import { decodeListing, decodeName, type Listing, type NameEncoding, nameEncoding } from "./names.js";
import { F_RECURSIVE, F_TYPES, OP_MKDIR, OP_MKDTEMP, OP_READDIR } from "./ops.js";
import { mayRead, mayWrite, node, restricted } from "./permission.js";
import { removeDirectory, removeTree, validRmdirOptions } from "./remove.js";
import { type Operation, type Path, Request } from "./request.js";
import { runWith } from "./run.js";
import { encodingOptions, signalOf, validBoolean, validMode, validPath, validSignal } from "./validate.js";

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

const READDIR: Operation = {
  code: OP_READDIR,
  steps: ["scandir"],
  finish: (request, completion) =>
    decodeListing(
      completion,
      completion.result,
      (request.op & F_TYPES) !== 0,
      request.context as NameEncoding,
    ),
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
  const given = validRmdirOptions(options);
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

interface ListOptions extends Abortable {
  readonly encoding?: unknown;
  readonly withFileTypes?: unknown;
  readonly recursive?: unknown;
}

function list(
  path: Path,
  encoding: NameEncoding,
  typed: boolean,
  signal: AbortSignal | undefined,
): Promise<Listing> {
  const request = new Request(READDIR, typed ? F_TYPES : 0);
  request.path = path;
  request.context = encoding;
  return runWith(request, signal);
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
    return given.withFileTypes
      ? await direntsBelow(valid, encoding, signal)
      : await namesBelow(valid, encoding, signal);
  }
  const { names, types } = await list(valid, encoding, Boolean(given.withFileTypes), signal);
  return given.withFileTypes ? await direntsFrom(valid, names, types) : names;
}

/** Entries of a directory and of those below it. A directory's own come first, then those of its last subdirectory. */
async function direntsBelow(
  root: Path,
  encoding: NameEncoding,
  signal: AbortSignal | undefined,
): Promise<Dirent[]> {
  const found: Dirent[] = [];
  const read = async (path: Path): Promise<Dirent[]> => {
    const { names, types } = await list(path, encoding, true, signal);
    return direntsFrom(path, names, types);
  };
  const stack = [{ path: root, entries: await read(root) }];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { path, entries } = next;
    const below: string[] = [];
    for (const entry of entries) {
      found.push(entry);
      if (entry.isDirectory()) {
        below.push(join(path as string, entry.name));
      }
    }
    stack.push(...(await Promise.all(below.map(async (sub) => ({ path: sub, entries: await read(sub) })))));
  }
  return found;
}

/** Names relative to a directory, of what it holds and of what lies below; links to directories are followed. */
async function namesBelow(
  root: Path,
  encoding: NameEncoding,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const found: string[] = [];
  const stack = [{ path: root as string, listing: await list(root, encoding, true, signal) }];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { path, listing } = next;
    const below: Promise<{ path: string; listing: Listing } | undefined>[] = [];
    for (const [index, name] of listing.names.entries()) {
      const full = join(path, name as string);
      found.push(relative(root as string, full));
      const type = listing.types[index] as number;
      if (isDirectoryType(type) || isUncertainType(type)) {
        below.push(listIfDirectory(full, type, encoding, signal));
      }
    }
    for (const entry of await Promise.all(below)) {
      if (entry !== undefined) {
        stack.push(entry);
      }
    }
  }
  return found;
}

async function listIfDirectory(
  path: string,
  type: number,
  encoding: NameEncoding,
  signal: AbortSignal | undefined,
): Promise<{ path: string; listing: Listing } | undefined> {
  // Under another encoding than UTF-8 the path is not the name's, so the type says nothing about it.
  if (!isDirectoryType(type) || encoding !== "utf8") {
    const directory = await stat(path).then(
      (stats) => stats.isDirectory(),
      () => false,
    );
    if (!directory) {
      return undefined;
    }
  }
  return { path, listing: await list(path, encoding, true, signal) };
}
