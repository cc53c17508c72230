/**
 * What sockets do in `syncAwait`. Ticks and promises stand still in such a call, so nothing here goes through the stream's queues: bytes
 * are written by the handle, and only the events that are waited for are handed on; all others keep their turn. A socket can be
 * used both ways, in turn.
 */
import { isIP } from "node:net";
import { ManiacError } from "../errors.js";
import { engine } from "./engine.js";
import { ACCEPTED, type Accepted } from "./net-accepted.js";
import { PATH_KIND } from "./net-address.js";
import {
  aggregate,
  alternating,
  failureOf,
  type Plan,
  planOf,
  startConnecting,
  type Target,
  targetOf,
  wrongAddress,
} from "./net-connect.js";
import {
  callError,
  missingArguments,
  nameError,
  peerError,
  type SocketError,
  socketClosed,
} from "./net-errors.js";
import { deliverNow, Handle, type HandleOwner } from "./net-link.js";
import { type Found, inOrder, type LookupOptions, lookup, resolving, usesRuntime } from "./net-lookup.js";
import { type AnyOptions, keepAliveSeconds, normalize, validString } from "./net-options.js";
import { Socket } from "./net-socket.js";
import type { SocketOptions } from "./net-types.js";
import { handleOf } from "./net-view.js";
import { abortError, coded, invalidType } from "./node-errors.js";
import { NET_CONNECTED_EVENT, NET_READ_EVENT, NET_SHUT_EVENT, NET_WRITTEN_EVENT } from "./ops.js";
import { errnoOf } from "./os-errors.js";
import { Request } from "./request.js";
import { register, type Until } from "./sync-registry.js";
import { validSignal } from "./validate.js";

const unsupported = (message: string): ManiacError => new ManiacError("ERR_MANIAC_UNSUPPORTED", message);

const busy = (): ManiacError =>
  new ManiacError("ERR_MANIAC_BUSY", "The socket has writes under way: await them first");

/** All addresses of a name. */
function find(until: Until, hostname: string, family: number, hints: number): Found[] {
  const literal = isIP(hostname);
  if (literal !== 0) return [{ address: hostname, family: literal }];
  if (hostname.includes("\0")) throw nameError(-3008, hostname);
  if (!usesRuntime()) throw unsupported("dns.lookup was replaced by one that syncAwait cannot wait for");
  const request = new Request(resolving);
  request.path = hostname;
  request.arg0 = family;
  request.arg1 = hints;
  request.synchronous = true;
  let outcome: (() => Found[]) | undefined;
  request.resolve = (found) => {
    outcome = () => inOrder(found as Found[]);
  };
  request.reject = (error) => {
    outcome = () => {
      throw error;
    };
  };
  engine().submit(request);
  until(() => outcome !== undefined);
  const found = (outcome as unknown as () => Found[])();
  if (found.length === 0) throw nameError(-3008, hostname);
  return found;
}

/** `lookup`. */
function findNow(until: Until, [hostname, options = {}]: readonly unknown[]): Found | Found[] {
  const { family = 0, hints = 0, all = false } = options as LookupOptions;
  const found = find(until, validString(hostname, "hostname"), family, hints);
  return all ? found : (found[0] as Found);
}

/** One attempt: a handle that is connected, or the error. */
function attempt(
  until: Until,
  begin: (handle: Handle) => void,
  failed: (handle: Handle, result: number, step: number) => Error,
  most?: number,
): Handle | Error {
  let outcome: { readonly result: number; readonly step: number } | undefined;
  const onConnected = (result: number, step: number): void => {
    outcome = { result, step };
  };
  const handle = new Handle({ onConnected }, "MANIACSOCKET");
  let made = false;
  try {
    begin(handle);
    until(() => {
      deliverNow(handle, NET_CONNECTED_EVENT);
      return outcome !== undefined || handle.failure !== undefined;
    }, most);
    if (handle.failure !== undefined) return handle.failure;
    const { result, step } = outcome ?? { result: errnoOf("ETIMEDOUT"), step: 0 };
    made = result === 0;
    return made ? handle : failed(handle, result, step);
  } finally {
    if (!made) handle.close();
  }
}

function targetsOf(until: Until, plan: Plan): Target[] {
  if (isIP(plan.host) === 0 && plan.lookup !== lookup) {
    throw unsupported("options.lookup gives no address before syncAwait's end: look the name up first");
  }
  const { family, hints } = plan;
  const found = find(until, plan.host, family, hints);
  if (family !== 4 && family !== 6 && plan.localAddress === "" && plan.inTurn) {
    const all = alternating(plan, found);
    if (all.length > 0) return all;
  }
  const first = found[0] as Found;
  const wrong = wrongAddress(first, plan);
  if (wrong !== undefined) throw wrong;
  return [targetOf(plan, first)];
}

/** Connects to one of several addresses, as `InTurn` does it. */
function connectInTurn(
  until: Until,
  targets: readonly Target[],
  timeout: number,
  attempted: string[],
): Handle {
  const errors: Error[] = [];
  for (const [at, target] of targets.entries()) {
    attempted.push(`${target.address}:${target.port}`);
    const made = attempt(
      until,
      (handle) => startConnecting(handle, target),
      (handle, result, step) => failureOf(target, result, step, handle.own()),
      at < targets.length - 1 ? timeout : undefined,
    );
    if (made instanceof Handle) return made;
    errors.push(made);
  }
  throw errors.length === 1 ? errors[0] : aggregate(errors as SocketError[]);
}

/** `connect`: a socket that is connected. */
function connectNow(until: Until, args: readonly unknown[]): Socket {
  const [options] = normalize(args);
  if (options.port === undefined && options.path == null) throw missingArguments("options", "port", "path");
  const signal = validSignal(options.signal, "options.signal");
  if (signal?.aborted) throw abortError(signal);
  const attempted: string[] = [];
  const handle = options.path
    ? connectToPath(until, validString(options.path, "options.path"))
    : connectAsTold(until, planOf(options), attempted);
  const socket = socketOf(handle, options);
  if (attempted.length > 1) socket.autoSelectFamilyAttemptedAddresses = attempted;
  if (typeof options.timeout === "number" && options.timeout) socket.setTimeout(options.timeout);
  return socket;
}

const connectAsTold = (until: Until, plan: Plan, attempted: string[]): Handle =>
  connectInTurn(until, targetsOf(until, plan), plan.attemptTimeout, attempted);

function connectToPath(until: Until, path: string): Handle {
  const made = attempt(
    until,
    (handle) => handle.connect(PATH_KIND, path, 0),
    (_, result) => peerError(result, "connect", path),
  );
  if (made instanceof Error) throw made;
  return made;
}

function socketOf(handle: Handle, options: AnyOptions): Socket {
  const { noDelay, keepAlive, keepAliveInitialDelay, ...rest } = options;
  const accepted: Accepted = {
    handle,
    gone: () => undefined,
    server: null,
    pause: false,
    noDelay: Boolean(noDelay),
    keepAlive: Boolean(keepAlive),
    keepAliveDelay: keepAliveSeconds(keepAliveInitialDelay),
  };
  return new Socket({ ...rest, [ACCEPTED]: accepted } as SocketOptions);
}

/** The handle of a socket that is connected. */
function connected(socket: Socket): Handle {
  if (socket.connecting)
    throw unsupported("The socket is being connected: await 'connect', or use syncAwait for it");
  const handle = socket._handle === null ? null : handleOf(socket._handle);
  if (handle === null || handle.isClosing) throw socketClosed();
  return handle;
}

/** `socket.read`: bytes, or text where the socket has an encoding; null at the end. */
function readNow(until: Until, socket: Socket, [size]: readonly unknown[]): unknown {
  if (socket.readableEnded) return null;
  const handle = connected(socket);
  if (socket.readableFlowing === true || (handle.owner as HandleOwner | null)?.raw === true) {
    throw unsupported("The socket's bytes go to its listeners: pause it first");
  }
  // As a stream's: it asks for nothing.
  if (size === 0) return socket.read(0);
  let chunk: unknown = socket.read(size as number | undefined);
  until(() => {
    deliverNow(handle, NET_READ_EVENT);
    chunk ??= socket.read(size as number | undefined);
    return chunk !== null || handle.ended || socket.destroyed;
  });
  if (chunk === null && socket.destroyed) throw failed(socket);
  return chunk;
}

/** What a socket failed with. The call throws it, so it is not told as an event that nobody listens to. */
function failed(socket: Socket): Error {
  socket.on("error", () => undefined);
  return socket.errored ?? socketClosed();
}

function bytesOf(data: unknown, encoding: unknown): Uint8Array {
  if (typeof data === "string") return Buffer.from(data, (encoding as BufferEncoding | undefined) ?? "utf8");
  if (data instanceof Uint8Array) return data;
  throw invalidType("chunk", "of type string or an instance of Buffer, TypedArray, or DataView", data);
}

/** `socket.write`: until the system has taken all. */
function writeNow(until: Until, socket: Socket, [data, encoding]: readonly unknown[]): boolean {
  const bytes = bytesOf(data, encoding);
  const handle = connected(socket);
  if (socket.writableEnded) throw coded(Error, "ERR_STREAM_WRITE_AFTER_END", "write after end");
  if (socket.writableLength > 0) throw busy();
  let result: number | undefined;
  let given = false;
  handle.write(bytes, (code) => {
    result = code;
    // Nobody waits any more, as if nobody had awaited it.
    if (given && code < 0 && !handle.isClosing) socket.destroy(callError(code, "write"));
  });
  try {
    until(() => {
      deliverNow(handle, NET_WRITTEN_EVENT);
      return result !== undefined || handle.failure !== undefined;
    });
  } finally {
    given = true;
  }
  if (handle.failure !== undefined) throw handle.failure;
  if ((result as unknown as number) >= 0) return true;
  socket.destroy();
  throw callError(result as unknown as number, "write");
}

/** `socket.end`: until all is sent, and the peer told that no more comes. */
function endNow(until: Until, socket: Socket, [data, encoding]: readonly unknown[]): Socket {
  if (socket.writableFinished) return socket;
  const handle = connected(socket);
  if (socket.writableEnded || socket.writableLength > 0) throw busy();
  if (data !== undefined && data !== null) writeNow(until, socket, [data, encoding]);
  let shut = false;
  socket.once("prefinish", () => {
    shut = true;
  });
  socket.end();
  until(() => {
    // What an earlier call has given up is sent before the end.
    deliverNow(handle, NET_WRITTEN_EVENT);
    deliverNow(handle, NET_SHUT_EVENT);
    return shut || socket.destroyed;
  });
  if (!shut) throw failed(socket);
  return socket;
}

/** Tells `syncAwait` what there is. */
export function registerBlocking(connect: unknown, lookUp: unknown): void {
  register(connect, (until, _, args) => connectNow(until, args));
  register(lookUp, (until, _, args) => findNow(until, args));
  const methods = { read: readNow, write: writeNow, end: endNow };
  for (const [name, method] of Object.entries(methods)) {
    register(Socket.prototype[name as "read"], (until, on, args) => {
      if (!(on instanceof Socket))
        throw unsupported("syncAwait takes methods of Socket with the socket as `on`");
      return (method as typeof readNow)(until, on, args);
    });
  }
}
