// A disk in memory that does less than it is asked for: a server of the FUSE protocol (linux/fuse.h, version 7.31) in a process of its own, so that
// the kernel itself tells of its faults, whichever way it is asked: by a plain call, by a ring, by splice(2).
//
// | a file's name begins with | its faults |
// |---|---|
// | `cut-K-` | a read or a write moves K bytes at most |
// | `mute-K-` | the same, and the disk does not say of what kind it is (EIO) |
// | `bad-K-` | from byte K on nothing can be read or written (EIO) |
// | `full-K-` | there is no room from byte K on (ENOSPC) |
// | `none-` | a write moves nothing, and is no error |
// | `closed-E-` | it cannot be opened: error number E |
//
// Only whole transfers from the front of these are served: one that begins before byte K ends there, as on a disk. All other files have none.
import { read, writeSync } from "node:fs";
import { constants } from "node:os";
import { promisify } from "node:util";

const { EEXIST, EIO, EISDIR, ENOENT, ENOSPC, ENOSYS, ENOTDIR, ENOTEMPTY } = constants.errno;
const HEADER = 40;
/** The most that one write brings. */
const MOST = 128 << 10;
const [ROOT, DIRECTORY, REGULAR] = [1n, 0o040000, 0o100000];
/** Past the page cache, which would ask again for what was not served. */
const FOPEN_DIRECT_IO = 1;
const BIG_WRITES = 1 << 5;
const [FATTR_MODE, FATTR_SIZE] = [1, 8];
const RENAME_NOREPLACE = 1;

const readSome = promisify(read);

/**
 * @typedef {{ id: bigint, mode: number, links: number, data: Buffer, faults: Faults, entries?: Map<string, Inode> }} Inode
 * @typedef {{ cut: number, until: number, errno: number, closed: number, mute: boolean }} Faults
 * @typedef {(node: Inode, body: Buffer) => Buffer | undefined} Handler
 */

class Refusal extends Error {
  /** @param {number} errno */
  constructor(errno) {
    super(`errno ${errno}`);
    this.errno = errno;
  }
}

/** @param {string} name @returns {Faults} */
export function faultsOf(name) {
  const [, kind, number] = /^(cut|mute|bad|full|closed)-(\d+)-/.exec(name) ?? [];
  const at = Number(number);
  const always = Number.POSITIVE_INFINITY;
  const none = { cut: always, until: always, errno: 0, closed: 0, mute: false };
  switch (name.startsWith("none-") ? "none" : kind) {
    case "none":
      return { ...none, cut: 0 };
    case "cut":
      return { ...none, cut: at };
    case "mute":
      return { ...none, cut: at, mute: true };
    case "bad":
      return { ...none, until: at, errno: EIO };
    case "full":
      return { ...none, until: at, errno: ENOSPC };
    case "closed":
      return { ...none, closed: at };
    default:
      return none;
  }
}

/**
 * How much of a transfer is done.
 * @param {Faults} faults @param {number} from @param {number} size
 */
function served({ cut, until, errno }, from, size) {
  if (size > 0 && from >= until) throw new Refusal(errno);
  return Math.min(size, cut, until - from);
}

export class FaultyDisk {
  /** @type {Map<bigint, Inode>} */
  #nodes = new Map();
  #last = ROOT;
  /** How many reads and writes were answered with less than was asked for, and with an error. */
  counts = { short: 0, refused: 0 };

  constructor() {
    this.#nodes.set(ROOT, this.#inode(ROOT, DIRECTORY | 0o777, ""));
  }

  /**
   * Answers the kernel on /dev/fuse until the disk is unmounted.
   * @param {number} fd @returns {Promise<void>}
   */
  async serve(fd) {
    const buffer = Buffer.alloc(MOST + 8192);
    for (;;) {
      try {
        const { bytesRead } = await readSome(fd, buffer, 0, buffer.length, null);
        const answer = this.answer(buffer.subarray(0, bytesRead));
        if (answer) writeSync(fd, answer);
      } catch (error) {
        const { code } = /** @type {NodeJS.ErrnoException} */ (error);
        if (code === "ENODEV") return;
        // The request was taken back before it was read, or who asked was interrupted, and waits no more.
        if (code !== "ENOENT" && code !== "EINTR") throw error;
      }
    }
  }

  /** @param {Buffer} request @returns {Buffer | undefined} nothing where the kernel expects nothing */
  answer(request) {
    const [opcode, unique, id] = [
      request.readUInt32LE(4),
      request.readBigUInt64LE(8),
      request.readBigUInt64LE(16),
    ];
    const handler = this.#handlers[opcode];
    if (handler === null) return undefined;
    const reply = (/** @type {number} */ errno, /** @type {Buffer} */ body) => {
      const header = Buffer.alloc(16);
      header.writeUInt32LE(16 + body.length, 0);
      header.writeInt32LE(-errno, 4);
      header.writeBigUInt64LE(unique, 8);
      return Buffer.concat([header, body]);
    };
    if (handler === undefined) return reply(ENOSYS, Buffer.alloc(0));
    try {
      const node = this.#nodes.get(id);
      // INIT is of none.
      if (!node && id !== 0n) throw new Refusal(ENOENT);
      const body = handler(/** @type {Inode} */ (node), request.subarray(HEADER));
      return reply(0, body ?? Buffer.alloc(0));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return reply(error.errno, Buffer.alloc(0));
    }
  }

  /** By opcode; null for what is not answered. @type {Record<number, Handler | null>} */
  #handlers = {
    1: (node, body) => this.#entry(this.#find(node, name(body))),
    2: null,
    3: (node) => this.#attributes(node),
    4: (node, body) => this.#setAttributes(node, body),
    9: (node, body) =>
      this.#entry(this.#make(node, name(body.subarray(8)), DIRECTORY | body.readUInt32LE(0))),
    10: (node, body) => this.#remove(node, name(body), false),
    11: (node, body) => this.#remove(node, name(body), true),
    12: (node, body) => this.#rename(node, body, 8, 0),
    14: (node) => this.#open(node.faults),
    15: (node, body) => this.#read(node, Number(body.readBigUInt64LE(8)), body.readUInt32LE(16)),
    16: (node, body) => this.#write(node, Number(body.readBigUInt64LE(8)), body.subarray(40)),
    17: (node) => statistics(node),
    18: () => undefined,
    20: () => undefined,
    25: () => undefined,
    26: (_, body) => init(body),
    27: () => opened(0),
    28: (node, body) => this.#list(node, Number(body.readBigUInt64LE(8)), body.readUInt32LE(16)),
    29: () => undefined,
    35: (node, body) => {
      const mode = REGULAR | (body.readUInt32LE(4) & 0o7777);
      const made = name(body.subarray(16));
      // What cannot be opened is not made either.
      const open = this.#open(faultsOf(made));
      return Buffer.concat([this.#entry(this.#make(node, made, mode)), open]);
    },
    36: null,
    42: null,
    45: (node, body) => this.#rename(node, body, 16, body.readUInt32LE(8)),
    47: (node, body) => this.#copyRange(node, body),
  };

  /** @param {bigint} id @param {number} mode @param {string} name @returns {Inode} */
  #inode(id, mode, name) {
    const [links, data, faults] = [1, Buffer.alloc(0), faultsOf(name)];
    return (mode & 0o170000) === DIRECTORY
      ? { id, mode, links, data, faults, entries: new Map() }
      : { id, mode, links, data, faults };
  }

  /** @param {Faults} faults */
  #open({ closed }) {
    if (closed !== 0) {
      this.counts.refused += 1;
      throw new Refusal(closed);
    }
    return opened(FOPEN_DIRECT_IO);
  }

  /** @param {Inode} node @param {string} name */
  #find(node, name) {
    const found = entriesOf(node).get(name);
    if (!found) throw new Refusal(ENOENT);
    return found;
  }

  /** @param {Inode} parent @param {string} name @param {number} mode */
  #make(parent, name, mode) {
    if (entriesOf(parent).has(name)) throw new Refusal(EEXIST);
    const made = this.#inode(++this.#last, mode, name);
    this.#nodes.set(made.id, made);
    entriesOf(parent).set(name, made);
    return made;
  }

  /** @param {Inode} parent @param {string} name @param {boolean} directory @returns {undefined} */
  #remove(parent, name, directory) {
    const node = this.#find(parent, name);
    if (directory && !node.entries) throw new Refusal(ENOTDIR);
    if (!directory && node.entries) throw new Refusal(EISDIR);
    if (node.entries?.size) throw new Refusal(ENOTEMPTY);
    entriesOf(parent).delete(name);
    // What is open can still be used, so it stays among the nodes: the disk lasts for a test.
    node.links = 0;
  }

  /** @param {Inode} from @param {Buffer} body @param {number} names @param {number} flags @returns {undefined} */
  #rename(from, body, names, flags) {
    const to = this.#nodes.get(body.readBigUInt64LE(0));
    if (!to || (flags & ~RENAME_NOREPLACE) !== 0) throw new Refusal(ENOSYS);
    const [before, after] = body.toString("utf8", names).split("\0", 2);
    const node = this.#find(from, /** @type {string} */ (before));
    const there = entriesOf(to).get(/** @type {string} */ (after));
    if (there && flags & RENAME_NOREPLACE) throw new Refusal(EEXIST);
    if (there) this.#remove(to, /** @type {string} */ (after), node.entries !== undefined);
    entriesOf(from).delete(/** @type {string} */ (before));
    entriesOf(to).set(/** @type {string} */ (after), node);
    node.faults = faultsOf(/** @type {string} */ (after));
  }

  /** @param {Inode} node @param {Buffer} body */
  #setAttributes(node, body) {
    const valid = body.readUInt32LE(0);
    if (valid & FATTR_SIZE) resize(node, Number(body.readBigUInt64LE(16)));
    if (valid & FATTR_MODE) node.mode = (node.mode & 0o170000) | (body.readUInt32LE(68) & 0o7777);
    return this.#attributes(node);
  }

  /** @param {Inode} node @param {number} offset @param {number} size */
  #read(node, offset, size) {
    const rest = Math.max(0, Math.min(size, node.data.length - offset));
    const count = this.#counted(rest, () => served(node.faults, offset, rest) || rest);
    return node.data.subarray(offset, offset + count);
  }

  /** @param {Inode} node @param {number} offset @param {Buffer} data */
  #write(node, offset, data) {
    return wrote(this.#store(node, offset, data));
  }

  /** @param {Inode} node @param {number} offset @param {Buffer} data */
  #store(node, offset, data) {
    const count = this.#counted(data.length, () => served(node.faults, offset, data.length));
    if (count > 0) resize(node, Math.max(node.data.length, offset + count));
    data.copy(node.data, offset, 0, count);
    return count;
  }

  /** @param {Inode} from @param {Buffer} body */
  #copyRange(from, body) {
    const [at, goal, size] = [8, 32, 40].map((field) => Number(body.readBigUInt64LE(field)));
    const to = this.#nodes.get(body.readBigUInt64LE(16));
    if (!to || at === undefined || goal === undefined || size === undefined) throw new Refusal(ENOENT);
    return wrote(this.#store(to, goal, Buffer.from(this.#read(from, at, Math.min(size, MOST)))));
  }

  /** @param {number} asked @param {() => number} serve */
  #counted(asked, serve) {
    try {
      const count = serve();
      if (count < asked) this.counts.short += 1;
      return count;
    } catch (error) {
      this.counts.refused += 1;
      throw error;
    }
  }

  /** @param {Inode} node @param {number} from @param {number} size */
  #list(node, from, size) {
    const parts = [];
    let [room, at] = [size, 0];
    for (const [name, { id, mode }] of entriesOf(node)) {
      if (at++ < from) continue;
      const length = Buffer.byteLength(name);
      const entry = Buffer.alloc((24 + length + 7) & ~7);
      if (entry.length > room) break;
      room -= entry.length;
      entry.writeBigUInt64LE(id, 0);
      entry.writeBigUInt64LE(BigInt(at), 8);
      entry.writeUInt32LE(length, 16);
      entry.writeUInt32LE(mode >> 12, 20);
      entry.write(name, 24);
      parts.push(entry);
    }
    return Buffer.concat(parts);
  }

  /** @param {Inode} node */
  #entry(node) {
    const head = Buffer.alloc(40);
    head.writeBigUInt64LE(node.id, 0);
    return Buffer.concat([head, attributes(node)]);
  }

  /** @param {Inode} node */
  #attributes(node) {
    return Buffer.concat([Buffer.alloc(16), attributes(node)]);
  }
}

/** What the kernel may not keep: its time is zero everywhere above. @param {Inode} node */
function attributes(node) {
  const out = Buffer.alloc(88);
  out.writeBigUInt64LE(node.id, 0);
  out.writeBigUInt64LE(BigInt(node.data.length), 8);
  out.writeBigUInt64LE(BigInt(Math.ceil(node.data.length / 512)), 16);
  out.writeUInt32LE(node.mode, 60);
  out.writeUInt32LE(node.links, 64);
  out.writeUInt32LE(process.getuid?.() ?? 0, 68);
  out.writeUInt32LE(process.getgid?.() ?? 0, 72);
  out.writeUInt32LE(4096, 80);
  return out;
}

/** @param {Inode} node */
function entriesOf({ entries }) {
  if (!entries) throw new Refusal(ENOTDIR);
  return entries;
}

/** @param {Inode} node @param {number} size */
function resize(node, size) {
  if (size <= node.data.length) {
    node.data = node.data.subarray(0, size);
    return;
  }
  const larger = Buffer.alloc(size);
  node.data.copy(larger);
  node.data = larger;
}

/** A name that ends with a zero byte. @param {Buffer} body */
function name(body) {
  return body.toString("utf8", 0, body.indexOf(0));
}

/** @param {number} flags */
function opened(flags) {
  const out = Buffer.alloc(16);
  out.writeUInt32LE(flags, 8);
  return out;
}

/** @param {number} count */
function wrote(count) {
  const out = Buffer.alloc(8);
  out.writeUInt32LE(count, 0);
  return out;
}

/** @param {Buffer} body */
function init(body) {
  const out = Buffer.alloc(64);
  out.writeUInt32LE(7, 0);
  out.writeUInt32LE(31, 4);
  out.writeUInt32LE(body.readUInt32LE(8), 8);
  out.writeUInt32LE(BIG_WRITES, 12);
  out.writeUInt16LE(16, 16);
  out.writeUInt16LE(12, 18);
  out.writeUInt32LE(MOST, 20);
  out.writeUInt32LE(1, 24);
  return out;
}

/** @param {Inode} node */
function statistics({ faults }) {
  if (faults.mute) throw new Refusal(EIO);
  const out = Buffer.alloc(80);
  for (const field of [0, 8, 16, 24, 32]) out.writeBigUInt64LE(1n << 20n, field);
  out.writeUInt32LE(4096, 40);
  out.writeUInt32LE(255, 44);
  out.writeUInt32LE(4096, 48);
  return out;
}
