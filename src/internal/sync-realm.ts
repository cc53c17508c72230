/**
 * The facade's functions a second time, for `syncAwait`: the same code, compiled in a context whose microtasks have a queue of their
 * own. What such a function awaits is run by {@link Realm.turn}, within the call that waits for it; nothing else of the program
 * is. Why so: `docs/decisions/0008-sync-await-in-node.md`.
 *
 * What makes promises is loaded here; engine, requests, errors and the rest are the program's own.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import vm from "node:vm";
import * as errors from "../errors.js";
import * as abort from "./abort.js";
import * as binding from "./binding.js";
import * as completion from "./completion.js";
import * as engine from "./engine.js";
import * as nodeErrors from "./node-errors.js";
import * as ops from "./ops.js";
import * as osErrors from "./os-errors.js";
import * as queue from "./queue.js";
import * as request from "./request.js";
import * as stats from "./stats.js";

type Exports = Record<string, unknown>;

/** Modules that both sides share, by their place in the package's `dist`. */
const SHARED: Readonly<Record<string, object>> = {
  "errors.js": errors,
  "internal/abort.js": abort,
  "internal/binding.js": binding,
  "internal/completion.js": completion,
  "internal/engine.js": engine,
  "internal/node-errors.js": nodeErrors,
  "internal/ops.js": ops,
  "internal/os-errors.js": osErrors,
  "internal/queue.js": queue,
  "internal/request.js": request,
  "internal/stats.js": stats,
};

/** Handles and directories of this side live for one call and are not collected by a finalizer. */
class NoRegistry {
  register(): void {}
  unregister(): boolean {
    return false;
  }
}

/** The program's own globals, so that errors and buffers are of its classes. */
const GLOBALS: Readonly<Record<string, unknown>> = {
  ...{
    AbortController,
    AbortSignal,
    AggregateError,
    Array,
    ArrayBuffer,
    BigInt64Array,
    Buffer,
    DataView,
    Date,
  },
  ...{
    DOMException,
    Error,
    Float64Array,
    Int32Array,
    Map,
    Object,
    RangeError,
    Set,
    SharedArrayBuffer,
    Symbol,
  },
  ...{ TypeError, Uint32Array, Uint8Array, URL, WeakMap, WeakRef, console, process },
  FinalizationRegistry: NoRegistry,
};

const DIST = new URL("../", import.meta.url);

const IMPORT = /^import (?:(\w+)(?:, )?)?(?:\* as (\w+)|\{(.*)\})? ?from "(.+)";$/gm;
const EXPORT_FROM = /^export \{(.*)\} from "(.+)";$/gm;
const EXPORT_LIST = /^export \{(.*)\};$/gm;
const EXPORT_DEFAULT = /^export default (\w+);$/gm;
const EXPORTED = /^export ((?:async )?function\*?|class|const|let) (\w+)/gm;

/** `a as b, c` as the pairs of a pattern or of exports. */
function pairs(list: string): [from: string, to: string][] {
  const names = list.split(",").map((name) => name.trim());
  return names
    .filter((name) => name !== "")
    .map((name) => {
      const [from = "", to = from] = name.split(" as ");
      return [from, to];
    });
}

/** A module as the compiler writes it, as the body of a function of `require` and `exports`. Lines stay where they are. */
export function asFunction(text: string): string {
  const made: string[] = [];
  const body = text
    .replace(EXPORT_FROM, (_, list: string, from: string) => {
      const assigned = pairs(list).map(([name, as]) => `exports.${as} = from.${name};`);
      return `{ const from = require("${from}"); ${assigned.join(" ")} }`;
    })
    .replace(IMPORT, (_, whole?: string, space?: string, list?: string, from?: string) => {
      const required = `require("${from}")`;
      const parts: string[] = [];
      if (whole !== undefined) parts.push(`const ${whole} = ${required}.default;`);
      if (space !== undefined) parts.push(`const ${space} = ${required};`);
      const names = pairs(list ?? "").map(([name, as]) => `${name}: ${as}`);
      if (names.length > 0) parts.push(`const { ${names.join(", ")} } = ${required};`);
      return parts.join(" ");
    })
    .replace(EXPORT_LIST, (_, list: string) => {
      made.push(...pairs(list).map(([name, as]) => `exports.${as} = ${name};`));
      return "";
    })
    .replace(EXPORT_DEFAULT, (_, name: string) => {
      made.push(`exports.default = ${name};`);
      return "";
    })
    .replace(EXPORTED, (_, what: string, name: string) => {
      made.push(`exports.${name} = ${name};`);
      return `${what} ${name}`;
    });
  return `${body}\n${made.join("\n")}`;
}

/** What became of a promise. */
export interface Outcome {
  state: "pending" | "fulfilled" | "rejected";
  value: unknown;
}

const WATCH = `(promise, outcome) => {
  promise.then(
    (value) => { outcome.value = value; outcome.state = "fulfilled"; },
    (error) => { outcome.value = error; outcome.state = "rejected"; },
  );
}`;

/** See the module's page. */
export class Realm {
  /** This side's promises. */
  readonly Promise: PromiseConstructor;
  readonly #context = vm.createContext({}, { microtaskMode: "afterEvaluate" });
  readonly #empty = new vm.Script("0");
  readonly #watch: (promise: unknown, outcome: Outcome) => void;
  readonly #objects: object;
  readonly #modules = new Map<string, Exports>();
  readonly #instead: Readonly<Record<string, object>>;

  /** @param instead - modules in the place of others, by specifier or place in `dist`. */
  constructor(instead: (promise: PromiseConstructor) => Readonly<Record<string, object>>) {
    const evaluate = (source: string): unknown => vm.runInContext(source, this.#context);
    this.Promise = evaluate("Promise") as PromiseConstructor;
    this.#watch = evaluate(WATCH) as (promise: unknown, outcome: Outcome) => void;
    this.#objects = evaluate("Object.prototype") as object;
    this.#instead = instead(this.Promise);
  }

  /** A module of this side, by its place in `dist`. */
  load(place: string): Exports {
    const found = this.#modules.get(place);
    if (found !== undefined) return found;
    const url = new URL(place, DIST);
    const names = Object.keys(GLOBALS);
    const source = `(function (require, exports, ${names.join(", ")}) { "use strict"; ${asFunction(
      readFileSync(url, "utf8"),
    )}\n})`;
    const run = vm.runInContext(source, this.#context, { filename: fileURLToPath(url) }) as (
      ...args: unknown[]
    ) => void;
    const exports: Exports = {};
    run((specifier: string) => this.#require(specifier, url), exports, ...names.map((name) => GLOBALS[name]));
    this.#modules.set(place, exports);
    return exports;
  }

  #require(specifier: string, from: URL): object {
    const instead = this.#instead[specifier];
    if (instead !== undefined) return instead;
    if (specifier.startsWith("node:")) {
      const builtin = process.getBuiltinModule(specifier) as object;
      return { ...builtin, default: builtin };
    }
    const place = new URL(specifier, from).href.slice(DIST.href.length);
    return this.#instead[place] ?? SHARED[place] ?? this.load(place);
  }

  /** Notes what becomes of a promise of this side. */
  watch(promise: unknown): Outcome {
    const outcome: Outcome = { state: "pending", value: undefined };
    this.#watch(promise, outcome);
    return outcome;
  }

  /** Runs what this side's promises have to do. */
  turn(): void {
    this.#empty.runInContext(this.#context);
  }

  /** A result with this side's arrays and plain objects as the program's own. */
  result(value: unknown): unknown {
    if (typeof value !== "object" || value === null) return value;
    if (Array.isArray(value)) return Array.from(value, (one: unknown) => this.result(one));
    if (Object.getPrototypeOf(value) !== this.#objects) return value;
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, this.result(one)]));
  }
}
