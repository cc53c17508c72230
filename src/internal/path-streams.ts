/** Streams by path: `createReadStream` and `createWriteStream`, as `node:fs` has them. */
import fs, { type PathLike, type ReadStream, type WriteStream } from "node:fs";
import { FileHandle, open } from "./file-handle.js";
import { notImplemented } from "./node-errors.js";
import { streamOperations } from "./streams.js";
import { encodingOptions } from "./validate.js";

type ReadStreamOptions = Exclude<Parameters<typeof fs.createReadStream>[1], string | undefined>;
type WriteStreamOptions = Exclude<Parameters<typeof fs.createWriteStream>[1], string | undefined>;

// Captured when loaded: a program that replaces them later must not make these call themselves.
const { createReadStream: nodeReadStream, createWriteStream: nodeWriteStream } = fs;

type OpenCallback = (error: unknown, fd?: number) => void;

type Operations = Record<string, (...values: never[]) => unknown>;

/**
 * A function of `node:fs` that the program itself has put there, which its streams then call, as Node's do. Nothing where the program
 * has not asked for streams by way of `node:fs`.
 */
export type Replaced = (name: string) => ((...values: never[]) => unknown) | undefined;

/** Has each operation look first whether the program has one of its own. */
function yielding(operations: Operations, replaced: Replaced): Operations {
  return Object.fromEntries(
    Object.entries(operations).map(([name, ours]) => [
      name,
      (...values: never[]): unknown => (replaced(name) ?? ours)(...values),
    ]),
  );
}

/** Operations for a stream that opens its file itself, or was given a descriptor's number. */
function operations(fd: number | undefined): Operations {
  // A number is the stream's from now on: it closes it, unless told not to.
  let handle = fd === undefined ? undefined : FileHandle.adopt(fd);
  const owner = (opened: number): FileHandle => {
    // The program may have opened it by a function of its own.
    handle ??= FileHandle.adopt(opened);
    return handle;
  };
  return {
    ...(streamOperations(owner, (opened) => owner(opened).close()) as Operations),
    open(path: PathLike, flags: string | number, mode: number, callback: OpenCallback): void {
      open(path, flags, mode).then((opened) => {
        // The number is the stream's, which closes it; so may the program, which sees it.
        handle = opened.disown();
        callback(null, opened.fd);
      }, callback);
    },
  };
}

interface StreamOptions {
  readonly encoding?: unknown;
  readonly fd?: unknown;
  readonly fs?: unknown;
}

/** Options with this package's operations in them; the handle, if one was given. */
function settle(
  options: unknown,
  replaced: Replaced | undefined,
): { readonly handle: FileHandle | undefined; readonly settled: object } {
  const given = encodingOptions<StreamOptions>(options, {});
  const settled: Record<string, unknown> = {};
  for (const key in given) {
    // Inherited ones too, as Node takes them.
    settled[key] = given[key as keyof StreamOptions];
  }
  const { fd, fs: custom } = given;
  if (fd instanceof FileHandle) {
    if (custom) {
      throw notImplemented("FileHandle with fs");
    }
    delete settled.fd;
    return { handle: fd, settled };
  }
  if (!custom) {
    const ours = operations(typeof fd === "number" ? fd : undefined);
    settled.fs = replaced === undefined ? ours : yielding(ours, replaced);
  }
  return { handle: undefined, settled };
}

/**
 * Reads a file as a stream: Node's own `fs.ReadStream`, fed by this package's operations.
 *
 * @param path - the file; ignored when `options.fd` is given.
 * @param options - an encoding, or the options of `fs.createReadStream`: `start`, `end`, `highWaterMark` (default 64 KiB), `signal`, …
 *
 * @example
 * ```ts
 * import { pipeline } from "node:stream/promises";
 * import { createReadStream, createWriteStream } from "maniac/fs";
 *
 * await pipeline(createReadStream("in.bin"), createWriteStream("out.bin"));
 * ```
 */
export function createReadStream(path: PathLike, options?: BufferEncoding | ReadStreamOptions): ReadStream {
  return readStream(path, options);
}

/** {@link createReadStream}, and who may have replaced its operations. */
export function readStream(path: PathLike, options: unknown, replaced?: Replaced): ReadStream {
  const { handle, settled } = settle(options, replaced);
  return handle === undefined ? nodeReadStream(path, settled) : handle.createReadStream(settled);
}

/**
 * Writes a file as a stream: Node's own `fs.WriteStream`, over this package's operations.
 *
 * @param path - the file; ignored when `options.fd` is given.
 * @param options - an encoding, or the options of `fs.createWriteStream`: `flags`, `start`, `flush`, `highWaterMark`, `signal`, …
 *
 * @example
 * ```ts
 * import { once } from "node:events";
 * import { createWriteStream } from "maniac/fs";
 *
 * const stream = createWriteStream("report.txt", { flush: true });
 * stream.end("done\n");
 * await once(stream, "close");
 * ```
 */
export function createWriteStream(
  path: PathLike,
  options?: BufferEncoding | WriteStreamOptions,
): WriteStream {
  return writeStream(path, options);
}

/** {@link createWriteStream}, and who may have replaced its operations. */
export function writeStream(path: PathLike, options: unknown, replaced?: Replaced): WriteStream {
  const { handle, settled } = settle(options, replaced);
  return handle === undefined ? nodeWriteStream(path, settled) : handle.createWriteStream(settled);
}
