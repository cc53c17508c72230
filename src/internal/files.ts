/** Whole files: `readFile`, `writeFile`, `appendFile`. */
import type { NonSharedBuffer } from "node:buffer";
import type { Abortable } from "node:events";
import type { Mode, ObjectEncodingOptions, OpenMode, PathLike } from "node:fs";
import type { FileHandle as NodeFileHandle } from "node:fs/promises";
import type { Stream } from "node:stream";
import { FileHandle, open } from "./file-handle.js";
import { abortError } from "./node-errors.js";
import { mayOpen, node, restricted } from "./permission.js";
import {
  encodingOptions,
  NODE_MAJOR,
  validBoolean,
  validFlags,
  validMode,
  validPath,
  validSignal,
} from "./validate.js";
import { fitsOneWrite, readPath, writableData, writePath } from "./whole-file.js";

/** What {@link writeFile} takes. */
export type Writable =
  | string
  | NodeJS.ArrayBufferView
  | Iterable<string | NodeJS.ArrayBufferView>
  | AsyncIterable<string | NodeJS.ArrayBufferView>
  | Stream;

/** Options of {@link readFile}. */
export interface ReadFileOptions extends Abortable {
  /** Gives a string instead of a Buffer. */
  encoding?: BufferEncoding | null | undefined;
  /** How to open the file. Default `"r"`. */
  flag?: OpenMode | undefined;
}

/** Options of {@link writeFile} and {@link appendFile}. */
export interface WriteFileOptions extends ObjectEncodingOptions, Abortable {
  /** Permission bits of a new file, before the umask. Default `0o666`. */
  mode?: Mode | undefined;
  /** How to open the file. Default `"w"`, of {@link appendFile} `"a"`. */
  flag?: OpenMode | undefined;
  /** Whether to wait until the data are on the device. Default false. */
  flush?: boolean | undefined;
}

/** A handle of this package's or of Node's: each reads and writes by its own methods. */
export type AnyFileHandle = FileHandle | NodeFileHandle;

function isHandle(value: unknown): value is AnyFileHandle {
  return (
    value instanceof FileHandle ||
    (typeof value === "object" &&
      value !== null &&
      typeof (value as NodeFileHandle).fd === "number" &&
      typeof (value as NodeFileHandle).readFile === "function")
  );
}

interface Options {
  encoding?: BufferEncoding | undefined;
  flag?: OpenMode | undefined;
  mode?: Mode | undefined;
  flush?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

const READ_DEFAULTS: Options = { flag: "r" };
const WRITE_DEFAULTS: Options = { encoding: "utf8", mode: 0o666, flag: "w", flush: false };
const APPEND_DEFAULTS: Options = { encoding: "utf8", mode: 0o666, flag: "a" };

/**
 * Reads a whole file: open, read and close in one crossing.
 *
 * Cancel safety: an abort rejects at once; nothing is lost but the work.
 *
 * @param path - the file, or an open one, which is read from its cursor.
 * @param options - an encoding, or an object with `encoding`, `flag` and `signal`. Without an encoding the result is a Buffer.
 * @throws `ERR_FS_FILE_TOO_LARGE` above 2 GiB.
 *
 * @example
 * ```ts
 * import { readFile } from "maniac/fs";
 *
 * const manifest = JSON.parse(await readFile("package.json", "utf8"));
 * const bytes = await readFile("logo.png", { signal: AbortSignal.timeout(1_000) });
 * console.log(manifest.name, bytes.length);
 * ```
 */
export function readFile(
  path: PathLike | AnyFileHandle,
  options?: ({ encoding?: null | undefined; flag?: OpenMode | undefined } & Abortable) | null,
): Promise<NonSharedBuffer>;
export function readFile(
  path: PathLike | AnyFileHandle,
  options: ({ encoding: BufferEncoding; flag?: OpenMode | undefined } & Abortable) | BufferEncoding,
): Promise<string>;
export function readFile(
  path: PathLike | AnyFileHandle,
  options?: (ObjectEncodingOptions & Abortable & { flag?: OpenMode | undefined }) | BufferEncoding | null,
): Promise<string | NonSharedBuffer>;
export function readFile(path: PathLike | AnyFileHandle, options?: unknown): Promise<never> {
  // No async function: this one is called by the hundred thousand.
  try {
    if (isHandle(path)) {
      return path.readFile(options as ReadFileOptions) as Promise<never>;
    }
    const { encoding, flag, signal } = encodingOptions<Options>(options, READ_DEFAULTS);
    if (signal?.aborted) {
      throw abortError(signal);
    }
    const valid = validPath(path);
    const flags = validFlags(flag || "r");
    if (restricted && !mayOpen(valid, flags)) {
      return node.readFile(path as PathLike, options as BufferEncoding) as Promise<never>;
    }
    return readPath(valid, flags, encoding || undefined, signal) as Promise<never>;
  } catch (error) {
    return Promise.reject(error);
  }
}

/**
 * Writes a whole file, replacing what it held.
 *
 * Cancel safety: none; a file whose write was aborted may hold all, some or nothing of the data.
 *
 * @param file - the file, or an open one, which is written at its cursor.
 * @param data - a string, bytes, or an iterable, async iterable or stream of such.
 * @param options - an encoding, or an object with `encoding`, `mode`, `flag`, `flush` and `signal`.
 *
 * @example
 * ```ts
 * import { writeFile } from "maniac/fs";
 *
 * await writeFile("state.json", JSON.stringify({ at: Date.now() }), { flush: true });
 * ```
 */
export async function writeFile(
  file: PathLike | AnyFileHandle,
  data: Writable,
  options?: WriteFileOptions | BufferEncoding | null,
): Promise<void> {
  await write(file, data, encodingOptions<Options>(options, WRITE_DEFAULTS), options);
}

/**
 * Appends to a file, which is created if it does not exist.
 *
 * Cancel safety: none; an aborted call may have appended all, some or nothing of the data.
 *
 * @param path - the file, or an open one, which is written at its cursor.
 * @param data - as for {@link writeFile}.
 * @param options - as for {@link writeFile}.
 *
 * @example
 * ```ts
 * import { appendFile } from "maniac/fs";
 *
 * await appendFile("audit.log", `${new Date().toISOString()} started\n`);
 * ```
 */
export async function appendFile(
  path: PathLike | AnyFileHandle,
  data: Writable,
  options?: WriteFileOptions | BufferEncoding | null,
): Promise<void> {
  const given = { ...encodingOptions<Options>(options, APPEND_DEFAULTS) };
  given.flag ||= "a";
  await write(path, data, given, given);
}

async function write(
  file: PathLike | AnyFileHandle,
  data: unknown,
  { encoding, flag, mode, flush, signal }: Options,
  original: unknown,
): Promise<void> {
  const sync = validBoolean(flush ?? false, "options.flush");
  const content = writableData(data, encoding);
  validSignal(signal);
  if (isHandle(file)) {
    return await file.writeFile(data as string, { encoding, signal } as WriteFileOptions);
  }
  if (signal?.aborted) {
    throw abortError(signal);
  }
  const valid = validPath(file);
  const flags = validFlags(flag || "w", NODE_MAJOR < 26 ? "flags" : "options.flag");
  const bits = validMode(mode, "mode", 0o666);
  if (restricted && !mayOpen(valid, flags)) {
    return await node.writeFile(file as PathLike, data as string, original as BufferEncoding);
  }
  if (fitsOneWrite(content)) {
    return await writePath(valid, content, flags, bits, sync, signal);
  }
  const handle = await open(valid as Buffer, flags, bits, { signal });
  try {
    await handle.writeFile(content as string, { encoding, signal } as WriteFileOptions);
    if (sync) {
      await handle.sync();
    }
  } catch (error) {
    // The first error is the one that counts; one of closing would hide it.
    await handle.close().catch(() => undefined);
    throw error;
  }
  await handle.close();
}
