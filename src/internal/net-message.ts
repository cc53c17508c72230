/** What `send` takes, in Node's many forms. */
import { dgramConnected, outOfBounds } from "./net-errors.js";
import { invalidType } from "./node-errors.js";
import { isView } from "./validate.js";

/** A datagram: text, bytes, or a list of both. */
export type Message = string | NodeJS.ArrayBufferView | readonly (string | NodeJS.ArrayBufferView)[];

const VIEWS = "of type string or an instance of Buffer, TypedArray, or DataView";

function viewOf(value: string | NodeJS.ArrayBufferView): Buffer {
  return typeof value === "string"
    ? Buffer.from(value)
    : Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

function slice(value: unknown, offset: number, length: number): Buffer {
  if (typeof value !== "string" && !isView(value)) {
    throw invalidType("buffer", VIEWS, value);
  }
  const all = viewOf(value);
  const [start, count] = [offset >>> 0, length >>> 0];
  if (start > all.byteLength) {
    throw outOfBounds("offset");
  }
  if (start + count > all.byteLength) {
    throw outOfBounds("length");
  }
  return all.subarray(start, start + count);
}

/** What a call of `send` comes to. */
export interface Sending {
  readonly message: unknown;
  readonly port: unknown;
  readonly address: unknown;
  readonly callback: unknown;
}

/** Tells `(message, offset, length, …)` from `(message, …)`. */
export function gather(args: readonly unknown[], connected: boolean): Sending {
  const [message, second, third, fourth, fifth, sixth] = args;
  if (connected) {
    const sliced = typeof third === "number";
    const called = sliced && typeof fourth === "function";
    const port = called ? null : fourth;
    if (port || fifth) {
      throw dgramConnected();
    }
    return {
      message: sliced ? slice(message, second as number, third) : message,
      port,
      address: undefined,
      callback: sliced ? (called ? fourth : sixth) : second,
    };
  }
  const sliced = Boolean(fifth) || (Boolean(fourth) && typeof fourth !== "function");
  const [port, address, callback] = sliced ? [fourth, fifth, sixth] : [second, third, fourth];
  return {
    message: sliced ? slice(message, second as number, third as number) : message,
    port,
    address: typeof address === "function" ? undefined : address,
    callback: typeof address === "function" ? address : callback,
  };
}

/** One datagram's bytes. */
export function bytesOfMessage(message: unknown): Buffer {
  if (typeof message === "string" || isView(message)) {
    return viewOf(message);
  }
  if (!Array.isArray(message)) {
    throw invalidType("buffer", VIEWS, message);
  }
  const list = message as unknown[];
  if (!list.every((one) => typeof one === "string" || isView(one))) {
    throw invalidType("buffer list arguments", VIEWS, message);
  }
  return Buffer.concat((list as (string | NodeJS.ArrayBufferView)[]).map(viewOf));
}
