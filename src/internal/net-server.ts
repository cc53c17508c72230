/** `Server`: connections taken over TCP or a Unix domain socket, in the shape of `node:net`'s. */
import { EventEmitter } from "node:events";
import { getDefaultHighWaterMark } from "node:stream";
import { type Abortee, unwatch, watch } from "./abort.js";
import { callable } from "./callable.js";
import { publishAccepted, publishListen, publishListening } from "./diagnostics.js";
import { ACCEPTED, type Accepted } from "./net-accepted.js";
import { alreadyListening, callError, listenError, notRunning, validPort } from "./net-errors.js";
import { untilClosed } from "./net-events.js";
import { type Address, addressOf, Handle, PATH_KIND } from "./net-link.js";
import { lookup } from "./net-lookup.js";
import {
  type AnyOptions,
  type Callback,
  isPath,
  keepAliveSeconds,
  normalize,
  toNumber,
  validNumber,
} from "./net-options.js";
import { Socket } from "./net-socket.js";
import { HandleView } from "./net-view.js";
import { invalidType, invalidValue } from "./node-errors.js";
import {
  ADDRESS_IPV4,
  ADDRESS_IPV6,
  BIND_ALL_READ,
  BIND_ALL_WRITE,
  BIND_ONLY_V6,
  BIND_REUSE_PORT,
} from "./ops.js";
import { validSignal } from "./validate.js";

/** Options of {@link Server}. */
export interface ServerOptions {
  /** Whether connections stay open for writing when the peer has ended its side. False by default. */
  allowHalfOpen?: boolean;
  /** Whether connections wait for `resume()` before they receive. False by default. */
  pauseOnConnect?: boolean;
  /** `TCP_NODELAY` for each connection. */
  noDelay?: boolean;
  /** `SO_KEEPALIVE` for each connection. */
  keepAlive?: boolean;
  /** Milliseconds before the first keep-alive probe. */
  keepAliveInitialDelay?: number;
  /** Bytes that each connection's streams hold before they ask to wait. */
  highWaterMark?: number;
}

/** Where to listen. */
export interface ListenOptions {
  /** 0, the default, for one that is free. */
  port?: number | string | null;
  /** A name or an address; all addresses of the machine by default. */
  host?: string;
  /** A path, for a Unix domain socket. */
  path?: string;
  /** A socket's descriptor to listen on. */
  fd?: number;
  /** How many connections may wait to be accepted. 511 by default. */
  backlog?: number;
  /** Taken and ignored: workers share nothing here. */
  exclusive?: boolean;
  /** Whether IPv4 is refused on an address of IPv6. */
  ipv6Only?: boolean;
  /** Whether several sockets may listen on the port, the system choosing among them. */
  reusePort?: boolean;
  /** Whether everybody may read the path. */
  readableAll?: boolean;
  /** Whether everybody may write the path. */
  writableAll?: boolean;
  /** Aborting it closes the server. */
  signal?: AbortSignal;
}

/** What a `drop` event tells of a connection that was one too many. */
export interface DropArgument {
  /** The server's address. */
  localAddress?: string | undefined;
  /** The server's port. */
  localPort?: number | undefined;
  /** `IPv4` or `IPv6`. */
  localFamily?: string | undefined;
  /** The peer's address. */
  remoteAddress?: string | undefined;
  /** The peer's port. */
  remotePort?: number | undefined;
  /** `IPv4` or `IPv6`. */
  remoteFamily?: string | undefined;
}

/** The events of a {@link Server}, with their arguments. */
export interface ServerEvents {
  /** It listens. */
  listening: [];
  /** A connection was accepted. */
  connection: [socket: Socket];
  /** A connection was one too many. */
  drop: [data?: DropArgument];
  /** It cannot listen, or accept. */
  error: [error: Error];
  /** It is closed, and so are its connections. */
  close: [];
}

/** Where a server is about to listen. */
interface Place {
  readonly kind: number;
  readonly address: string;
  readonly port: number;
  readonly backlog: number;
  readonly flags: number;
}

const BACKLOG = 511;

/**
 * Takes connections: `net.Server` of Node, over the runtime's driver. Events are Node's: `listening`, `connection`, `drop`,
 * `error`, `close`. It can also be iterated: `for await (const socket of server)`.
 *
 * @example
 * ```ts
 * import { type Address, connect, createServer } from "maniac/net";
 *
 * const server = createServer().listen(0, "127.0.0.1", () => {
 *   const { port } = server.address() as Address;
 *   connect(port).resume();
 * });
 * for await (const socket of server) {
 *   socket.end("bye");
 *   server.close();
 * }
 * ```
 */
@callable
export class Server extends EventEmitter<ServerEvents> {
  /** Connections beyond this number are closed at once, and told by `drop`. */
  maxConnections?: number;
  /** As in {@link ServerOptions}. */
  allowHalfOpen: boolean;
  /** As in {@link ServerOptions}. */
  pauseOnConnect: boolean;
  /** As in {@link ServerOptions}. */
  noDelay: boolean;
  /** As in {@link ServerOptions}. */
  keepAlive: boolean;
  /** Seconds before the first keep-alive probe. */
  keepAliveInitialDelay: number;
  /** As in {@link ServerOptions}. */
  highWaterMark: number;

  #handle: Handle | null = null;
  #view: HandleView | undefined;
  #key: string | undefined;
  #connections = 0;
  #unreferenced = false;
  #path: string | undefined;
  /** Counts calls of listen and close: a look-up that ends after another call is for nothing. */
  #generation = 0;

  /**
   * @param options - as Node's.
   * @param listener - for `connection`.
   */
  constructor(options?: ServerOptions | ((socket: Socket) => void), listener?: (socket: Socket) => void) {
    super();
    let given: ServerOptions = {};
    if (typeof options === "function") {
      this.on("connection", options);
    } else if (options == null || typeof options === "object") {
      given = { ...options };
      if (typeof listener === "function") {
        this.on("connection", listener);
      }
    } else {
      throw invalidType("options", "of type object", options);
    }
    this.keepAliveInitialDelay = keepAliveSeconds(given.keepAliveInitialDelay);
    const mark = given.highWaterMark;
    if (mark !== undefined) {
      validNumber(mark, "options.highWaterMark");
    }
    this.highWaterMark = mark === undefined || mark < 0 ? getDefaultHighWaterMark(false) : mark;
    this.allowHalfOpen = given.allowHalfOpen || false;
    this.pauseOnConnect = Boolean(given.pauseOnConnect);
    this.noDelay = Boolean(given.noDelay);
    this.keepAlive = Boolean(given.keepAlive);
  }

  /**
   * Listens: `(options)`, `([port[, host[, backlog]]])` or `(path[, backlog])`, each with a listener for `listening` at the end.
   *
   * @returns the server, which emits `listening`, or `error`.
   */
  listen(options: ListenOptions, listener?: Callback): this;
  listen(port?: number | string, host?: string, backlog?: number, listener?: Callback): this;
  listen(port?: number | string, host?: string, listener?: Callback): this;
  listen(port?: number | string, backlog?: number, listener?: Callback): this;
  listen(port?: number | string, listener?: Callback): this;
  listen(listener?: Callback): this;
  listen(...args: unknown[]): this {
    const [options, callback] = normalize(args);
    if (this.#handle !== null) {
      throw alreadyListening();
    }
    publishListen(this, options);
    if (callback !== null) {
      this.once("listening", callback);
    }
    const fromArguments =
      toNumber(args.length > 1 && args[1]) || toNumber(args.length > 2 && args[2]) || undefined;
    this.#generation++;
    const signal = validSignal(options.signal, "options.signal");
    if (signal !== undefined) {
      this.#closeOnAbort(signal);
    }
    const backlog = Number(options.backlog || fromArguments || BACKLOG);
    this.#path = undefined;
    if (typeof options.fd === "number" && options.fd >= 0) {
      this.#listen({ kind: 0, address: "", port: options.fd, backlog, flags: 0 });
      return this;
    }
    const anyPort =
      args.length === 0 ||
      typeof args[0] === "function" ||
      (options.port === undefined && "port" in options) ||
      options.port === null;
    const port = anyPort ? 0 : options.port;
    if (typeof port === "number" || typeof port === "string") {
      this.#listenOnPort(validPort(port, "options.port"), backlog, options);
    } else if (options.path && isPath(options.path)) {
      this.#listenOnPath(options.path, backlog, options);
    } else {
      const reason =
        "port" in options || "path" in options ? undefined : 'must have the property "port" or "path"';
      throw invalidValue("options", options, reason);
    }
    return this;
  }

  #closeOnAbort(signal: AbortSignal): void {
    if (signal.aborted) {
      process.nextTick(() => this.close());
      return;
    }
    const abortee: Abortee = { onAbort: () => this.close() };
    watch(signal, abortee);
    this.once("close", () => unwatch(signal, abortee));
  }

  #listenOnPort(port: number, backlog: number, options: AnyOptions): void {
    const flags = (options.ipv6Only ? BIND_ONLY_V6 : 0) | (options.reusePort ? BIND_REUSE_PORT : 0);
    if (!options.host) {
      // All addresses of both families, or of IPv4 where there is no IPv6.
      const failed = this.#try({ kind: ADDRESS_IPV6, address: "::", port, backlog, flags });
      if (failed !== 0) {
        this.#listen({ kind: ADDRESS_IPV4, address: "0.0.0.0", port, backlog, flags });
      }
      return;
    }
    const generation = this.#generation;
    lookup(String(options.host), {}, (error, address: string, family) => {
      if (generation !== this.#generation) {
        return;
      }
      if (error) {
        this.emit("error", error);
      } else {
        this.#listen({ kind: family === 6 ? ADDRESS_IPV6 : ADDRESS_IPV4, address, port, backlog, flags });
      }
    });
  }

  #listenOnPath(path: string, backlog: number, options: AnyOptions): void {
    const { readableAll, writableAll } = options;
    if (path.startsWith("\0") && (readableAll || writableAll)) {
      const reason = "can not set readableAll or writableAllt to true when path is abstract unix socket";
      throw invalidValue("options", options, reason);
    }
    this.#path = path;
    const flags = (readableAll === true ? BIND_ALL_READ : 0) | (writableAll === true ? BIND_ALL_WRITE : 0);
    this.#listen({ kind: PATH_KIND, address: path, port: -1, backlog, flags });
  }

  #listen(place: Place): void {
    const result = this.#try(place);
    if (result !== 0) {
      const { kind, address, port } = place;
      const error = listenError(result, "listen", kind === 0 ? null : address, kind === 0 ? undefined : port);
      publishListening(this, error);
      process.nextTick(() => this.emit("error", error));
    }
  }

  /** Gives 0 or an error's number. */
  #try({ kind, address, port, backlog, flags }: Place): number {
    const handle = new Handle(null, "MANIACSERVER");
    const result = handle.listen(kind, address, port, backlog, flags);
    if (result !== 0) {
      handle.close();
      return result;
    }
    handle.owner = {
      onAccepted: (fd, names) => this.#accepted(fd, names),
      onBroken: (error) => {
        this.emit("error", error);
        this.close();
      },
    };
    this.#handle = handle;
    this.#key = `${kind === PATH_KIND ? -1 : kind}:${address}:${port}`;
    publishListening(this);
    if (this.#unreferenced) {
      handle.ref(false);
    }
    process.nextTick(() => {
      if (this.#handle !== null) {
        this.emit("listening");
      }
    });
    return 0;
  }

  #accepted(result: number, names: string): void {
    if (result < 0) {
      this.emit("error", callError(result, "accept"));
      return;
    }
    if (this.maxConnections !== undefined && this.#connections >= this.maxConnections) {
      Handle.adopt(null, result).close();
      this.emit("drop", this.#path === undefined ? dropOf(names) : undefined);
      return;
    }
    const accepted: Accepted = {
      handle: Handle.adopt(null, result, names),
      server: this,
      gone: () => {
        this.#connections--;
        this.#closeIfDrained();
      },
      pause: this.pauseOnConnect,
      noDelay: this.noDelay,
      keepAlive: this.keepAlive,
      keepAliveDelay: this.keepAliveInitialDelay,
    };
    this.#connections++;
    const socket = new Socket({
      allowHalfOpen: this.allowHalfOpen,
      readableHighWaterMark: this.highWaterMark,
      writableHighWaterMark: this.highWaterMark,
      [ACCEPTED]: accepted,
    } as object);
    this.emit("connection", socket);
    publishAccepted(socket);
  }

  /** Listens no more; `close` comes when the last connection has ended. */
  close(callback?: (error?: Error) => void): this {
    this.#generation++;
    if (typeof callback === "function") {
      if (this.#handle === null) {
        this.once("close", () => callback(notRunning()));
      } else {
        this.once("close", callback);
      }
    }
    const handle = this.#handle;
    if (handle !== null) {
      this.#handle = null;
      handle.close();
    }
    this.#closeIfDrained();
    return this;
  }

  #closeIfDrained(): void {
    if (this.#handle === null && this.#connections === 0) {
      process.nextTick(() => this.emit("close"));
    }
  }

  /** Closes the server, if it listens, and waits for `close`. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#handle !== null) {
      await new Promise<void>((done) => this.close(() => done()));
    }
  }

  /** The connections, as they come, until the server is closed; an error of the server's ends it with that. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Socket, void, undefined> {
    for await (const [socket] of untilClosed(this as EventEmitter, "connection")) {
      yield socket as Socket;
    }
  }

  /** The address, the path, or null while it does not listen. */
  address(): Address | string | null {
    if (this.#handle === null) {
      return null;
    }
    return this.#path ?? this.#handle.own() ?? this.#handle.ownPath();
  }

  /** The native side in the shape of Node's; null while it does not listen. */
  get _handle(): HandleView | null {
    if (this.#handle === null) {
      return null;
    }
    this.#view ??= new HandleView(() => this.#handle);
    return this.#view;
  }

  /** Where it listens, as Node's cluster names it: family, address and the port that was asked for. */
  get _connectionKey(): string | undefined {
    return this.#key;
  }

  /** Whether it listens. */
  get listening(): boolean {
    return this.#handle !== null;
  }

  /** Gives the number of open connections to `callback`. */
  getConnections(callback: (error: Error | null, count: number) => void): this {
    process.nextTick(callback, null, this.#connections);
    return this;
  }

  /** Lets listening keep the process alive, as it does from the start. */
  ref(): this {
    this.#unreferenced = false;
    this.#handle?.ref(true);
    return this;
  }

  /** Lets the process end although the server listens. */
  unref(): this {
    this.#unreferenced = true;
    this.#handle?.ref(false);
    return this;
  }

  /** A listener that rejects: the connection is destroyed, or `error` is emitted. */
  override [EventEmitter.captureRejectionSymbol]<K>(error: Error, event: K, ...args: unknown[]): void {
    if (event === "connection") {
      (args[0] as Socket).destroy(error);
    } else {
      this.emit("error", error);
    }
  }
}

function dropOf(names: string): DropArgument {
  const peer = addressOf(names, 0);
  const own = addressOf(names, 2);
  return {
    localAddress: own?.address,
    localPort: own?.port,
    localFamily: own?.family,
    remoteAddress: peer?.address,
    remotePort: peer?.port,
    remoteFamily: peer?.family,
  };
}
