/**
 * `Stats`, `BigIntStats` and `StatFs`, made on the prototypes of Node's own classes: `instanceof`, methods and inspection
 * are Node's, no deprecated constructor is called.
 */
import fs from "node:fs";
import type { Completion } from "./completion.js";
import { F_BIGINT } from "./ops.js";
import type { Operation } from "./request.js";
import { NODE_MAJOR, validObject } from "./validate.js";

type Fields = Record<string, unknown>;
type Maker<A extends unknown[]> = new (...args: A) => object;

/** Whether the running Node computes dates on demand, from accessors of the prototype. */
const LAZY_DATES: boolean = Object.hasOwn(fs.Stats.prototype, "atime");

const toDate = (ms: number): Date => new Date(Math.round(ms));

/** Gives instances of `make` another class's prototype. */
function adopt<A extends unknown[]>(make: (this: Fields, ...args: A) => void, prototype: object): Maker<A> {
  make.prototype = prototype;
  return make as unknown as Maker<A>;
}

/** Prototype of what the first of `sources` to succeed gives; an empty one if none does. */
function prototypeFrom(sources: readonly (() => object)[]): object {
  for (const source of sources) {
    try {
      return Object.getPrototypeOf(source()) as object;
    } catch {
      // The permission model may refuse a path, a descriptor may be closed: try the next.
    }
  }
  return {};
}

const makeStats: Maker<[Completion]> = adopt(function (this: Fields, c: Completion): void {
  this.dev = c.double(0);
  this.mode = c.double(1);
  this.nlink = c.double(2);
  this.uid = c.double(3);
  this.gid = c.double(4);
  this.rdev = c.double(5);
  this.blksize = c.double(6);
  this.ino = c.double(7);
  this.size = c.double(8);
  this.blocks = c.double(9);
  const atime = c.double(10) * 1e3 + c.double(11) / 1e6;
  const mtime = c.double(12) * 1e3 + c.double(13) / 1e6;
  const ctime = c.double(14) * 1e3 + c.double(15) / 1e6;
  const birthtime = c.double(16) * 1e3 + c.double(17) / 1e6;
  this.atimeMs = atime;
  this.mtimeMs = mtime;
  this.ctimeMs = ctime;
  this.birthtimeMs = birthtime;
  if (!LAZY_DATES) {
    this.atime = toDate(atime);
    this.mtime = toDate(mtime);
    this.ctime = toDate(ctime);
    this.birthtime = toDate(birthtime);
  }
}, fs.Stats.prototype);

const BIGINT_FIELDS = [
  "dev",
  "mode",
  "nlink",
  "uid",
  "gid",
  "rdev",
  "blksize",
  "ino",
  "size",
  "blocks",
] as const;
const TIMES = ["atime", "mtime", "ctime", "birthtime"] as const;

function fillBigInt(this: Fields, c: Completion): void {
  for (const [index, name] of BIGINT_FIELDS.entries()) {
    this[name] = c.integer(index);
  }
  const nanoseconds = TIMES.map(
    (_, index) => c.integer(10 + 2 * index) * 1_000_000_000n + c.integer(11 + 2 * index),
  );
  for (const [index, name] of TIMES.entries()) {
    this[`${name}Ms`] = (nanoseconds[index] as bigint) / 1_000_000n;
  }
  for (const [index, name] of TIMES.entries()) {
    this[`${name}Ns`] = nanoseconds[index];
  }
  if (!LAZY_DATES) {
    for (const name of TIMES) {
      this[name] = toDate(Number(this[`${name}Ms`]));
    }
  }
}

/** In the crossing's order. */
const STATFS_FIELDS = ["type", "bsize", "blocks", "bfree", "bavail", "files", "ffree", "frsize"] as const;

let makeBigIntStats: Maker<[Completion]> | undefined;
let makeStatFs: Maker<[Completion, boolean]> | undefined;

/** `Stats` from a completion's data. */
export function statsFrom(completion: Completion): fs.Stats {
  return new makeStats(completion) as fs.Stats;
}

/** `BigIntStats` from a completion's data. */
export function bigIntStatsFrom(completion: Completion): fs.BigIntStats {
  makeBigIntStats ??= adopt(
    fillBigInt,
    prototypeFrom([
      () => fs.statSync(process.execPath, { bigint: true }),
      () => fs.statSync(".", { bigint: true }),
      ...[0, 1, 2].map((fd) => () => fs.fstatSync(fd, { bigint: true })),
    ]),
  );
  return new makeBigIntStats(completion) as fs.BigIntStats;
}

/** `StatFs` from a completion's data. */
export function statFsFrom(completion: Completion, bigint: boolean): fs.StatsFs | fs.BigIntStatsFs {
  makeStatFs ??= adopt(
    function (this: Fields, c: Completion, integers: boolean): void {
      // The fragment's size came with Node 24.
      const fields = NODE_MAJOR >= 24 ? STATFS_FIELDS.length : STATFS_FIELDS.length - 1;
      for (const [index, name] of STATFS_FIELDS.slice(0, fields).entries()) {
        this[name] = integers ? c.integer(index) : c.double(index);
      }
    },
    prototypeFrom([() => fs.statfsSync(process.execPath), () => fs.statfsSync(".")]),
  );
  return new makeStatFs(completion, bigint) as fs.StatsFs | fs.BigIntStatsFs;
}

/** An operation that gives `Stats`, or `BigIntStats` with `F_BIGINT`. */
export function statOperation(code: number, syscall: string): Operation {
  return {
    code,
    steps: [syscall],
    finish: (request, completion) =>
      (request.op & F_BIGINT) !== 0 ? bigIntStatsFrom(completion) : statsFrom(completion),
  };
}

/** Options of a call that gives `Stats`; before Node 26 whatever has no properties of these names passed for them. */
export function validStatOptions(options: unknown): void {
  if (NODE_MAJOR >= 26) {
    validObject(options, "options");
  }
}
