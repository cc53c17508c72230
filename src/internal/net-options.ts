/** Arguments of `connect`, `listen` and their like, in Node's many forms. */

import { fstatSync } from "node:fs";
import { invalidFdType } from "./net-errors.js";
import { invalidType, invalidValue, outOfRange } from "./node-errors.js";
import { NODE_MAJOR, validFunction, validInt32 } from "./validate.js";

/** The one object that many forms of arguments come to. */
export type AnyOptions = Record<string, unknown>;

/** A callback without arguments. */
export type Callback = () => void;

/** A number, or false where Node takes a text for no port. */
export function toNumber(value: unknown): number | false {
  const number = Number(value);
  return number >= 0 ? number : false;
}

/** Whether text names a path rather than a port. */
export function isPath(value: unknown): value is string {
  return typeof value === "string" && toNumber(value) === false;
}

/** `(options[, callback])`, `(path[, callback])`, `(port[, host][, callback])`. */
export function normalize(args: readonly unknown[]): [AnyOptions, Callback | null] {
  if (args.length === 0) {
    return [{}, null];
  }
  const first = args[0];
  let options: AnyOptions = {};
  if (typeof first === "object" && first !== null) {
    options = first as AnyOptions;
  } else if (isPath(first)) {
    options.path = first;
  } else {
    options.port = first;
    if (args.length > 1 && typeof args[1] === "string") {
      options.host = args[1];
    }
  }
  const last = args[args.length - 1];
  return [options, typeof last === "function" ? (last as Callback) : null];
}

/** A number that is not NaN. */
export function validNumber(value: unknown, name: string): number {
  if (typeof value !== "number") {
    throw invalidType(name, "of type number", value);
  }
  return value;
}

/** Text. */
export function validString(value: unknown, name: string): string {
  if (typeof value !== "string") {
    throw invalidType(name, "of type string", value);
  }
  return value;
}

/** Milliseconds for a timer. */
export function validDuration(value: unknown, name: string): number {
  const number = validNumber(value, name);
  if (number < 0 || !Number.isFinite(number)) {
    throw outOfRange(name, "a non-negative finite number", value);
  }
  return Math.min(number, 2 ** 31 - 1);
}

/** Seconds of `keepAliveInitialDelay`. */
export function keepAliveSeconds(value: unknown): number {
  if (value === undefined) {
    return 0;
  }
  return Math.max(0, Math.trunc(validNumber(value, "options.keepAliveInitialDelay") / 1000)) | 0;
}

/** A function, or nothing. */
export function optionalFunction(value: unknown, name: string): void {
  if (value !== undefined && value !== null) {
    validFunction(value, name);
  }
}

/** A descriptor's number that is a socket's. */
export function validSocketDescriptor(fd: unknown): number {
  const number = validInt32(fd, "fd", 0);
  const stat = fstatSync(number);
  if (!stat.isSocket()) {
    throw invalidFdType(stat.isFile() ? "FILE" : "UNKNOWN");
  }
  return number;
}

/** Whether connections try families in turn unless told otherwise: Node's own default. */
export const AUTO_SELECT: boolean = NODE_MAJOR >= 20;

/** Streams of objects are no sockets. */
export function refuseObjectMode(options: AnyOptions): void {
  for (const name of ["objectMode", "readableObjectMode", "writableObjectMode"]) {
    if (options[name]) {
      throw invalidValue(`options.${name}`, options[name], "is not supported");
    }
  }
}
