/** What the fake engine does for each operation code, with the synchronous functions of `node:fs`. */
import fs from "node:fs";
import { ops } from "./internal.js";

/** A decoded submission entry. Bytes are copies: the area is JavaScript's again after the call. */
export interface Entry {
  readonly code: number;
  readonly flags: number;
  readonly id: number;
  readonly fd: number;
  readonly arg0: number;
  readonly arg1: number;
  readonly place: number;
  readonly position: bigint;
  readonly extra: bigint;
  readonly extra2: bigint;
  readonly path: Buffer | undefined;
  readonly path2: Buffer | undefined;
  readonly payload: Buffer | undefined;
  readonly regionOffset: number;
  readonly length: number;
}

/** What an operation came to. */
export interface Outcome {
  readonly result: number;
  readonly data?: Buffer;
  /** The data must be in the slab, as attributes are. */
  readonly fixed?: boolean;
  readonly inPlace?: boolean;
  readonly step?: number;
  readonly extra?: number;
}

/** What operations need of the engine. */
export interface Host {
  readonly open: Set<number>;
  readonly directories: Map<number, fs.Dir>;
  readonly staged: Map<number, Buffer>;
  readonly regions: Map<number, Buffer>;
  readonly hideTypes: boolean;
}

/** Operations that have no path: the words of one hold numbers. */
const PATHLESS: ReadonlySet<number> = new Set([ops.OP_COPY]);
/** Operations with two paths. */
const TWO_PATHS: ReadonlySet<number> = new Set([
  ops.OP_COPY_FILE,
  ops.OP_RENAME,
  ops.OP_LINK,
  ops.OP_SYMLINK,
]);

function int64(words: Int32Array, at: number): bigint {
  return (BigInt(words[at + 1] as number) << 32n) | BigInt((words[at] as number) >>> 0);
}

/** Decodes entry `index`. */
export function readEntry(host: Host, words: Int32Array, area: Uint8Array, index: number): Entry {
  const at = index * ops.ENTRY_WORDS;
  const word = (offset: number): number => words[at + offset] as number;
  const bytes = (offset: number): Buffer =>
    Buffer.from(area.subarray(word(offset), word(offset) + word(offset + 1)));
  const code = word(ops.W_OP) & 0xff;
  const place = word(ops.W_DATA);
  const length = word(ops.W_PAYLOAD + 1);
  const hasPath =
    word(ops.W_FD) === -1 && !PATHLESS.has(code) && code !== ops.OP_CANCEL && code !== ops.OP_NOP;
  let payload: Buffer | undefined;
  if (place === ops.DATA_AREA) {
    payload = bytes(ops.W_PAYLOAD);
  } else if (place === ops.DATA_STAGED) {
    const token = word(ops.W_PAYLOAD);
    payload = host.staged.get(token);
    if (payload === undefined) {
      throw new Error(`token ${token} is spent or was never given`);
    }
    host.staged.delete(token);
  } else if (place === ops.DATA_REGION) {
    const region = host.regions.get(word(ops.W_ARG1)) as Buffer;
    payload = region.subarray(word(ops.W_PAYLOAD), word(ops.W_PAYLOAD) + length);
  }
  return {
    code,
    flags: word(ops.W_OP) & ~0xff,
    id: word(ops.W_ID),
    fd: word(ops.W_FD),
    arg0: word(ops.W_ARG0),
    arg1: word(ops.W_ARG1),
    place,
    position: int64(words, at + ops.W_POSITION),
    extra: int64(words, at + ops.W_EXTRA),
    extra2: int64(words, at + ops.W_PATH),
    path: hasPath ? bytes(ops.W_PATH) : undefined,
    path2: TWO_PATHS.has(code) ? bytes(ops.W_PATH2) : undefined,
    payload,
    regionOffset: word(ops.W_PAYLOAD),
    length,
  };
}

/** A step of a compound operation that failed. */
class StepError extends Error {
  readonly step: number;
  readonly errno: number;

  constructor(step: number, cause: unknown) {
    super("step failed", { cause });
    this.step = step;
    this.errno = (cause as { errno?: number }).errno ?? -22;
  }
}

function step<T>(number: number, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw new StepError(number, error);
  }
}

/** Runs an operation to its end. */
export function perform(host: Host, entry: Entry): Outcome {
  const action = ACTIONS.get(entry.code);
  if (action === undefined) {
    throw new Error(`the fake engine knows no operation ${entry.code}`);
  }
  try {
    return action(entry, host) ?? { result: 0 };
  } catch (error) {
    if (error instanceof StepError) {
      return { result: error.errno, step: error.step };
    }
    const { errno } = error as { errno?: unknown };
    if (typeof errno !== "number") {
      throw error;
    }
    return { result: errno };
  }
}

type Action = (entry: Entry, host: Host) => Outcome | undefined;

const path = (entry: Entry): Buffer => entry.path as Buffer;
const cursor = (position: bigint): number | null => (position < 0n ? null : Number(position));
const done = (run: (entry: Entry) => unknown): Action => {
  return (entry) => {
    run(entry);
    return undefined;
  };
};

function attributes(entry: Entry, stats: fs.BigIntStats): Outcome {
  const { dev, mode, nlink, uid, gid, rdev, blksize, ino, size, blocks } = stats;
  const fields = [dev, mode, nlink, uid, gid, rdev, blksize, ino, size, blocks];
  for (const time of [stats.atimeNs, stats.mtimeNs, stats.ctimeNs, stats.birthtimeNs]) {
    const nanoseconds = ((time % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
    fields.push((time - nanoseconds) / 1_000_000_000n, nanoseconds);
  }
  return numbers(entry, fields);
}

function numbers(entry: Entry, fields: bigint[]): Outcome {
  const memory =
    (entry.flags & ops.F_BIGINT) === 0 ? Float64Array.from(fields.map(Number)) : BigInt64Array.from(fields);
  return { result: 0, data: Buffer.from(memory.buffer), fixed: true };
}

function readFile(entry: Entry): Outcome {
  const byPath = entry.path !== undefined;
  const fd = byPath ? step(0, () => fs.openSync(path(entry), entry.arg0, entry.arg1)) : entry.fd;
  try {
    const stats = step(1, () => fs.fstatSync(fd));
    const size = stats.isFile() ? stats.size : 0;
    if (size > 2 ** 31 - 1) {
      return { result: -27, step: 1, extra: size };
    }
    const data = step(2, () => readAll(fd, size));
    return { result: data.length, data };
  } finally {
    if (byPath) {
      fs.closeSync(fd);
    }
  }
}

function readAll(fd: number, size: number): Buffer {
  const chunks: Buffer[] = [];
  for (let total = 0; size === 0 || total < size; ) {
    const chunk = Buffer.alloc(size === 0 ? 65536 : size - total);
    const count = fs.readSync(fd, chunk);
    if (count === 0) {
      break;
    }
    total += count;
    chunks.push(chunk.subarray(0, count));
  }
  return Buffer.concat(chunks);
}

function writeFile(entry: Entry): Outcome {
  const payload = entry.payload as Buffer;
  const fd = step(0, () => fs.openSync(path(entry), entry.arg0, entry.arg1));
  try {
    for (let at = 0; at < payload.length; ) {
      at += step(1, () => fs.writeSync(fd, payload, at));
    }
    if ((entry.flags & ops.F_SYNC) !== 0) {
      step(2, () => fs.fsyncSync(fd));
    }
  } finally {
    step(3, () => fs.closeSync(fd));
  }
  return { result: payload.length };
}

function truncate(entry: Entry): undefined {
  const fd = step(0, () => fs.openSync(path(entry), fs.constants.O_RDWR));
  try {
    step(1, () => fs.ftruncateSync(fd, Number(entry.extra)));
  } finally {
    step(2, () => fs.closeSync(fd));
  }
  return undefined;
}

function read(entry: Entry): Outcome {
  const target = entry.place === ops.DATA_REGION ? (entry.payload as Buffer) : Buffer.alloc(entry.length);
  const count = fs.readSync(entry.fd, target, 0, entry.length, cursor(entry.position));
  return entry.place === ops.DATA_REGION
    ? { result: count, inPlace: true }
    : { result: count, data: target.subarray(0, count) };
}

function write(entry: Entry): Outcome {
  const payload = entry.payload as Buffer;
  return { result: fs.writeSync(entry.fd, payload, 0, payload.length, cursor(entry.position)) };
}

/** Seconds and nanoseconds as the fraction that Node's functions take. */
function seconds(whole: bigint, nanoseconds: number): number | Date {
  return nanoseconds === -1
    ? new Date()
    : whole < 0n
      ? new Date(Number(whole) * 1e3 + nanoseconds / 1e6)
      : Number(whole) + nanoseconds / 1e9;
}

const atime = (entry: Entry): number | Date => seconds(entry.position, entry.arg0);
const mtime = (entry: Entry): number | Date => seconds(entry.extra, entry.arg1);

const NUL = Buffer.from([0]);

function typeOf(entry: fs.Dirent<Buffer>): number {
  const kinds = [
    entry.isFile(),
    entry.isDirectory(),
    entry.isSymbolicLink(),
    entry.isFIFO(),
    entry.isSocket(),
  ];
  kinds.push(entry.isCharacterDevice(), entry.isBlockDevice());
  return kinds.indexOf(true) + 1;
}

function listing(entries: fs.Dirent<Buffer>[], typed: boolean, hide: boolean): Outcome {
  const types = typed ? [Buffer.from(entries.map((entry) => (hide ? 0 : typeOf(entry))))] : [];
  return {
    result: entries.length,
    data: Buffer.concat([...types, ...entries.flatMap(({ name }) => [name, NUL])]),
  };
}

function readdir(entry: Entry, host: Host): Outcome {
  const entries = fs.readdirSync(path(entry), { withFileTypes: true, encoding: "buffer" });
  entries.sort((a, b) => Buffer.compare(a.name, b.name));
  return listing(entries, (entry.flags & ops.F_TYPES) !== 0, host.hideTypes);
}

let lastDirectory = 0;

function openDirectory(entry: Entry, host: Host): Outcome {
  const directory = fs.opendirSync(path(entry).toString(), { encoding: "buffer" as BufferEncoding });
  host.directories.set(++lastDirectory, directory);
  return { result: lastDirectory };
}

function nextOfDirectory(entry: Entry, host: Host): Outcome {
  const directory = host.directories.get(entry.fd) as fs.Dir;
  const entries: fs.Dirent<Buffer>[] = [];
  while (entries.length < entry.arg0) {
    const next = directory.readSync() as unknown as fs.Dirent<Buffer> | null;
    if (next === null) {
      break;
    }
    entries.push(next);
  }
  return listing(entries, true, host.hideTypes);
}

function copy(entry: Entry): Outcome {
  const chunk = Buffer.alloc(65536);
  let copied = 0;
  for (;;) {
    const left = entry.extra < 0n ? chunk.length : Math.min(chunk.length, Number(entry.extra) - copied);
    const from = entry.position < 0n ? null : Number(entry.position) + copied;
    const count = left === 0 ? 0 : fs.readSync(entry.fd, chunk, 0, left, from);
    if (count === 0) {
      return { result: 0, extra: copied };
    }
    const to = entry.extra2 < 0n ? null : Number(entry.extra2) + copied;
    fs.writeSync(entry.arg0, chunk, 0, count, to);
    copied += count;
  }
}

const ACTIONS: ReadonlyMap<number, Action> = new Map<number, Action>([
  [ops.OP_NOP, () => undefined],
  [
    ops.OP_OPEN,
    (entry, host) => {
      const fd = fs.openSync(path(entry), entry.arg0, entry.arg1);
      host.open.add(fd);
      return { result: fd };
    },
  ],
  [
    ops.OP_CLOSE,
    (entry, host) => {
      host.open.delete(entry.fd);
      fs.closeSync(entry.fd);
      return undefined;
    },
  ],
  [ops.OP_READ, read],
  [ops.OP_WRITE, write],
  [ops.OP_READ_FILE, readFile],
  [ops.OP_WRITE_FILE, writeFile],
  [ops.OP_STAT, (entry) => attributes(entry, fs.statSync(path(entry), { bigint: true }))],
  [ops.OP_LSTAT, (entry) => attributes(entry, fs.lstatSync(path(entry), { bigint: true }))],
  [ops.OP_FSTAT, (entry) => attributes(entry, fs.fstatSync(entry.fd, { bigint: true }))],
  [
    ops.OP_STATFS,
    (entry) => {
      const { type, bsize, blocks, bfree, bavail, files, ffree, ...newer } = fs.statfsSync(path(entry), {
        bigint: true,
      });
      const { frsize = bsize } = newer as { frsize?: bigint };
      return numbers(entry, [type, bsize, blocks, bfree, bavail, files, ffree, frsize]);
    },
  ],
  [ops.OP_ACCESS, done((entry) => fs.accessSync(path(entry), entry.arg0))],
  [ops.OP_COPY_FILE, done((entry) => fs.copyFileSync(path(entry), entry.path2 as Buffer, entry.arg0))],
  [ops.OP_RENAME, done((entry) => fs.renameSync(path(entry), entry.path2 as Buffer))],
  [ops.OP_LINK, done((entry) => fs.linkSync(path(entry), entry.path2 as Buffer))],
  [ops.OP_SYMLINK, done((entry) => fs.symlinkSync(path(entry), entry.path2 as Buffer))],
  [ops.OP_UNLINK, done((entry) => fs.unlinkSync(path(entry)))],
  [ops.OP_RMDIR, done((entry) => fs.rmdirSync(path(entry)))],
  [
    ops.OP_MKDIR,
    (entry) => {
      const recursive = (entry.flags & ops.F_RECURSIVE) !== 0;
      const first = fs.mkdirSync(path(entry), { recursive, mode: entry.arg1 }) as string | undefined;
      return first === undefined ? undefined : { result: 0, data: Buffer.from(first) };
    },
  ],
  [
    ops.OP_MKDTEMP,
    (entry) => {
      const template = path(entry).toString();
      return { result: 0, data: Buffer.from(fs.mkdtempSync(template.slice(0, -6))) };
    },
  ],
  [ops.OP_READLINK, (entry) => ({ result: 0, data: fs.readlinkSync(path(entry), "buffer") })],
  [ops.OP_REALPATH, (entry) => ({ result: 0, data: fs.realpathSync.native(path(entry), "buffer") })],
  [ops.OP_READDIR, readdir],
  [ops.OP_OPEN_DIR, openDirectory],
  [ops.OP_NEXT_DIR, nextOfDirectory],
  [
    ops.OP_CLOSE_DIR,
    (entry, host) => {
      host.directories.get(entry.fd)?.closeSync();
      host.directories.delete(entry.fd);
      return undefined;
    },
  ],
  [ops.OP_TRUNCATE, truncate],
  [ops.OP_FTRUNCATE, done((entry) => fs.ftruncateSync(entry.fd, Number(entry.extra)))],
  [ops.OP_FSYNC, done((entry) => fs.fsyncSync(entry.fd))],
  [ops.OP_FDATASYNC, done((entry) => fs.fdatasyncSync(entry.fd))],
  [ops.OP_CHMOD, done((entry) => fs.chmodSync(path(entry), entry.arg1 >>> 0))],
  [ops.OP_FCHMOD, done((entry) => fs.fchmodSync(entry.fd, entry.arg1 >>> 0))],
  [ops.OP_CHOWN, done((entry) => fs.chownSync(path(entry), entry.arg0 >>> 0, entry.arg1 >>> 0))],
  [ops.OP_LCHOWN, done((entry) => fs.lchownSync(path(entry), entry.arg0 >>> 0, entry.arg1 >>> 0))],
  [ops.OP_FCHOWN, done((entry) => fs.fchownSync(entry.fd, entry.arg0 >>> 0, entry.arg1 >>> 0))],
  [ops.OP_UTIMES, done((entry) => fs.utimesSync(path(entry), atime(entry), mtime(entry)))],
  [ops.OP_LUTIMES, done((entry) => fs.lutimesSync(path(entry), atime(entry), mtime(entry)))],
  [ops.OP_FUTIMES, done((entry) => fs.futimesSync(entry.fd, atime(entry), mtime(entry)))],
  [ops.OP_COPY, copy],
]);
