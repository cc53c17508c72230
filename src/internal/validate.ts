/**
 * Argument checks, with the outcomes that `node:fs/promises` has on the running version of Node. Each returns the value
 * in the form that operations want, or throws.
 */
import { constants } from "node:fs";
import { fileURLToPath, type URL } from "node:url";
import { types } from "node:util";
import { invalidType, invalidValue, outOfRange, plainError } from "./node-errors.js";
import type { Path } from "./request.js";

/** Major version of the running Node: a few checks differ between 20 and 22. */
export const NODE_MAJOR: number = Number.parseInt(process.versions.node, 10);
/** True on Windows. */
export const isWindows: boolean = process.platform === "win32";

/** Largest user or group id. */
const MAX_ID = 2 ** 32 - 1;
const INT32_MIN = -(2 ** 31);
const INT32_MAX = 2 ** 31 - 1;

const { O_APPEND, O_CREAT, O_EXCL, O_RDONLY, O_RDWR, O_SYNC, O_TRUNC, O_WRONLY } = constants;

function isURL(value: unknown): value is URL {
  if (value === null || typeof value !== "object") {
    return false;
  }
  const url = value as { href?: unknown; protocol?: unknown; auth?: unknown; path?: unknown };
  return Boolean(url.href && url.protocol && url.auth === undefined && url.path === undefined);
}

/** A path as string or bytes. Bytes are copied: the operation crosses later. */
export function validPath(value: unknown, name = "path"): Path {
  if (typeof value === "string") {
    if (!value.includes("\0")) {
      return value;
    }
  } else if (isURL(value)) {
    return validPath(fileURLToPath(value), name);
  } else if (types.isUint8Array(value)) {
    if (!value.includes(0)) {
      return Uint8Array.prototype.slice.call(value);
    }
  } else {
    throw invalidType(name, "of type string or an instance of Buffer or URL", value);
  }
  throw invalidValue(name, value, "must be a string, Uint8Array, or URL without null bytes");
}

/** A 32-bit integer in a range. */
export function validInt32(value: unknown, name: string, min = INT32_MIN, max = INT32_MAX): number {
  return validInteger(value, name, min, max);
}

/** An unsigned 32-bit integer. */
export function validUint32(value: unknown, name: string, positive = false): number {
  return validInteger(value, name, positive ? 1 : 0, MAX_ID);
}

/** An integer in a range. */
export function validInteger(
  value: unknown,
  name: string,
  min = Number.MIN_SAFE_INTEGER,
  max = Number.MAX_SAFE_INTEGER,
): number {
  if (typeof value !== "number") {
    throw invalidType(name, "of type number", value);
  }
  if (!Number.isInteger(value)) {
    throw outOfRange(name, "an integer", value);
  }
  if (value < min || value > max) {
    throw outOfRange(name, `>= ${min} && <= ${max}`, value);
  }
  return value;
}

/** A user or group id; -1 leaves it as it is. */
export function validId(value: unknown, name: string): number {
  return validInteger(value, name, -1, MAX_ID);
}

/** A boolean. */
export function validBoolean(value: unknown, name: string): boolean {
  if (typeof value !== "boolean") {
    throw invalidType(name, "of type boolean", value);
  }
  return value;
}

/** A function. */
export function validFunction(value: unknown, name: string): void {
  if (typeof value !== "function") {
    throw invalidType(name, "of type function", value);
  }
}

/** An object that is no array. */
export function validObject(value: unknown, name: string): object {
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    throw invalidType(name, "of type object", value);
  }
  return value;
}

/** A file mode: a number or an octal string. */
export function validMode(value: unknown, name: string, fallback?: number): number {
  const mode = value ?? fallback;
  if (typeof mode === "string") {
    if (!/^[0-7]+$/.test(mode)) {
      throw invalidValue(name, mode, "must be a 32-bit unsigned integer or an octal string");
    }
    return validUint32(Number.parseInt(mode, 8), name);
  }
  return validUint32(mode, name);
}

const FLAGS: ReadonlyMap<unknown, number> = new Map([
  ["r", O_RDONLY],
  ["rs", O_RDONLY | O_SYNC],
  ["r+", O_RDWR],
  ["rs+", O_RDWR | O_SYNC],
  ["w", O_TRUNC | O_CREAT | O_WRONLY],
  ["wx", O_TRUNC | O_CREAT | O_WRONLY | O_EXCL],
  ["w+", O_TRUNC | O_CREAT | O_RDWR],
  ["wx+", O_TRUNC | O_CREAT | O_RDWR | O_EXCL],
  ["a", O_APPEND | O_CREAT | O_WRONLY],
  ["ax", O_APPEND | O_CREAT | O_WRONLY | O_EXCL],
  ["as", O_APPEND | O_CREAT | O_WRONLY | O_SYNC],
  ["a+", O_APPEND | O_CREAT | O_RDWR],
  ["ax+", O_APPEND | O_CREAT | O_RDWR | O_EXCL],
  ["as+", O_APPEND | O_CREAT | O_RDWR | O_SYNC],
  ["sr", O_RDONLY | O_SYNC],
  ["sr+", O_RDWR | O_SYNC],
  ["xw", O_TRUNC | O_CREAT | O_WRONLY | O_EXCL],
  ["xw+", O_TRUNC | O_CREAT | O_RDWR | O_EXCL],
  ["xa", O_APPEND | O_CREAT | O_WRONLY | O_EXCL],
  ["sa", O_APPEND | O_CREAT | O_WRONLY | O_SYNC],
  ["xa+", O_APPEND | O_CREAT | O_RDWR | O_EXCL],
  ["sa+", O_APPEND | O_CREAT | O_RDWR | O_SYNC],
]);

/** Open flags: a number or one of Node's strings. */
export function validFlags(value: unknown, name = "flags"): number {
  if (value === "r" || value == null) {
    return O_RDONLY;
  }
  if (typeof value === "number") {
    return validInt32(value, name);
  }
  const flags = FLAGS.get(value);
  if (flags === undefined) {
    throw invalidValue("flags", value);
  }
  return flags;
}

/** An access or copy mode: a number in a range, of which the integer part counts. */
export function validNumericMode(value: unknown, max: number): number {
  if (value === undefined || value === null) {
    return 0;
  }
  if (typeof value !== "number") {
    throw plainError(TypeError, "ERR_INVALID_ARG_TYPE", "mode must be int32 or null/undefined");
  }
  if (!Number.isFinite(value)) {
    throw plainError(RangeError, "ERR_OUT_OF_RANGE", "mode is out of range");
  }
  const mode = Math.trunc(value);
  if (mode < 0 || mode > max) {
    throw plainError(RangeError, "ERR_OUT_OF_RANGE", `mode is out of range: >= 0 && <= ${max}`);
  }
  return mode;
}

/** Seconds since 1970 from a number, a numeric string or a Date; what lies before 1970 means now. */
export function unixSeconds(value: unknown, name = "time"): number {
  if (typeof value === "string" && !Number.isNaN(Number(value))) {
    return Number(value);
  }
  if (Number.isFinite(value)) {
    return (value as number) < 0 ? Date.now() / 1000 : (value as number);
  }
  if (types.isDate(value)) {
    return value.getTime() / 1000;
  }
  throw invalidType(name, "an instance of Date or an Time in seconds", value);
}

/** An AbortSignal or undefined. */
export function validSignal(value: unknown, name = "signal"): AbortSignal | undefined {
  if (value === undefined) {
    return undefined;
  }
  if (value === null || typeof value !== "object" || !("aborted" in value)) {
    throw invalidType(name, "an instance of AbortSignal", value);
  }
  return value as AbortSignal;
}

/** The signal among trailing options, where Node's own call has none. */
export function signalOf(options: unknown): AbortSignal | undefined {
  if (options === undefined || options === null || typeof options !== "object") {
    return undefined;
  }
  return validSignal((options as { signal?: unknown }).signal, "options.signal");
}

/** What the encoding-taking calls share in their options. */
export interface EncodingOptions {
  readonly encoding?: unknown;
  readonly signal?: unknown;
}

/** Options that may also be given as the name of an encoding, or not at all. */
export function encodingOptions<T extends EncodingOptions>(options: unknown, defaults: T): T {
  if (options === undefined || options === null || typeof options === "function") {
    return defaults;
  }
  let given: T;
  if (typeof options === "string") {
    given = { ...defaults, encoding: options };
  } else if (typeof options === "object") {
    given = options as T;
  } else {
    throw invalidType("options", "one of type string or object", options);
  }
  validEncoding(given.encoding);
  if (given.signal !== undefined) {
    validSignal(given.signal, "options.signal");
  }
  return given;
}

function validEncoding(encoding: unknown): void {
  if (!encoding || encoding === "utf8" || encoding === "buffer" || Buffer.isEncoding(encoding as string)) {
    return;
  }
  throw invalidValue("encoding", encoding, "is invalid encoding");
}

/** Offset and length of a read into a buffer. */
export function checkReadRange(offset: number, length: number, bytes: number): void {
  if (offset < 0) {
    throw outOfRange("offset", ">= 0", offset);
  }
  if (length < 0) {
    throw outOfRange("length", ">= 0", length);
  }
  if (offset + length > bytes) {
    throw outOfRange("length", `<= ${bytes - offset}`, length);
  }
}

/** Offset and length of a write from a buffer. */
export function checkWriteRange(offset: number, length: number, bytes: number): void {
  if (offset > bytes) {
    throw outOfRange("offset", `<= ${bytes}`, offset);
  }
  if (length > bytes - offset) {
    throw outOfRange("length", `<= ${bytes - offset}`, length);
  }
  if (length < 0) {
    throw outOfRange("length", ">= 0", length);
  }
  validInt32(length, "length", 0);
}

/** True of typed arrays, Buffers and DataViews. */
export function isView(value: unknown): value is NodeJS.ArrayBufferView {
  return ArrayBuffer.isView(value);
}

/** An array of views. */
export function validBuffers(value: unknown): readonly NodeJS.ArrayBufferView[] {
  if (!Array.isArray(value) || !value.every(isView)) {
    throw invalidType("buffers", "an ArrayBufferView[]", value);
  }
  return value as NodeJS.ArrayBufferView[];
}

/** Bytes of any view. */
export function bytesOf(view: NodeJS.ArrayBufferView): Uint8Array {
  return view instanceof Uint8Array ? view : new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}
