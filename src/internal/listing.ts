/** Lists directories: one, or one and all that lies below it. */
import type { Dirent } from "node:fs";
import { join, relative, sep } from "node:path";
import { direntsFrom, isDirectoryType, isUncertainType, joinName } from "./dirents.js";
import { isDirectory } from "./meta.js";
import { decodeListing, type Listing, type NameEncoding } from "./names.js";
import { F_TYPES, OP_READDIR } from "./ops.js";
import { type Operation, type Path, Request } from "./request.js";
import { runWith } from "./run.js";
import { NODE_MAJOR } from "./validate.js";

const READDIR: Operation = {
  code: OP_READDIR,
  steps: ["scandir"],
  finish: (request, completion) =>
    decodeListing(
      completion,
      completion.result,
      (request.op & F_TYPES) !== 0,
      request.context as NameEncoding,
    ),
};

/** Names of a directory, and their types if wanted. */
export function list(
  path: Path,
  encoding: NameEncoding,
  typed: boolean,
  signal: AbortSignal | undefined,
): Promise<Listing> {
  const request = new Request(READDIR, typed ? F_TYPES : 0);
  request.path = path;
  request.context = encoding;
  return runWith(request, signal);
}

/** What a directory holds and what lies below it, in the order that the running Node has it. */
export function below(
  root: Path,
  encoding: NameEncoding,
  typed: boolean,
  signal: AbortSignal | undefined,
): Promise<unknown[]> {
  if (NODE_MAJOR >= 26) {
    return byLevels(root, encoding, typed, signal);
  }
  return typed ? direntsBelow(root, encoding, signal) : namesBelow(root, encoding, signal);
}

/** A directory to be listed: where it is, and its name as seen from the root, `undefined` for the root itself. */
interface Place {
  readonly path: Path;
  readonly name: Buffer | undefined;
}

/**
 * As Node 26 does it: level by level, links to directories are followed, and names are bytes until they are given out, so that
 * neither a path of bytes nor another encoding is in the way.
 */
async function byLevels(
  root: Path,
  encoding: NameEncoding,
  typed: boolean,
  signal: AbortSignal | undefined,
): Promise<unknown[]> {
  const found: unknown[] = [];
  const shown = (name: Buffer): Buffer | string => (encoding === "buffer" ? name : name.toString(encoding));
  for (let level: Place[] = [{ path: root, name: undefined }]; level.length > 0; ) {
    const listings = await Promise.all(level.map(({ path }) => list(path, "buffer", true, signal)));
    const next: Promise<Place | undefined>[] = [];
    for (const [at, { path, name }] of level.entries()) {
      const { names, types } = listings[at] as Listing;
      if (typed) {
        const parent =
          name === undefined ? root : parentOf(root, encoding === "buffer" ? name : String(name));
        // One by one: a call has room for so many arguments only.
        for (const entry of await direntsFrom(parent, (names as Buffer[]).map(shown), types)) {
          found.push(entry);
        }
      }
      for (const [index, own] of (names as Buffer[]).entries()) {
        const full = name === undefined ? own : Buffer.concat([name, Buffer.from(sep), own]);
        if (!typed) {
          found.push(shown(full));
        }
        const type = types[index] as number;
        if (isDirectoryType(type) || isUncertainType(type)) {
          next.push(ifDirectory({ path: childOf(path, own), name: full }, type));
        }
      }
    }
    level = (await Promise.all(next)).filter((place) => place !== undefined);
  }
  return found;
}

/** A directory below the root as its entries name it. */
function parentOf(root: Path, name: Buffer | string): Path {
  return typeof root === "string" && typeof name === "string"
    ? join(root, name)
    : childOf(root, Buffer.from(name));
}

function childOf(path: Path, name: Buffer): Path {
  return joinName(typeof path === "string" ? Buffer.from(path) : path, name);
}

async function ifDirectory(place: Place, type: number): Promise<Place | undefined> {
  return isDirectoryType(type) || (await isDirectory(place.path)) ? place : undefined;
}

/** Entries of a directory and of those below it. A directory's own come first, then those of its last subdirectory. */
async function direntsBelow(
  root: Path,
  encoding: NameEncoding,
  signal: AbortSignal | undefined,
): Promise<Dirent[]> {
  const found: Dirent[] = [];
  const read = async (path: Path): Promise<Dirent[]> => {
    const { names, types } = await list(path, encoding, true, signal);
    return direntsFrom(path, names, types);
  };
  const stack = [{ path: root, entries: await read(root) }];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { path, entries } = next;
    const below: string[] = [];
    for (const entry of entries) {
      found.push(entry);
      if (entry.isDirectory()) {
        below.push(join(path as string, entry.name));
      }
    }
    for (const sub of await Promise.all(below.map(async (path) => ({ path, entries: await read(path) })))) {
      stack.push(sub);
    }
  }
  return found;
}

/** Names relative to a directory, of what it holds and of what lies below; links to directories are followed. */
async function namesBelow(
  root: Path,
  encoding: NameEncoding,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const found: string[] = [];
  const stack = [{ path: root as string, listing: await list(root, encoding, true, signal) }];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { path, listing } = next;
    const below: Promise<{ path: string; listing: Listing } | undefined>[] = [];
    for (const [index, name] of listing.names.entries()) {
      const full = join(path, name as string);
      found.push(relative(root as string, full));
      const type = listing.types[index] as number;
      if (isDirectoryType(type) || isUncertainType(type)) {
        below.push(listIfDirectory(full, type, encoding, signal));
      }
    }
    for (const entry of await Promise.all(below)) {
      if (entry !== undefined) {
        stack.push(entry);
      }
    }
  }
  return found;
}

async function listIfDirectory(
  path: string,
  type: number,
  encoding: NameEncoding,
  signal: AbortSignal | undefined,
): Promise<{ path: string; listing: Listing } | undefined> {
  // Under another encoding than UTF-8 the path is not the name's, so the type says nothing about it.
  if (!isDirectoryType(type) || encoding !== "utf8") {
    if (!(await isDirectory(path))) {
      return undefined;
    }
  }
  return { path, listing: await list(path, encoding, true, signal) };
}
