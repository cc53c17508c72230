/** Directory entries: Node's `Dirent` from names and types. */
import { constants, Dirent, lstatSync, type Stats } from "node:fs";
import { join, sep } from "node:path";
import { lstat } from "./meta.js";
import { invalidType } from "./node-errors.js";

type DirentConstant =
  `UV_DIRENT_${"BLOCK" | "CHAR" | "DIR" | "FIFO" | "FILE" | "LINK" | "SOCKET" | "UNKNOWN"}`;

// Public constants of Node's that its types do not have.
const {
  UV_DIRENT_BLOCK,
  UV_DIRENT_CHAR,
  UV_DIRENT_DIR,
  UV_DIRENT_FIFO,
  UV_DIRENT_FILE,
  UV_DIRENT_LINK,
  UV_DIRENT_SOCKET,
  UV_DIRENT_UNKNOWN,
} = constants as unknown as Record<DirentConstant, number>;

type Name = string | Buffer;
type Path = string | Uint8Array;

/** True of the type byte of a directory. */
export function isDirectoryType(type: number): boolean {
  return type === UV_DIRENT_DIR;
}

/** True of a type byte that may turn out to be a directory's: a link, or unknown. */
export function isUncertainType(type: number): boolean {
  return type === UV_DIRENT_LINK || type === UV_DIRENT_UNKNOWN;
}

// The constructor is Node's to call; its parameters are not in the types.
const MakeDirent = Dirent as unknown as new (name: Name, type: number, path: Path) => Dirent;

function typeOf(stats: Stats): number {
  switch (stats.mode & constants.S_IFMT) {
    case constants.S_IFREG:
      return UV_DIRENT_FILE;
    case constants.S_IFDIR:
      return UV_DIRENT_DIR;
    case constants.S_IFLNK:
      return UV_DIRENT_LINK;
    case constants.S_IFIFO:
      return UV_DIRENT_FIFO;
    case constants.S_IFSOCK:
      return UV_DIRENT_SOCKET;
    case constants.S_IFCHR:
      return UV_DIRENT_CHAR;
    case constants.S_IFBLK:
      return UV_DIRENT_BLOCK;
    default:
      return UV_DIRENT_UNKNOWN;
  }
}

/** Joins a directory and a name of whatever form each has. */
export function joinName(path: Path, name: Name): Path {
  if (typeof path === "string") {
    return typeof name === "string" ? join(path, name) : Buffer.concat([Buffer.from(join(path, sep)), name]);
  }
  if (typeof name !== "string") {
    return Buffer.concat(path.at(-1) === 0x2f ? [path, name] : [path, Buffer.from(sep), name]);
  }
  throw invalidType("path", "of type string or an instance of Buffer", path);
}

/** Entries of a directory; a type that the file system does not tell is looked up. */
export function direntsFrom(
  path: Path,
  names: readonly Name[],
  types: Uint8Array,
): Dirent[] | Promise<Dirent[]> {
  const unknown: number[] = [];
  const entries = names.map((name, index) => {
    const type = types[index] as number;
    if (type === UV_DIRENT_UNKNOWN) {
      unknown.push(index);
    }
    return new MakeDirent(name, type, path);
  });
  return unknown.length === 0 ? entries : lookUp(path, names, entries, unknown);
}

async function lookUp(
  path: Path,
  names: readonly Name[],
  entries: Dirent[],
  unknown: readonly number[],
): Promise<Dirent[]> {
  await Promise.all(
    unknown.map(async (index) => {
      const name = names[index] as Name;
      entries[index] = new MakeDirent(name, typeOf(await lstat(joinName(path, name) as Buffer)), path);
    }),
  );
  return entries;
}

/** As {@link direntsFrom}, on this thread. */
export function direntsNow(path: Path, names: readonly Name[], types: Uint8Array): Dirent[] {
  return names.map((name, index) => {
    const type = types[index] as number;
    const known = type === UV_DIRENT_UNKNOWN ? typeOf(lstatSync(joinName(path, name) as Buffer)) : type;
    return new MakeDirent(name, known, path);
  });
}
