/** Reading and writing at a descriptor: the argument forms of `FileHandle.read`, `readv`, `write` and `writev`. */
import type { Completion } from "./completion.js";
import type { Descriptor } from "./descriptor.js";
import { invalidState, invalidType, invalidValue, outOfRange } from "./node-errors.js";
import { OP_READ, OP_WRITE } from "./ops.js";
import { errnoOf, osError } from "./os-errors.js";
import { regionOf } from "./regions.js";
import { type Operation, Request } from "./request.js";
import { run, runWith } from "./run.js";
import {
  bytesOf,
  checkReadRange,
  checkWriteRange,
  isView,
  NODE_MAJOR,
  signalOf,
  validBuffers,
  validInteger,
  validObject,
  validSignal,
} from "./validate.js";

type View = NodeJS.ArrayBufferView;

/** Largest single read or write. */
const MAX_LENGTH = 2 ** 31 - 1;
const MAX_POSITION = 2n ** 63n - 1n;

/** Results have no prototype, as Node's. */
function result(
  countName: "bytesRead" | "bytesWritten",
  count: number,
  name: "buffer" | "buffers",
  value: unknown,
): object {
  const made = Object.create(null) as Record<string, unknown>;
  made[countName] = count;
  made[name] = value;
  return made;
}

const READ: Operation = {
  code: OP_READ,
  steps: ["read"],
  finish(request: Request, completion: Completion): object {
    const bytesRead = completion.result;
    const buffer = request.buffer as View;
    if (bytesRead > 0 && !completion.inPlace) {
      deliver(completion, buffer, request.bufferOffset, bytesRead);
    }
    const made = Object.create(null) as { bytesRead: number; buffer: View };
    made.bytesRead = bytesRead;
    made.buffer = buffer;
    return made;
  },
};

/** Copies what was read to where the caller wants it. */
function deliver(completion: Completion, view: View, offset: number, length: number): void {
  if (offset + length > view.byteLength) {
    // The bytes have nowhere to go: saying so is better than a count that is not true.
    throw invalidState("The buffer was detached or shrunk while a read into it was in flight");
  }
  completion.copyTo(bytesOf(view), offset, length);
}

const READV: Operation = {
  code: OP_READ,
  steps: ["read"],
  finish(request: Request, completion: Completion): object {
    const buffers = request.context as readonly View[];
    const bytesRead = completion.result;
    if (bytesRead > 0) {
      const bytes = completion.view();
      let done = 0;
      for (const view of buffers) {
        const length = Math.min(view.byteLength, bytesRead - done);
        bytesOf(view).set(bytes.subarray(done, done + length));
        done += length;
      }
    }
    return result("bytesRead", bytesRead, "buffers", buffers);
  },
};

const WRITE: Operation = {
  code: OP_WRITE,
  steps: ["write"],
  finish: (request, completion) => result("bytesWritten", completion.result, "buffer", request.context),
};

const WRITEV: Operation = {
  code: OP_WRITE,
  steps: ["write"],
  finish: (request, completion) => result("bytesWritten", completion.result, "buffers", request.context),
};

/** Starts an operation on a descriptor, which stays open until the operation is complete. */
export function onDescriptor(operation: Operation, descriptor: Descriptor, flags = 0): Request {
  const request = new Request(operation, flags);
  request.fd = descriptor.fd;
  return request;
}

/** Counts the operation as a user of the descriptor, and submits it. */
export function submitOn<T>(descriptor: Descriptor, request: Request, signal?: AbortSignal): Promise<T> {
  descriptor.ref();
  request.hold(descriptor);
  return signal === undefined ? run(request) : runWith(request, signal);
}

/** The position of a read: -1 is the cursor. */
function readPosition(position: unknown, length: number): number | bigint {
  if (position === null || position === undefined) {
    return -1;
  }
  if (typeof position === "bigint") {
    const most = MAX_POSITION - BigInt(length);
    if (position < -1n || position > most) {
      throw outOfRange("position", `>= -1 && <= ${most}`, position);
    }
    return position;
  }
  if (NODE_MAJOR >= 22) {
    if (typeof position !== "number") {
      throw invalidType("position", "of type bigint or integer", position);
    }
    return validInteger(position, "position", -1);
  }
  return plainPosition(position);
}

/** A position where anything but a whole number means the cursor. */
function plainPosition(position: unknown): number {
  return Number.isSafeInteger(position) && (position as number) >= 0 ? (position as number) : -1;
}

/** A length where Node would end the process: its binding insists on a whole number. */
function wholeLength(length: unknown): number {
  return validInteger(length, "length", Number.MIN_SAFE_INTEGER, MAX_LENGTH);
}

interface ReadParameters {
  readonly buffer?: View;
  readonly offset?: unknown;
  readonly length?: unknown;
  readonly position?: unknown;
  readonly signal?: unknown;
}

/** `FileHandle.read` in all its forms. */
export function read(
  descriptor: Descriptor,
  first: unknown,
  second: unknown,
  third: unknown,
  fourth: unknown,
): Promise<object> {
  let offset = second;
  let length = third;
  let position = fourth;
  let signal: unknown;
  let view: View;
  if (isView(first)) {
    view = first;
  } else {
    // read(), read(options)
    if (first !== undefined && first !== null) {
      validObject(first, "options");
    }
    const options = (first ?? {}) as ReadParameters;
    ({ offset = 0, length, position = null, signal } = options);
    view = options.buffer === undefined ? Buffer.alloc(16384) : options.buffer;
    if (!isView(view)) {
      throw invalidType("buffer", "an instance of Buffer, TypedArray, or DataView", view);
    }
  }
  if (offset !== null && typeof offset === "object") {
    // read(buffer, options)
    ({ offset = 0, length, position = null, signal } = offset as ReadParameters);
  }
  const bytes = view.byteLength;
  const start = offset === null || offset === undefined ? 0 : validInteger(offset, "offset", 0);
  const wanted = length === null || length === undefined ? bytes - start : (length as number);
  if (wanted === 0) {
    return Promise.resolve(result("bytesRead", 0, "buffer", view));
  }
  if (bytes === 0) {
    throw invalidValue("buffer", view, "is empty and cannot be written");
  }
  checkReadRange(start, wanted, bytes);
  const request = onDescriptor(READ, descriptor);
  request.length = wholeLength(wanted);
  request.position = readPosition(position, wanted);
  request.buffer = view;
  request.bufferOffset = start;
  aim(request, view, start);
  return submitOn(
    descriptor,
    request,
    signal === undefined ? undefined : validSignal(signal, "options.signal"),
  );
}

/** Points an operation at memory from `allocAligned`, which the kernel may use without a copy. */
function aim(request: Request, view: View, offset: number): void {
  const region = regionOf(view.buffer);
  if (region !== -1) {
    request.region = region;
    request.regionOffset = view.byteOffset + offset;
  }
}

/** `FileHandle.readv`. */
export function readv(
  descriptor: Descriptor,
  buffers: unknown,
  position: unknown,
  options: unknown,
): Promise<object> {
  const views = validBuffers(buffers);
  if (views.length === 0) {
    // As libuv has it: a read needs a buffer, though it may be an empty one.
    throw osError(errnoOf("EINVAL"), "read");
  }
  const request = onDescriptor(READV, descriptor);
  request.length = Math.min(totalLength(views), MAX_LENGTH);
  request.position = plainPosition(position);
  request.context = buffers;
  return submitOn(descriptor, request, signalOf(options));
}

function totalLength(views: readonly View[]): number {
  return views.reduce((sum, view) => sum + view.byteLength, 0);
}

interface WriteParameters {
  readonly offset?: unknown;
  readonly length?: unknown;
  readonly position?: unknown;
  readonly signal?: unknown;
}

/** `FileHandle.write` in all its forms. */
export function write(
  descriptor: Descriptor,
  data: unknown,
  second: unknown,
  third: unknown,
  fourth: unknown,
): Promise<object> {
  if ((data as View | null | undefined)?.byteLength === 0) {
    return Promise.resolve(result("bytesWritten", 0, "buffer", data));
  }
  if (!isView(data)) {
    return writeText(descriptor, data, second, third, fourth);
  }
  let offset = second;
  let length = third;
  let position = fourth;
  let signal: unknown;
  if (typeof offset === "object") {
    ({ offset = 0, length, position = null, signal } = (offset ?? {}) as WriteParameters);
  }
  const bytes = data.byteLength;
  const start = offset === null || offset === undefined ? 0 : validInteger(offset, "offset", 0);
  const count = typeof length === "number" ? length : bytes - start;
  checkWriteRange(start, count, bytes);
  const request = onDescriptor(WRITE, descriptor);
  request.carry(slice(data, start, count));
  request.position = plainPosition(position);
  request.context = data;
  request.length = count;
  aim(request, data, start);
  return submitOn(
    descriptor,
    request,
    signal === undefined ? undefined : validSignal(signal, "options.signal"),
  );
}

function slice(view: View, start: number, length: number): Uint8Array {
  const bytes = bytesOf(view);
  return start === 0 && length === bytes.byteLength ? bytes : bytes.subarray(start, start + length);
}

/** `write(string[, position[, encoding[, options]]])`. */
function writeText(
  descriptor: Descriptor,
  data: unknown,
  position: unknown,
  encoding: unknown,
  options: unknown,
): Promise<object> {
  if (typeof data !== "string") {
    throw invalidType("buffer", "of type string or an instance of Buffer, TypedArray, or DataView", data);
  }
  if (typeof encoding === "string" && encoding.toLowerCase() === "hex" && data.length % 2 !== 0) {
    throw invalidValue("encoding", encoding, `is invalid for data of length ${data.length}`);
  }
  const known = typeof encoding === "string" && Buffer.isEncoding(encoding) ? encoding : "utf8";
  const request = onDescriptor(WRITE, descriptor);
  request.carry(Buffer.from(data, known));
  request.position = plainPosition(position);
  request.context = data;
  return submitOn(descriptor, request, signalOf(options));
}

/** `FileHandle.writev`. */
export function writev(
  descriptor: Descriptor,
  buffers: unknown,
  position: unknown,
  options: unknown,
): Promise<object> {
  const views = validBuffers(buffers);
  if (views.length === 0) {
    return Promise.resolve(result("bytesWritten", 0, "buffers", buffers));
  }
  const request = onDescriptor(WRITEV, descriptor);
  request.carry(Buffer.concat(views.map(bytesOf)));
  request.position = plainPosition(position);
  request.context = buffers;
  return submitOn(descriptor, request, signalOf(options));
}
