/**
 * `maniac/net`: the shape of `node:net` and `node:dgram` over the runtime's driver. Each environment's sockets share one
 * ring or epoll with its files; names are looked up by the runtime's threads, never behind Node's four.
 *
 * `node:diagnostics_channel` tells of look-ups, connections and listening: `tracingChannel("maniac:net")` gives its subscribers a
 * {@link NetMessage}, and Node's own channels (`net.client.socket`, `net.server.socket`, `net.server.listen`, `udp.socket`) are served too.
 *
 * @module
 */
import { publishClient, publishDatagram } from "./internal/diagnostics.js";
import { registerBlocking } from "./internal/net-blocking.js";
import { DatagramSocket } from "./internal/net-dgram.js";
import { type Found, type LookupOptions, lookup as runtimeLookup } from "./internal/net-lookup.js";
import { type Callback, normalize, validString } from "./internal/net-options.js";
import { Server, type ServerOptions } from "./internal/net-server.js";
import { Socket } from "./internal/net-socket.js";
import type {
  ConnectOptions,
  DatagramOptions,
  DatagramType,
  RemoteInfo,
  SocketOptions,
} from "./internal/net-types.js";
import { validObject } from "./internal/validate.js";

export {
  BlockList,
  getDefaultAutoSelectFamily,
  getDefaultAutoSelectFamilyAttemptTimeout,
  isIP,
  isIPv4,
  isIPv6,
  SocketAddress,
  setDefaultAutoSelectFamily,
  setDefaultAutoSelectFamilyAttemptTimeout,
} from "node:net";
export type { NetMessage } from "./internal/diagnostics.js";
export { DatagramSocket } from "./internal/net-dgram.js";
export type { Address } from "./internal/net-link.js";
export type { Found, Lookup, LookupOptions } from "./internal/net-lookup.js";
export type { Message } from "./internal/net-message.js";
export type { Callback } from "./internal/net-options.js";
export type { DropArgument, ListenOptions, ServerEvents, ServerOptions } from "./internal/net-server.js";
export { Server } from "./internal/net-server.js";
export { Socket } from "./internal/net-socket.js";
export type {
  BindOptions,
  ConnectOptions,
  DatagramEvents,
  DatagramOptions,
  DatagramType,
  OnReadOptions,
  PathConnectOptions,
  RemoteInfo,
  SendCallback,
  SocketOptions,
  TcpConnectOptions,
  Written,
} from "./internal/net-types.js";
export type { HandleView } from "./internal/net-view.js";

/**
 * Connects a new socket: `(options)`, `(port[, host])` or `(path)`, each with a listener for `connect` at the end.
 *
 * @param options - where to, and how; or a port, or a path.
 * @param listener - for `connect`.
 * @returns the socket, which emits `connect`, or `error` and `close`.
 *
 * @example
 * ```ts
 * import { connect } from "maniac/net";
 *
 * const socket = connect({ host: "127.0.0.1", port: 1, signal: AbortSignal.timeout(1000) });
 * socket.on("error", (error: NodeJS.ErrnoException) => console.log(error.code)); // ECONNREFUSED
 * ```
 */
export function connect(options: ConnectOptions, listener?: Callback): Socket;
export function connect(port: number | string, host?: string, listener?: Callback): Socket;
export function connect(portOrPath: number | string, listener?: Callback): Socket;
export function connect(...args: unknown[]): Socket {
  const [options] = normalize(args);
  const socket = new Socket(options as SocketOptions);
  publishClient(socket);
  if (typeof options.timeout === "number" && options.timeout) {
    socket.setTimeout(options.timeout);
  }
  if (socket.destroyed) {
    // Aborted before it began.
    return socket;
  }
  return socket.connect(...(args as [number, string]));
}

/** Another name of {@link connect}, as in Node. */
export const createConnection: typeof connect = connect;

/**
 * Looks a name up through the runtime's threads, as `dns.promises.lookup` does through Node's four.
 *
 * @param hostname - the name; an address is given back.
 * @param options - `family`, `hints`, and `all` for every address instead of the first.
 * @returns a promise of the address, which rejects with `ENOTFOUND` and its like.
 *
 * @example
 * ```ts
 * import { lookup } from "maniac/net";
 *
 * const { address } = await lookup("127.0.0.1");
 * console.log(address); // 127.0.0.1
 * ```
 */
export function lookup(hostname: string, options: LookupOptions & { all: true }): Promise<Found[]>;
export function lookup(hostname: string, options?: LookupOptions): Promise<Found>;
export function lookup(hostname: string, options: LookupOptions = {}): Promise<Found | Found[]> {
  return new Promise((resolve, reject) => {
    const wanted = validObject(options, "options") as LookupOptions;
    runtimeLookup(validString(hostname, "hostname"), wanted, (error, address: string | Found[], family) => {
      if (error) reject(error);
      else resolve(typeof address === "string" ? { address, family: family as number } : address);
    });
  });
}

/**
 * Makes a server: `([options][, listener])`. It takes connections once {@link Server.listen} is called.
 *
 * @param listener - for `connection`.
 *
 * @example
 * ```ts
 * import { createServer } from "maniac/net";
 *
 * const server = createServer((socket) => socket.end("bye"));
 * server.listen(0, () => server.close());
 * ```
 */
export function createServer(listener?: (socket: Socket) => void): Server;
export function createServer(options: ServerOptions, listener?: (socket: Socket) => void): Server;
export function createServer(
  options?: ServerOptions | ((socket: Socket) => void),
  listener?: (socket: Socket) => void,
): Server {
  return new Server(options, listener);
}

/** Another name of {@link Socket}, as in Node. */
export const Stream: typeof Socket = Socket;

/**
 * Makes a datagram socket: `(type[, listener])` or `(options[, listener])`, as `dgram.createSocket`.
 *
 * @param options - the type, and more; or the type alone.
 * @param listener - for `message`.
 *
 * @example
 * ```ts
 * import { createSocket } from "maniac/net";
 *
 * const socket = createSocket({ type: "udp4", reuseAddr: true });
 * socket.bind(() => socket.close());
 * ```
 */
export function createSocket(
  options: DatagramType | DatagramOptions,
  listener?: (message: Buffer, info: RemoteInfo) => void,
): DatagramSocket {
  const socket = new DatagramSocket(options, listener);
  publishDatagram(socket);
  return socket;
}

registerBlocking(connect, lookup);
