/**
 * What is published on `node:diagnostics_channel`: every operation that crosses, connections, and Node's own channels of sockets.
 *
 * Nothing here costs more than a look while nobody has subscribed. Messages are made for subscribers alone.
 */
import { channel, tracingChannel } from "node:diagnostics_channel";
import {
  OP_ACCESS,
  OP_CHMOD,
  OP_CHOWN,
  OP_CLOSE,
  OP_CLOSE_DIR,
  OP_COPY,
  OP_COPY_FILE,
  OP_FCHMOD,
  OP_FCHOWN,
  OP_FDATASYNC,
  OP_FSTAT,
  OP_FSYNC,
  OP_FTRUNCATE,
  OP_FUTIMES,
  OP_LCHOWN,
  OP_LINK,
  OP_LSTAT,
  OP_LUTIMES,
  OP_MKDIR,
  OP_MKDTEMP,
  OP_NEXT_DIR,
  OP_OPEN,
  OP_OPEN_DIR,
  OP_READ,
  OP_READ_FILE,
  OP_READDIR,
  OP_READLINK,
  OP_REALPATH,
  OP_RENAME,
  OP_RESOLVE,
  OP_RMDIR,
  OP_STAT,
  OP_STATFS,
  OP_SYMLINK,
  OP_TRUNCATE,
  OP_UNLINK,
  OP_UTIMES,
  OP_WRITE,
  OP_WRITE_FILE,
} from "./ops.js";
import { osError } from "./os-errors.js";
import type { Request } from "./request.js";

/** What subscribers of `tracing:maniac:fs:*` are given. One object for all events of an operation. */
export interface FsMessage {
  /** `open`, `read`, `readFile`, `stat` and so on: an operation of the runtime, of which a call may take several. */
  operation: string;
  /** The path, where the operation has one. */
  path?: string | Uint8Array;
  /** The second path, of `rename`, `link`, `symlink` and `copyFile`. */
  dest?: string | Uint8Array;
  /** The descriptor, where the operation has one. */
  fd?: number;
  /** Bytes wanted of a read or given to a write. */
  length?: number;
  /** What came of it; from `asyncStart` on. */
  result?: unknown;
  /** Why it failed; from `error` on. */
  error?: unknown;
}

/** What subscribers of `tracing:maniac:net:*` are given. One object for all events of an operation. */
export interface NetMessage {
  /** `lookup`, `connect`, `listen`, `bind` or `accept`. */
  operation: string;
  /** The name that is looked up. */
  hostname?: string;
  /** The address as text, or a path. */
  address?: string;
  /** 0 to 65535; absent with a path. */
  port?: number;
  /** What came of it; from `asyncStart` on. */
  result?: unknown;
  /** Why it failed; from `error` on. */
  error?: unknown;
}

const files = tracingChannel<FsMessage, FsMessage>("maniac:fs");
const sockets = tracingChannel<NetMessage, NetMessage>("maniac:net");

/** Node's own channels, to which its `net` and `dgram` publish `{ socket }`. */
const clientSocket = channel("net.client.socket");
const serverSocket = channel("net.server.socket");
const datagramSocket = channel("udp.socket");
const serverListen = tracingChannel("net.server.listen");

const NAMES = new Map<number, string>([
  [OP_OPEN, "open"],
  [OP_CLOSE, "close"],
  [OP_READ, "read"],
  [OP_WRITE, "write"],
  [OP_READ_FILE, "readFile"],
  [OP_WRITE_FILE, "writeFile"],
  [OP_STAT, "stat"],
  [OP_LSTAT, "lstat"],
  [OP_FSTAT, "fstat"],
  [OP_STATFS, "statfs"],
  [OP_ACCESS, "access"],
  [OP_COPY_FILE, "copyFile"],
  [OP_RENAME, "rename"],
  [OP_LINK, "link"],
  [OP_SYMLINK, "symlink"],
  [OP_UNLINK, "unlink"],
  [OP_RMDIR, "rmdir"],
  [OP_MKDIR, "mkdir"],
  [OP_MKDTEMP, "mkdtemp"],
  [OP_READLINK, "readlink"],
  [OP_REALPATH, "realpath"],
  [OP_READDIR, "readdir"],
  [OP_OPEN_DIR, "opendir"],
  [OP_NEXT_DIR, "readdir"],
  [OP_CLOSE_DIR, "closedir"],
  [OP_TRUNCATE, "truncate"],
  [OP_FTRUNCATE, "ftruncate"],
  [OP_FSYNC, "fsync"],
  [OP_FDATASYNC, "fdatasync"],
  [OP_CHMOD, "chmod"],
  [OP_FCHMOD, "fchmod"],
  [OP_CHOWN, "chown"],
  [OP_LCHOWN, "lchown"],
  [OP_FCHOWN, "fchown"],
  [OP_UTIMES, "utimes"],
  [OP_LUTIMES, "lutimes"],
  [OP_FUTIMES, "futimes"],
  [OP_COPY, "copy"],
]);

const CODE = 0xff;

/** Whether anybody wants to know of `request`. */
export function isTraced(request: Request): boolean {
  return request.operation.code === OP_RESOLVE ? sockets.hasSubscribers : files.hasSubscribers;
}

/** Starts `request` by `start`, and tells of it. */
export function traced<T>(request: Request, start: () => Promise<T>): Promise<T> {
  if (request.operation.code === OP_RESOLVE) {
    return sockets.tracePromise(start, { operation: "lookup", hostname: String(request.path) });
  }
  return files.tracePromise(start, messageOf(request));
}

/** Runs `request` by `start` to its end, and tells of it. */
export function tracedNow<T>(request: Request, start: () => T): T {
  return files.traceSync(start, messageOf(request));
}

function messageOf(request: Request): FsMessage {
  const { fd, length, op, path, path2, payload, payloadLength } = request;
  const message: FsMessage = { operation: NAMES.get(op & CODE) ?? String(request.operation.steps[0]) };
  if (path !== null) {
    message.path = path;
  }
  if (path2 !== null) {
    message.dest = path2;
  }
  if (fd !== -1) {
    message.fd = fd;
  }
  if (payload !== null || length !== 0) {
    message.length = payload === null ? length : payloadLength;
  }
  return message;
}

/** Runs what a socket does at once, and tells of it; a negative result is an error. */
export function tracedCall(operation: string, address: string, port: number, call: () => number): number {
  if (!sockets.hasSubscribers) {
    return call();
  }
  const message = place(operation, address, port);
  return sockets.start.runStores(message, () => {
    try {
      return told(message, call());
    } finally {
      sockets.end.publish(message);
    }
  });
}

/** Tells that a connection begins; what is given back is for {@link connected}. */
export function connecting(address: string, port: number, begin: () => void): NetMessage | undefined {
  if (!sockets.hasSubscribers) {
    begin();
    return undefined;
  }
  const message = place("connect", address, port);
  sockets.start.runStores(message, begin);
  sockets.end.publish(message);
  return message;
}

/** Tells what came of a connection, around its owner's `then`. */
export function connected(message: NetMessage, result: number, then: () => void): void {
  told(message, result);
  try {
    sockets.asyncStart.runStores(message, then);
  } finally {
    sockets.asyncEnd.publish(message);
  }
}

/** Runs what follows from an accepted connection, and tells of it. */
export function accepted(address: string, port: number, result: number, then: () => void): void {
  tracedCall("accept", address, port, () => {
    then();
    return result;
  });
}

function told(message: NetMessage, result: number): number {
  if (result < 0) {
    message.error = osError(result, message.operation);
    sockets.error.publish(message);
  } else {
    message.result = result;
  }
  return result;
}

/** `port` is -1 with a path. */
function place(operation: string, address: string, port: number): NetMessage {
  return port < 0 ? { operation, address } : { operation, address, port };
}

/** As Node's `net.connect`. */
export function publishClient(socket: object): void {
  if (clientSocket.hasSubscribers) {
    clientSocket.publish({ socket });
  }
}

/** As Node's servers, for each connection. */
export function publishAccepted(socket: object): void {
  if (serverSocket.hasSubscribers) {
    serverSocket.publish({ socket });
  }
}

/** As Node's `dgram.Socket`. */
export function publishDatagram(socket: object): void {
  if (datagramSocket.hasSubscribers) {
    datagramSocket.publish({ socket });
  }
}

/** As Node's `Server.listen`, when it is called. */
export function publishListen(server: object, options: object): void {
  if (serverListen.hasSubscribers) {
    serverListen.asyncStart.publish({ server, options });
  }
}

/** As Node's `Server.listen`, when it is done, or has failed. */
export function publishListening(server: object, error?: Error): void {
  if (!serverListen.hasSubscribers) {
    return;
  }
  if (error === undefined) {
    serverListen.asyncEnd.publish({ server });
  } else {
    serverListen.error.publish({ server, error });
  }
}
