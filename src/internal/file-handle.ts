/** `FileHandle`: an open file with Node's methods, and `open`, which makes one. */

import type { NonSharedBuffer } from "node:buffer";
import { type Abortable, EventEmitter } from "node:events";
import type {
  BigIntStats,
  Mode,
  ObjectEncodingOptions,
  PathLike,
  ReadStream,
  ReadVResult,
  StatOptions,
  Stats,
  TimeLike,
  WriteStream,
  WriteVResult,
} from "node:fs";
import type { CreateReadStreamOptions, CreateWriteStreamOptions, FileReadResult } from "node:fs/promises";
import { createInterface, type Interface } from "node:readline";
import type { ReadableStream } from "node:stream/web";
import type { Completion } from "./completion.js";
import { type CopyOptions, type CopyTarget, copyBetween } from "./copy.js";
import { Descriptor } from "./descriptor.js";
import * as io from "./handle-io.js";
import * as meta from "./handle-meta.js";
import { plainError } from "./node-errors.js";
import { OP_OPEN } from "./ops.js";
import { mayOpen, node, restricted } from "./permission.js";
import { type Operation, Request } from "./request.js";
import { runWith } from "./run.js";
import { readStreamOn, type StreamOwner, writeStreamOn } from "./streams.js";
import { encodingOptions, signalOf, validFlags, validMode, validPath, validSignal } from "./validate.js";
import { type WebStreamOptions, webStreamOn } from "./web-stream.js";
import { readHandle, writableData, writeHandle } from "./whole-file.js";

/** Options of {@link FileHandle.read} beside the buffer. */
export interface ReadOptions extends Abortable {
  /** Where in the buffer the bytes go. Default 0. */
  offset?: number | null | undefined;
  /** Bytes wanted at most. Default: what fits behind `offset`. */
  length?: number | null | undefined;
  /** Where in the file to read; `null` and -1 mean the cursor, which then moves. */
  position?: number | bigint | null | undefined;
}

/** Options of {@link FileHandle.read}. */
export interface ReadOptionsWithBuffer<T extends NodeJS.ArrayBufferView> extends ReadOptions {
  /** The buffer to fill. Default: a new one of 16 KiB. */
  buffer?: T | undefined;
}

/** Options of {@link FileHandle.write} beside the buffer. */
export interface WriteOptions extends Abortable {
  /** Where in the buffer the bytes start. Default 0. */
  offset?: number | null | undefined;
  /** Bytes to write. Default: all behind `offset`. */
  length?: number | null | undefined;
  /** Where in the file to write; `null` means the cursor, which then moves. */
  position?: number | null | undefined;
}

/** What a write gives. */
export interface WriteResult<T> {
  /** Bytes written; may be fewer than asked for. */
  bytesWritten: number;
  /** What was given. */
  buffer: T;
}

/** Options of `readFile` on a handle. */
export type HandleReadFileOptions = (ObjectEncodingOptions & Abortable) | BufferEncoding | null;

/** What a handle writes as a whole: text, bytes, or an iterable of them. */
export type WritableContent =
  | string
  | NodeJS.ArrayBufferView
  | Iterable<string | NodeJS.ArrayBufferView>
  | AsyncIterable<string | NodeJS.ArrayBufferView>;

/** Files whose handle was collected without having been closed. */
const forgotten = new FinalizationRegistry<Descriptor>((descriptor) => {
  const { fd } = descriptor;
  if (fd === -1) {
    return;
  }
  process.emitWarning(`Closing file descriptor ${fd} on garbage collection`);
  process.emitWarning(
    "Closing a FileHandle object on garbage collection is deprecated. " +
      "Please close FileHandle objects explicitly using FileHandle.prototype.close(). " +
      "In the future, an error will be thrown if a file descriptor is closed during garbage collection.",
    "DeprecationWarning",
    "DEP0137",
  );
  descriptor.close().catch(() => undefined);
});

/**
 * An open file. Made by {@link open}; has the methods of Node's `FileHandle`, and {@link FileHandle.copyTo}.
 *
 * `read` and `write` with a position are the fast path of the package: a read of cached data takes about two microseconds,
 * and no thread. A handle counts its operations: `close()` waits for those in flight. A handle that is collected
 * without having been closed is closed with a warning, as in Node.
 *
 * @example
 * ```ts
 * import { open } from "maniac/fs";
 *
 * await using file = await open("notes.txt", "w+");
 * await file.write("hello");
 * const { buffer, bytesRead } = await file.read(Buffer.alloc(5), 0, 5, 0);
 * console.log(buffer.toString("utf8", 0, bytesRead)); // hello
 * ```
 */
export class FileHandle extends EventEmitter {
  readonly #descriptor: Descriptor;

  /** @internal */
  static descriptorOf(value: unknown): Descriptor | undefined {
    return typeof value === "object" && value !== null && #descriptor in value
      ? value.#descriptor
      : undefined;
  }

  /**
   * A handle over a number that belongs to somebody else: collecting it closes nothing.
   *
   * @internal
   */
  static adopt(fd: number): FileHandle {
    return new FileHandle(fd).disown();
  }

  /**
   * Gives the number to somebody else, as {@link FileHandle.adopt} finds it.
   *
   * @internal
   */
  disown(): this {
    forgotten.unregister(this.#descriptor);
    return this;
  }

  /** @internal */
  constructor(fd: number) {
    super();
    this.#descriptor = new Descriptor(fd);
    forgotten.register(this, this.#descriptor, this.#descriptor);
  }

  /** The descriptor's number; -1 once the file is closed. */
  get fd(): number {
    return this.#descriptor.fd;
  }

  /**
   * Closes the file after its operations in flight have ended, and emits `close`. Bound to the handle, so that it may be
   * passed on as a function. Calling it again is no error.
   */
  close = (): Promise<void> => {
    const descriptor = this.#descriptor;
    if (descriptor.fd === -1 || descriptor.closing) {
      return descriptor.close();
    }
    forgotten.unregister(descriptor);
    const closed = descriptor.close();
    this.emit("close");
    return closed;
  };

  /** Runs one method: a closed handle, bad arguments and a wrong `this` reject instead of throwing. */
  static #call<T>(
    handle: unknown,
    syscall: string,
    operation: (descriptor: Descriptor) => Promise<unknown>,
  ): Promise<T> {
    try {
      const descriptor = FileHandle.descriptorOf(handle);
      if (descriptor === undefined) {
        throw plainError(Error, "ERR_INTERNAL_ASSERTION", "handle must be an instance of FileHandle");
      }
      if (descriptor.fd === -1) {
        throw Object.assign(new Error("file closed"), { code: "EBADF", syscall });
      }
      return operation(descriptor) as Promise<T>;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Reads into a buffer.
   *
   * Cancel safety: a read at a position can be aborted without loss; one at the cursor may have moved it.
   */
  read<T extends NodeJS.ArrayBufferView>(
    buffer: T,
    offset?: number | null,
    length?: number | null,
    position?: number | bigint | null,
  ): Promise<FileReadResult<T>>;
  read<T extends NodeJS.ArrayBufferView>(buffer: T, options?: ReadOptions): Promise<FileReadResult<T>>;
  read<T extends NodeJS.ArrayBufferView = NonSharedBuffer>(
    options?: ReadOptionsWithBuffer<T>,
  ): Promise<FileReadResult<T>>;
  read(buffer?: unknown, offset?: unknown, length?: unknown, position?: unknown): Promise<never> {
    // Written out, not through #call: this is the hot path.
    if (#descriptor in this && this.#descriptor.fd !== -1) {
      try {
        return io.read(this.#descriptor, buffer, offset, length, position) as Promise<never>;
      } catch (error) {
        return Promise.reject(error);
      }
    }
    return FileHandle.#call(this, "read", () => Promise.reject());
  }

  /**
   * Reads at `position`, or at the cursor, into several buffers in turn.
   *
   * @param buffers - where the bytes go.
   * @param position - where in the file; `null` or absent is the cursor.
   * @param options - `signal` to abort it.
   */
  readv<T extends readonly NodeJS.ArrayBufferView[]>(
    buffers: T,
    position?: number | null,
    options: Abortable = {},
  ): Promise<ReadVResult<T>> {
    return FileHandle.#call(this, "readv", (descriptor) => io.readv(descriptor, buffers, position, options));
  }

  /**
   * Writes bytes or a string.
   *
   * Cancel safety: none; a write that was aborted may have happened, in part or in full.
   */
  write<T extends NodeJS.ArrayBufferView>(
    buffer: T,
    offset?: number | null,
    length?: number | null,
    position?: number | null,
  ): Promise<WriteResult<T>>;
  write<T extends NodeJS.ArrayBufferView>(buffer: T, options?: WriteOptions): Promise<WriteResult<T>>;
  write(
    data: string,
    position?: number | null,
    encoding?: BufferEncoding | null,
    options?: Abortable,
  ): Promise<WriteResult<string>>;
  write(data: unknown, offset?: unknown, length?: unknown, position?: unknown): Promise<never> {
    return FileHandle.#call(this, "write", (descriptor) =>
      io.write(descriptor, data, offset, length, position),
    );
  }

  /**
   * Writes several buffers in turn, at `position` or at the cursor.
   *
   * @param buffers - what to write.
   * @param position - where in the file; `null` or absent is the cursor.
   * @param options - `signal` to abort it.
   */
  writev<T extends readonly NodeJS.ArrayBufferView[]>(
    buffers: T,
    position?: number | null,
    options: Abortable = {},
  ): Promise<WriteVResult<T>> {
    return FileHandle.#call(this, "writev", (descriptor) =>
      io.writev(descriptor, buffers, position, options),
    );
  }

  /** Reads from the cursor to the end of the file: a Buffer, or a string when there is an encoding. */
  readFile(options?: ({ encoding?: null | undefined } & Abortable) | null): Promise<NonSharedBuffer>;
  readFile(options: ({ encoding: BufferEncoding } & Abortable) | BufferEncoding): Promise<string>;
  readFile(options?: HandleReadFileOptions): Promise<string | NonSharedBuffer>;
  readFile(options?: HandleReadFileOptions): Promise<never> {
    return FileHandle.#call(this, "readFile", (descriptor) => {
      const { encoding, signal } = encodingOptions<HandleOptions>(options, {});
      return readHandle(descriptor, encoding || undefined, validSignal(signal));
    });
  }

  /**
   * Writes all of `data` at the cursor. Cancel safety: what was written before an abort stays.
   *
   * @param data - text, bytes, or an iterable of them.
   * @param options - `encoding` of text, `signal` to abort it; or the encoding.
   */
  writeFile(
    data: WritableContent,
    options?: (ObjectEncodingOptions & Abortable) | BufferEncoding | null,
  ): Promise<void> {
    return FileHandle.#call(this, "writeFile", (descriptor) => {
      const { encoding, signal } = encodingOptions<HandleOptions>(options, { encoding: "utf8" });
      return writeHandle(descriptor, writableData(data, encoding), encoding, validSignal(signal));
    });
  }

  /**
   * The same as {@link FileHandle.writeFile}.
   *
   * @param data - text, bytes, or an iterable of them.
   * @param options - `encoding` of text, `signal` to abort it; or the encoding.
   */
  appendFile(
    data: WritableContent,
    options?: (ObjectEncodingOptions & Abortable) | BufferEncoding | null,
  ): Promise<void> {
    return this.writeFile(data, options);
  }

  /** Gives the file's attributes. */
  stat(options?: StatOptions & Abortable & { bigint?: false | undefined }): Promise<Stats>;
  stat(options: StatOptions & Abortable & { bigint: true }): Promise<BigIntStats>;
  stat(options?: StatOptions & Abortable): Promise<Stats | BigIntStats>;
  stat(options?: StatOptions & Abortable): Promise<never> {
    return FileHandle.#call(this, "fstat", (descriptor) =>
      meta.stat(descriptor, options === undefined ? {} : options),
    );
  }

  /**
   * Cuts or extends the file to `length` bytes.
   *
   * @param length - in bytes. Default 0.
   * @param options - `signal` to abort it.
   */
  truncate(length = 0, options: Abortable = {}): Promise<void> {
    return FileHandle.#call(this, "ftruncate", (descriptor) => meta.truncate(descriptor, length, options));
  }

  /**
   * Waits until data and attributes are on the device.
   *
   * @param options - `signal` to abort it.
   */
  sync(options: Abortable = {}): Promise<void> {
    return FileHandle.#call(this, "fsync", (descriptor) => meta.sync(descriptor, options));
  }

  /**
   * Waits until the data, and what is needed to find it, are on the device.
   *
   * @param options - `signal` to abort it.
   */
  datasync(options: Abortable = {}): Promise<void> {
    return FileHandle.#call(this, "fdatasync", (descriptor) => meta.datasync(descriptor, options));
  }

  /**
   * Changes the file's permission bits.
   *
   * @param mode - a number, or octal digits.
   * @param options - `signal` to abort it.
   */
  chmod(mode: Mode, options: Abortable = {}): Promise<void> {
    return FileHandle.#call(this, "fchmod", (descriptor) => meta.chmod(descriptor, mode, options));
  }

  /**
   * Changes the file's owner and group; -1 leaves one as it is.
   *
   * @param uid - the owner.
   * @param gid - the group.
   * @param options - `signal` to abort it.
   */
  chown(uid: number, gid: number, options: Abortable = {}): Promise<void> {
    return FileHandle.#call(this, "fchown", (descriptor) => meta.chown(descriptor, uid, gid, options));
  }

  /**
   * Changes the times of last access and modification.
   *
   * @param atime - of last access: a Date, or seconds since 1970.
   * @param mtime - of last modification, likewise.
   * @param options - `signal` to abort it.
   */
  utimes(atime: TimeLike, mtime: TimeLike, options: Abortable = {}): Promise<void> {
    return FileHandle.#call(this, "futimes", (descriptor) => meta.utimes(descriptor, atime, mtime, options));
  }

  /**
   * Copies bytes to another open file or to a socket without bringing them into this process (splice, sendfile,
   * copy_file_range).
   *
   * @param target - an open file, or a socket's descriptor.
   * @param options - from where, to where, how much; `signal` to abort it.
   * @returns bytes copied: fewer than asked for only at the end of this file.
   */
  copyTo(target: CopyTarget, options: CopyOptions = {}): Promise<number> {
    return FileHandle.#call(this, "copy", (descriptor) =>
      copyBetween(descriptor, target, FileHandle.descriptorOf(target), options),
    );
  }

  /**
   * A stream over the file, Node's own class, fed by this package. Closes the handle at its end unless told not to.
   *
   * @param options - Node's: `start`, `end`, `encoding`, `highWaterMark`, `autoClose`, `signal`, …
   */
  createReadStream(options: CreateReadStreamOptions = {}): ReadStream {
    return readStreamOn(this as StreamOwner, this.#descriptor, options);
  }

  /**
   * A stream into the file, Node's own class. Closes the handle at its end unless told not to.
   *
   * @param options - Node's: `start`, `encoding`, `highWaterMark`, `autoClose`, …
   */
  createWriteStream(options: CreateWriteStreamOptions = {}): WriteStream {
    return writeStreamOn(this as StreamOwner, this.#descriptor, options);
  }

  /**
   * A web stream of bytes over the file. The handle stays the caller's to close.
   *
   * @param options - Node's.
   */
  readableWebStream(options: WebStreamOptions = {}): ReadableStream {
    return webStreamOn(this, this.#descriptor, options);
  }

  /**
   * An interface that gives the file's lines.
   *
   * @param options - those of {@link FileHandle.createReadStream}.
   */
  readLines(options: CreateReadStreamOptions = {}): Interface {
    return createInterface({ input: this.createReadStream(options), crlfDelay: Number.POSITIVE_INFINITY });
  }

  /** Closes the file, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

interface HandleOptions extends Abortable {
  readonly encoding?: BufferEncoding | undefined;
}

const OPEN: Operation = {
  code: OP_OPEN,
  steps: ["open"],
  finish: (_request, completion: Completion) => new FileHandle(completion.result),
  dispose: (handle) => {
    (handle as FileHandle).close().catch(() => undefined);
  },
};

/**
 * Opens a file.
 *
 * Cancel safety: a file that is opened after an abort is closed again; one that was created stays.
 *
 * @param path - the file.
 * @param flags - a string such as `"r"`, `"w+"`, `"ax"`, or a combination of `constants.O_…`. Default `"r"`.
 * @param mode - permission bits of a new file, before the umask. Default `0o666`.
 * @param options - `signal` to abort it.
 *
 * @example
 * ```ts
 * import { open } from "maniac/fs";
 *
 * await using file = await open("package.json");
 * for await (const line of file.readLines()) console.log(line);
 * ```
 */
export async function open(
  path: PathLike,
  flags?: string | number,
  mode?: Mode,
  options: Abortable = {},
): Promise<FileHandle> {
  const request = new Request(OPEN);
  request.path = validPath(path);
  request.arg0 = validFlags(flags);
  request.arg1 = validMode(mode, "mode", 0o666);
  if (restricted && !mayOpen(request.path, request.arg0)) {
    return (await node.open(path, flags, mode)) as unknown as FileHandle;
  }
  return await runWith(request, signalOf(options));
}
