/** Whole files in one operation: what stands behind `readFile` and `writeFile`, by path and by handle. */
import type { Completion } from "./completion.js";
import type { Descriptor } from "./descriptor.js";
import { onDescriptor, submitOn } from "./handle-io.js";
import { abortError, fileTooLarge, invalidState, invalidType, unknownEncoding } from "./node-errors.js";
import { F_KEEP, F_SYNC, OP_READ_FILE, OP_WRITE, OP_WRITE_FILE } from "./ops.js";
import { errnoOf, osError } from "./os-errors.js";
import { type Operation, type Path, Request } from "./request.js";
import { runWith } from "./run.js";
import { bytesOf, isView, NODE_MAJOR } from "./validate.js";

/** Payload of one write; more goes in several, so that an abort takes effect in between. */
const CHUNK = 512 * 1024;

const FSTAT_STEP = 1;

function finishRead(request: Request, completion: Completion): Buffer | string {
  const encoding = request.context as BufferEncoding | undefined;
  if (encoding === undefined) {
    return completion.buffer();
  }
  if (NODE_MAJOR >= 26 && completion.length === 0) {
    return "";
  }
  if (!Buffer.isEncoding(encoding)) {
    // "buffer" passes for an encoding of names, but not for one of contents.
    throw unknownEncoding(encoding);
  }
  return completion.text(encoding);
}

/** The runtime answers with EFBIG after fstat where the file is larger than a Buffer may be, and with its size. */
function tooLarge(errno: number, step: number, size: number): Error | undefined {
  return step === FSTAT_STEP && errno === errnoOf("EFBIG") ? fileTooLarge(size) : undefined;
}

const READ_PATH: Operation = {
  code: OP_READ_FILE,
  steps: ["open", "fstat", "read", "close"],
  finish: finishRead,
  failure(request, errno, step, size) {
    // Only Node 26 says whose reading failed.
    const path = step === 0 || NODE_MAJOR >= 26 ? request.path : undefined;
    return tooLarge(errno, step, size) ?? osError(errno, this.steps[step] ?? "read", path);
  },
};

const READ_HANDLE: Operation = {
  code: OP_READ_FILE,
  steps: ["open", "fstat", "read", "close"],
  finish: finishRead,
  failure(_request, errno, step, size) {
    return tooLarge(errno, step, size) ?? osError(errno, this.steps[step] ?? "read");
  },
};

const WRITE_PATH: Operation = {
  code: OP_WRITE_FILE,
  steps: ["open", "write", "fsync", "close"],
  finish: () => undefined,
};

const WRITE_HANDLE: Operation = {
  code: OP_WRITE,
  steps: ["write"],
  finish: (_request, completion) => completion.result,
};

/** Reads the file at `path`; with an encoding the result is a string. */
export function readPath(
  path: Path,
  flags: number,
  encoding: BufferEncoding | undefined,
  signal: AbortSignal | undefined,
): Promise<Buffer | string> {
  const request = new Request(READ_PATH, encoding === undefined ? F_KEEP : 0);
  request.path = path;
  request.arg0 = flags;
  request.arg1 = 0o666;
  request.context = encoding;
  return runWith(request, signal);
}

/** Reads an open file from its cursor to its end. */
export function readHandle(
  descriptor: Descriptor,
  encoding: BufferEncoding | undefined,
  signal: AbortSignal | undefined,
): Promise<Buffer | string> {
  const request = onDescriptor(READ_HANDLE, descriptor, encoding === undefined ? F_KEEP : 0);
  request.context = encoding;
  return submitOn(descriptor, request, signal);
}

/** Whether one operation can write `data` by path. */
export function fitsOneWrite(data: WritableData): data is Uint8Array {
  return data instanceof Uint8Array && data.byteLength <= CHUNK;
}

/** Opens, writes and closes in one operation. */
export function writePath(
  path: Path,
  data: Uint8Array,
  flags: number,
  mode: number,
  sync: boolean,
  signal: AbortSignal | undefined,
): Promise<void> {
  const request = new Request(WRITE_PATH, sync ? F_SYNC : 0);
  request.path = path;
  request.arg0 = flags;
  request.arg1 = mode;
  request.carry(data);
  return runWith(request, signal);
}

/** What may be written: bytes, or something that gives chunks. */
export type WritableData = Uint8Array | Iterable<unknown> | AsyncIterable<unknown>;

/** Checks `data` as `writeFile` does; strings become bytes. */
export function writableData(data: unknown, encoding: unknown): WritableData {
  if (isView(data)) {
    return bytesOf(data);
  }
  if (typeof data === "string") {
    return Buffer.from(data, (encoding || "utf8") as BufferEncoding);
  }
  const iterable = data as
    | { [Symbol.asyncIterator]?: unknown; [Symbol.iterator]?: unknown }
    | null
    | undefined;
  if (
    typeof iterable?.[Symbol.asyncIterator] === "function" ||
    typeof iterable?.[Symbol.iterator] === "function"
  ) {
    return data as AsyncIterable<unknown>;
  }
  throw invalidType("data", "of type string or an instance of Buffer, TypedArray, or DataView", data);
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) {
    throw abortError(signal);
  }
}

async function writeBytes(
  descriptor: Descriptor,
  bytes: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<void> {
  const length = bytes.byteLength;
  for (let done = 0; done < length; ) {
    throwIfAborted(signal);
    if (bytes.byteLength !== length) {
      throw invalidState("The buffer was detached or resized before all of it was written");
    }
    const request = onDescriptor(WRITE_HANDLE, descriptor);
    request.carry(bytes.subarray(done, done + CHUNK));
    const count = await submitOn<number>(descriptor, request, signal);
    if (count === 0) {
      // No error, and no end either.
      throw osError(errnoOf("EIO"), "write");
    }
    done += count;
  }
}

/** Writes all of `data` at an open file's cursor. */
export async function writeHandle(
  descriptor: Descriptor,
  data: WritableData,
  encoding: unknown,
  signal: AbortSignal | undefined,
): Promise<void> {
  throwIfAborted(signal);
  if (data instanceof Uint8Array) {
    return await writeBytes(descriptor, data, signal);
  }
  for await (const chunk of data) {
    throwIfAborted(signal);
    const bytes = isView(chunk)
      ? bytesOf(chunk)
      : Buffer.from(chunk as string, (encoding || "utf8") as BufferEncoding);
    await writeBytes(descriptor, bytes, signal);
    throwIfAborted(signal);
  }
}
