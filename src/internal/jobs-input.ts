/** What jobs take: text and bytes of every kind, alone or many at once. */
import { types } from "node:util";
import { invalidType } from "./node-errors.js";
import { bytesOf, isView } from "./validate.js";

/** Text (as UTF-8) or bytes. They are copied before the call returns. */
export type JobInput = string | ArrayBufferLike | NodeJS.ArrayBufferView;

/** One input gives one result, an array of inputs an array of results. */
export type Results<D, R> = D extends readonly unknown[] ? R[] : R;

/** The bytes of an input. */
export function bytesOfInput(value: unknown, name: string): Uint8Array {
  if (typeof value === "string") return Buffer.from(value);
  if (isView(value)) return bytesOf(value);
  if (types.isAnyArrayBuffer(value)) return new Uint8Array(value);
  const expected = "of type string or an instance of Buffer, TypedArray, DataView, or ArrayBuffer";
  throw invalidType(name, expected, value);
}

/** The bytes of one input, or of each of several. */
export function bytesOfInputs(value: unknown, name: string): Uint8Array[] {
  if (!Array.isArray(value)) return [bytesOfInput(value, name)];
  return value.map((one: unknown, at) => bytesOfInput(one, `${name}[${at}]`));
}

/** A Buffer over all of `memory`, which is nobody else's. */
export function bufferOf(memory: ArrayBuffer | undefined): Buffer {
  return Buffer.from(memory ?? new ArrayBuffer(0));
}
