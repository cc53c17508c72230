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

/** Operations for a stream that opens its file itself, or was given a descriptor's number. */
function operations(fd: number | undefined): object {
  // A number is the stream's from now on: it closes it, unless told not to.
  let handle = fd === undefined ? undefined : FileHandle.adopt(fd);
  const owner = (): FileHandle => handle as FileHandle;
  return {
    ...streamOperations(owner, () => owner().close()),
    open(path: PathLike, flags: string | number, mode: number, callback: OpenCallback): void {
      open(path, flags, mode).then((opened) => {
        handle = opened;
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
function settle(options: unknown): { readonly handle: FileHandle | undefined; readonly settled: object } {
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
    settled.fs = operations(typeof fd === "number" ? fd : undefined);
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
  const { handle, settled } = settle(options);
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
  const { handle, settled } = settle(options);
  return handle === undefined ? nodeWriteStream(path, settled) : handle.createWriteStream(settled);
}
