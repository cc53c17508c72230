/**
 * Puts this package's functions in the place of Node's, in the module objects that every program has: CommonJS sees them at once,
 * ES modules after `syncBuiltinESMExports`. Node's own are kept, and do what is theirs.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { promises as maniac } from "../fs.js";
import { FileHandle } from "./file-handle.js";
import { type Replaced, readStream, writeStream } from "./path-streams.js";
import {
  type AnyFunction,
  ATTEMPTS,
  type Attempt,
  answer,
  exists,
  realpathNative,
} from "./register-callbacks.js";
import { keepsTimes, noteRead, passedOn, timed, tookOver } from "./register-tally.js";

/** How Node's functions are treated. */
export interface PatchOptions {
  /** Node's own do everything, and are counted as if they were this package's. */
  readonly observe: boolean;
  /** Those that stay Node's are counted too. */
  readonly countAll: boolean;
}

type Functions = Record<string, AnyFunction>;

const fsFunctions = fs as unknown as Functions;
const promises = fs.promises as unknown as Functions;
/** Of `fs.promises`: these are Node's in this package too. */
const NODES = new Set(["watch", "glob"]);
/** What reads a file: their times are looked at. */
const READS = new Set(["promises.readFile", "readFile", "read", "readv"]);
/** What a function has anyway. */
const USUAL = new Set<string | symbol>(["length", "name", "prototype", "arguments", "caller"]);

/** Makes `replacement` look like `original`: its name, its length, and what Node has hung on it. */
function inPlaceOf(original: AnyFunction, replacement: AnyFunction): AnyFunction {
  for (const key of Reflect.ownKeys(original)) {
    const property = Object.getOwnPropertyDescriptor(original, key);
    if (property !== undefined && (!USUAL.has(key) || key === "name" || key === "length")) {
      Object.defineProperty(replacement, key, property);
    }
  }
  return replacement;
}

function put(target: Functions, name: string, make: (original: AnyFunction) => AnyFunction): void {
  const property = Object.getOwnPropertyDescriptor(target, name);
  const original: unknown = property?.value;
  if (property === undefined || typeof original !== "function") return;
  const replacement = inPlaceOf(original as AnyFunction, make(original as AnyFunction));
  Object.defineProperty(target, name, { ...property, value: replacement });
}

/** A function of `fs.promises`. */
function promised(name: string, ours: AnyFunction): AnyFunction {
  const full = `promises.${name}`;
  const reads = READS.has(full);
  return (...values) => {
    tookOver(full);
    return reads ? timed(ours(...values) as Promise<unknown>) : ours(...values);
  };
}

/** A function with a callback. `first` is what the callback gets before the result. */
function called(
  name: string,
  attempt: Attempt,
  original: AnyFunction,
  first: readonly unknown[] = [null],
): AnyFunction {
  const reads = READS.has(name);
  return function call(this: unknown, ...values) {
    const callback: unknown = values.at(-1);
    const pending = typeof callback === "function" ? attempt(values.slice(0, -1)) : undefined;
    if (pending === undefined) {
      passedOn(name);
      return original.apply(this, values) as unknown;
    }
    tookOver(name);
    answer(reads ? timed(pending) : pending, callback as AnyFunction, first);
    return undefined;
  };
}

/** Node's own function with a callback, counted as if it were ours. */
function watched(name: string, original: AnyFunction): AnyFunction {
  return function call(this: unknown, ...values) {
    tookOver(name);
    const callback: unknown = values.at(-1);
    if (READS.has(name) && keepsTimes() && typeof callback === "function") {
      const start = performance.now();
      values[values.length - 1] = (...results: unknown[]): unknown => {
        noteRead(performance.now() - start);
        return (callback as AnyFunction)(...results);
      };
    }
    return original.apply(this, values) as unknown;
  };
}

function counted(name: string, original: AnyFunction): AnyFunction {
  return function call(this: unknown, ...values) {
    passedOn(name);
    return original.apply(this, values) as unknown;
  };
}

/** These write a file by calling functions of `node:fs`, which a program may have replaced: */
const WRITES_WHOLE = new Set(["writeFile", "appendFile"]);
/** then Node's own do it, by those. */
const WRITES_BY = ["open", "write", "fsync", "close"];

/** What stands in `node:fs` for what streams call, as long as the program does not put something of its own there. */
const usual = new Map<string, unknown>();

/** The program's own function of that name, if it has put one there. */
const replaced: Replaced = (name) => {
  const now = fsFunctions[name];
  return now === usual.get(name) ? undefined : now;
};

/** `createReadStream` and `createWriteStream`: what comes with operations, or a handle, of its own is Node's. */
function streaming(
  name: string,
  ours: (path: never, options: unknown, replaced: Replaced) => object,
  original: AnyFunction,
): AnyFunction {
  // No arrow function: programs call it with `new`, too.
  return function stream(path: never, options: unknown) {
    const { fs: own, fd } = (typeof options === "object" && options !== null ? options : {}) as {
      fs?: unknown;
      fd?: unknown;
    };
    if (typeof fd === "object" && fd !== null ? !(fd instanceof FileHandle) : own) {
      passedOn(name);
      return original(path, options) as unknown;
    }
    tookOver(name);
    return ours(path, options, replaced);
  };
}

/** Patches this environment's modules. */
export function patch({ observe, countAll }: PatchOptions): void {
  const done = new Set<string>();
  for (const [name, ours] of Object.entries(maniac as unknown as Functions)) {
    if (typeof ours !== "function" || NODES.has(name)) continue;
    put(promises, name, (original) => promised(name, observe ? original : ours));
  }
  const callbacks: [string, Attempt, (readonly unknown[])?][] = [
    ...Object.entries(ATTEMPTS).map(([name, attempt]): [string, Attempt] => [name, attempt]),
    ["exists", exists, []],
  ];
  for (const [name, whole, first] of callbacks) {
    done.add(name);
    const attempt: Attempt = WRITES_WHOLE.has(name)
      ? (values) => (WRITES_BY.some(replaced) ? undefined : whole(values))
      : whole;
    put(fsFunctions, name, (original) =>
      observe ? watched(name, original) : called(name, attempt, original, first),
    );
  }
  put(fs.realpath as unknown as Functions, "native", (original) =>
    observe ? watched("realpath.native", original) : called("realpath.native", realpathNative, original),
  );
  for (const [name, ours] of Object.entries({
    createReadStream: readStream,
    createWriteStream: writeStream,
  })) {
    done.add(name);
    put(fsFunctions, name, (original) =>
      observe ? watched(name, original) : streaming(name, ours, original),
    );
  }
  if (countAll) {
    for (const name of Object.keys(fs)) {
      // Classes begin with a capital, and are no calls.
      if (!done.has(name) && !/^[A-Z_]/.test(name))
        put(fsFunctions, name, (original) => counted(name, original));
    }
  }
  for (const name of ["open", "close", "read", "write", "writev", "fsync"])
    usual.set(name, fsFunctions[name]);
  syncBuiltinESMExports();
}
