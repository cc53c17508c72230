/**
 * Streams over open files: Node's own `fs.ReadStream` and `fs.WriteStream`, so that back-pressure, events, options and
 * `instanceof` are Node's, over this package's operations by the streams' documented `fs` option.
 */
import fs, { type ReadStream, type WriteStream } from "node:fs";
import type { Descriptor } from "./descriptor.js";

type Callback = (error: unknown, count?: number, data?: unknown) => void;

/** What a stream needs of the handle that it belongs to: its methods, which a program may have wrapped. */
export interface StreamOwner {
  close(): Promise<void>;
  read(buffer: Buffer, offset: number, length: number, position: number | null): Promise<object>;
  write(buffer: Buffer, offset: number, length: number, position: number | null): Promise<object>;
  writev(buffers: Buffer[], position: number | null): Promise<object>;
  sync(): Promise<void>;
  on(event: "close", listener: () => void): unknown;
}

type Counted = { readonly bytesRead?: number; readonly bytesWritten?: number };

/** Calls back when `pending` settles. */
function answer(pending: Promise<object>, data: unknown, callback: Callback): void {
  pending.then(
    (result) => {
      const { bytesRead, bytesWritten } = result as Counted;
      callback(null, bytesRead ?? bytesWritten ?? 0, data);
    },
    (error: unknown) => callback(error, 0, data),
  );
}

/** Settles a promise into a callback that takes an error only. */
function finish(pending: Promise<void>, callback: (error?: unknown) => void): void {
  pending.then(() => callback(null), callback);
}

type Position = number | null;

/** The operations of one stream, in the form of its `fs` option. */
export function streamOperations(
  owner: (fd: number) => StreamOwner,
  close: (fd: number) => Promise<void>,
): object {
  return {
    open: (): never => {
      throw new TypeError("a stream over an open file opens nothing");
    },
    close: (fd: number, callback: (error?: unknown) => void) => finish(close(fd), callback),
    fsync: (fd: number, callback: (error?: unknown) => void) => finish(owner(fd).sync(), callback),
    read: (
      fd: number,
      data: Buffer,
      offset: number,
      length: number,
      position: Position,
      callback: Callback,
    ) => answer(owner(fd).read(data, offset, length, position), data, callback),
    write: (
      fd: number,
      data: Buffer,
      offset: number,
      length: number,
      position: Position,
      callback: Callback,
    ) => answer(owner(fd).write(data, offset, length, position), data, callback),
    writev: (fd: number, data: Buffer[], position: Position, callback: Callback) =>
      answer(owner(fd).writev(data, position), data, callback),
  };
}

// Node types the options of the functions, not of the constructors; the functions only call the constructors.
const { createReadStream, createWriteStream } = fs;

/** Common to both directions: the stream is a user of the descriptor, and ends when the handle is closed. */
function attach<S extends ReadStream | WriteStream>(
  owner: StreamOwner,
  descriptor: Descriptor,
  make: (fd: number, operations: object) => S,
): S {
  let attached = true;
  const operations = streamOperations(
    () => owner,
    () => {
      if (attached) {
        attached = false;
        descriptor.unref();
      }
      return owner.close();
    },
  );
  const stream = make(descriptor.fd, operations);
  descriptor.ref();
  owner.on("close", () => stream.close());
  return stream;
}

/** A stream over an open file. */
export function readStreamOn(owner: StreamOwner, descriptor: Descriptor, options: object): ReadStream {
  return attach(owner, descriptor, (fd, operations) =>
    createReadStream("", { ...options, fd, fs: operations } as Parameters<typeof createReadStream>[1]),
  );
}

/** A stream into an open file. */
export function writeStreamOn(owner: StreamOwner, descriptor: Descriptor, options: object): WriteStream {
  return attach(owner, descriptor, (fd, operations) =>
    createWriteStream("", { ...options, fd, fs: operations } as Parameters<typeof createWriteStream>[1]),
  );
}
