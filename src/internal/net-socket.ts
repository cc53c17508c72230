/** `Socket`: a stream over TCP or a Unix domain socket, in the shape of `node:net`'s. */
import { addAbortSignal, Duplex } from "node:stream";
import { callable } from "./callable.js";
import { ACCEPTED, type Accepted } from "./net-accepted.js";
import { type Connectable, connectAsPlanned, connectPath, planOf } from "./net-connect.js";
import {
  callError,
  closedBeforeConnection,
  invalidHandleType,
  missingArguments,
  socketClosed,
} from "./net-errors.js";
import { type Address, CANCELED, Handle, type HandleOwner, joined } from "./net-link.js";
import { BufferReader } from "./net-onread.js";
import {
  type AnyOptions,
  type Callback,
  keepAliveSeconds,
  normalize,
  refuseObjectMode,
  validDuration,
  validSocketDescriptor,
  validString,
} from "./net-options.js";
import type { ConnectOptions, SocketOptions, Written } from "./net-types.js";
import { HandleView } from "./net-view.js";
import { coded } from "./node-errors.js";
import { errnoOf } from "./os-errors.js";
import { validFunction, validSignal } from "./validate.js";

/**
 * A connection over TCP or a Unix domain socket: `net.Socket` of Node, over the runtime's driver. It is a `Duplex`, so it can be
 * piped, iterated with `for await`, and written to; events, properties and errors are Node's.
 *
 * @example
 * ```ts
 * import { type Address, connect, createServer } from "maniac/net";
 *
 * const server = createServer((peer) => peer.pipe(peer)).listen(0, "127.0.0.1", () => {
 *   const { port } = server.address() as Address;
 *   const socket = connect(port, "127.0.0.1");
 *   socket.end("hello");
 *   socket.on("data", (chunk) => console.log(String(chunk))); // hello
 *   socket.on("close", () => server.close());
 * });
 * ```
 */
@callable
export class Socket extends Duplex {
  /** Whether {@link connect} is under way. */
  connecting = false;
  /** Milliseconds of {@link setTimeout}, once it was called. */
  timeout?: number;
  /** The server that accepted it. */
  server: unknown = null;
  /** The addresses that were tried in turn, as `address:port`. */
  autoSelectFamilyAttemptedAddresses?: string[];

  #handle: Handle | null = null;
  #view: HandleView | undefined;
  #peer: Address | undefined;
  #bytesRead = 0;
  #bytesWritten = 0;
  #pending: Buffer | null = null;
  #timer: NodeJS.Timeout | undefined;
  #queued = 0;
  #noDelay: boolean;
  #keepAlive: boolean;
  #keepAliveSeconds: number;
  #unreferenced = false;
  #path = false;
  #asked = false;
  #reset = false;
  #peerEnded = false;
  #onread: BufferReader | undefined;
  #gone: Callback | undefined;

  /** @param options - Node's; a number stands for `{ fd }`. */
  constructor(options?: SocketOptions | number) {
    const given: SocketOptions & { [ACCEPTED]?: Accepted } =
      typeof options === "number" ? { fd: options } : { ...options };
    refuseObjectMode(given as AnyOptions);
    const seconds = keepAliveSeconds(given.keepAliveInitialDelay);
    const { signal, ...rest } = given;
    super({
      ...rest,
      allowHalfOpen: Boolean(given.allowHalfOpen),
      emitClose: false,
      autoDestroy: true,
      decodeStrings: true,
    });
    this.#noDelay = Boolean(given.noDelay);
    this.#keepAlive = Boolean(given.keepAlive);
    this.#keepAliveSeconds = seconds;
    this.#onread = BufferReader.of(given.onread, this, {
      start: () => this.#handle?.readStart(),
      stop: () => this.#handle?.readStop(),
      ended: () => this.#ended(),
    });
    this.on("end", () => {
      this.#peerEnded = !this.allowHalfOpen;
    });
    const accepted = given[ACCEPTED];
    if (accepted !== undefined) {
      this.#accept(accepted);
    } else if (given.fd !== undefined) {
      this.#open(given.fd, given.readable !== false);
    }
    if (signal !== undefined) {
      // Not before: one that is aborted already destroys the socket at once.
      addAbortSignal(validSignal(signal) as AbortSignal, this);
    }
  }

  #accept(accepted: Accepted): void {
    this.#handle = accepted.handle;
    this.#handle.owner = this.#owner();
    this.server = accepted.server;
    this.#gone = accepted.gone;
    if (accepted.noDelay) {
      this.setNoDelay(true);
    }
    if (accepted.keepAlive) {
      this.setKeepAlive(true, accepted.keepAliveDelay * 1000);
    }
    if (accepted.pause) {
      this.pause();
    } else {
      this.read(0);
    }
  }

  #open(fd: number, readable: boolean): void {
    this.#handle = Handle.adopt(this.#owner(), validSocketDescriptor(fd));
    if (readable) {
      this.read(0);
    }
  }

  #owner(): HandleOwner {
    return {
      onRead: (result, bytes) => this.#received(result, bytes),
      onBroken: (error) => this.destroy(error),
      raw: this.#onread !== undefined,
    };
  }

  /**
   * Connects: `(options)`, `(port[, host])` or `(path)`, each with a listener for `connect` at the end.
   *
   * @returns the socket, which emits `connect`, or `error` and `close`.
   */
  connect(options: ConnectOptions, listener?: Callback): this;
  connect(port: number | string, host: string, listener?: Callback): this;
  connect(portOrPath: number | string, listener?: Callback): this;
  connect(...args: unknown[]): this {
    const [options, callback] = normalize(args);
    if (callback !== null) {
      this.once("connect", callback);
    }
    if (options.port === undefined && options.path == null) {
      throw missingArguments("options", "port", "path");
    }
    const path = options.path ? validString(options.path, "options.path") : undefined;
    const plan = path === undefined ? planOf(options) : undefined;
    if (this.destroyed) {
      this.#revive();
    }
    this.#touch();
    this.connecting = true;
    this.#asked = true;
    this.#path = path !== undefined;
    const socket = this.#connectable();
    if (path !== undefined) {
      connectPath(socket, path);
    } else if (plan !== undefined) {
      connectAsPlanned(socket, plan);
    }
    return this;
  }

  /** A socket that was destroyed may be connected again. */
  #revive(): void {
    this.#handle = null;
    this.#peer = undefined;
    this.#peerEnded = false;
    (this as unknown as { _undestroy(): void })._undestroy();
  }

  #connectable(): Connectable {
    const self = this;
    return {
      get connecting() {
        return self.connecting;
      },
      emit: (event, ...args) => this.emit(event, ...args),
      destroy: (error) => this.destroy(error),
      touch: () => this.#touch(),
      take: (handle) => {
        this.#handle?.close();
        this.#handle = handle;
        if (this.#unreferenced) {
          handle.ref(false);
        }
      },
      connected: () => this.#connected(),
      attempted: (addresses) => {
        this.autoSelectFamilyAttemptedAddresses = addresses;
      },
    };
  }

  #connected(): void {
    const handle = this.#handle;
    if (this.destroyed || handle === null) {
      return;
    }
    handle.owner = this.#owner();
    this.connecting = false;
    this.#touch();
    if (this.#noDelay) {
      this.#options.setNoDelay(true);
    }
    if (this.#keepAlive) {
      this.#options.setKeepAlive(true, this.#keepAliveSeconds);
    }
    this.emit("connect");
    this.emit("ready");
    if (!this.isPaused()) {
      this.read(0);
    }
  }

  #received(result: number, bytes: Buffer | undefined): void {
    if (this.destroyed) {
      return;
    }
    this.#touch();
    if (this.#onread !== undefined && result >= 0) {
      this.#onread.take(bytes ?? null);
    } else if (bytes !== undefined) {
      if (!this.push(bytes)) {
        this.#handle?.readStop();
      }
    } else if (result === 0) {
      this.#ended();
    } else {
      this.destroy(callError(result, "read"));
    }
  }

  #ended(): void {
    this.push(null);
    if (this.readableLength === 0) {
      this.read(0);
    }
  }

  /** Called by the stream when it wants more. */
  override _read(size: number): void {
    const handle = this.#handle;
    if (this.connecting || handle === null) {
      this.once("connect", () => this._read(size));
    } else if (this.#onread?.paused !== true) {
      handle.readStart();
    }
  }

  /** Called by the stream with what is to be sent. */
  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    if (this.connecting) {
      this.#pending = chunk;
      const closed = (): void => callback(closedBeforeConnection());
      this.once("connect", () => {
        this.off("close", closed);
        this._write(chunk, _encoding, callback);
      });
      this.once("close", closed);
      return;
    }
    this.#pending = null;
    if (this.#handle === null) {
      callback(socketClosed());
      return;
    }
    if (this.#handle.isClosing) {
      callback(callError(errnoOf("EBADF"), "write"));
      return;
    }
    this.#touch();
    this.#handle.write(chunk, (result) => {
      this.#queued = 0;
      if (this.destroyed || result === CANCELED) {
        callback(null);
      } else if (result < 0) {
        callback(callError(result, "write"));
      } else {
        this.#touch();
        callback();
      }
    });
  }

  /** Called by the stream with all that has gathered. */
  override _writev(
    chunks: { chunk: Buffer; encoding: BufferEncoding }[],
    callback: (error?: Error | null) => void,
  ): void {
    const all = joined(chunks);
    all instanceof Error ? callback(all) : this._write(all, "utf8", callback);
  }

  /** Called by the stream when all is sent. */
  override _final(callback: (error?: Error | null) => void): void {
    if (this.pending && !this.destroyed) {
      this.once("connect", () => this._final(callback));
      return;
    }
    if (this.#handle === null) {
      callback();
      return;
    }
    const unconnected = errnoOf("ENOTCONN");
    this.#handle.shutdown((result) => {
      if (result < 0 && result !== unconnected && result !== CANCELED) {
        callback(callError(result, "shutdown"));
      } else {
        callback();
      }
    });
  }

  /** Called by the stream when it is destroyed. */
  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.connecting = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const handle = this.#handle;
    const hadError = error !== null && error !== undefined;
    if (handle !== null) {
      this.#peer ??= handle.peer();
      this.#bytesRead = handle.bytesRead;
      this.#bytesWritten = handle.bytesWritten;
      handle.close(() => this.emit("close", hadError), this.#reset);
      this.#handle = null;
      this.#reset = false;
      callback(error);
    } else {
      callback(error);
      // Node has a handle as soon as it is asked to connect, and tells of an error then.
      process.nextTick(() => (this.#asked ? this.emit("close", hadError) : this.emit("close")));
    }
    this.#gone?.();
    this.#gone = undefined;
  }

  /** As `Writable.write`; fails with `EPIPE` when the peer has ended and half-open connections are not allowed. */
  override write(chunk: Uint8Array | string, how?: BufferEncoding | Written, done?: Written): boolean;
  override write(...args: unknown[]): boolean {
    if (this.#peerEnded && this.writableEnded) {
      const callback = args.find((one) => typeof one === "function") as ((error: Error) => void) | undefined;
      const error = coded(Error, "EPIPE", "This socket has been ended by the other party");
      if (callback !== undefined) {
        process.nextTick(callback, error);
      }
      this.destroy(error);
      return false;
    }
    return super.write(...(args as Parameters<Duplex["write"]>));
  }

  /** Receives no more until {@link resume}. */
  override pause(): this {
    if (!this.connecting && !this.destroyed) {
      this.#onread?.pause();
    }
    return super.pause();
  }

  /** Receives again. */
  override resume(): this {
    this.#onread?.resume();
    return super.resume();
  }

  /** Destroys the socket when all is sent. */
  destroySoon(): void {
    if (this.writable) {
      this.end();
    }
    if (this.writableFinished) {
      this.destroy();
    } else {
      this.once("finish", () => this.destroy());
    }
  }

  /** Destroys a TCP socket so that the peer sees a reset. */
  resetAndDestroy(): this {
    if (this.#handle === null && !this.connecting) {
      this.destroy(socketClosed());
      return this;
    }
    if (this.#path) {
      throw invalidHandleType();
    }
    const reset = (): void => {
      this.#reset = true;
      this.destroy();
    };
    if (this.connecting) {
      this.once("connect", reset);
    } else {
      reset();
    }
    return this;
  }

  /** Emits `timeout` when nothing has happened for so many milliseconds; 0 ends that. The socket stays open. */
  setTimeout(milliseconds: number, callback?: Callback): this {
    if (this.destroyed) {
      return this;
    }
    this.timeout = milliseconds;
    const duration = validDuration(milliseconds, "msecs");
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (callback !== undefined) {
      validFunction(callback, "callback");
    }
    if (duration === 0) {
      if (callback !== undefined) {
        this.removeListener("timeout", callback);
      }
    } else {
      this.#timer = setTimeout(() => this.#timedOut(), duration).unref();
      if (callback !== undefined) {
        this.once("timeout", callback);
      }
    }
    return this;
  }

  #timedOut(): void {
    // A write that goes on is a sign of life.
    const queued = this.#handle?.queued ?? 0;
    if (queued > 0 && queued !== this.#queued) {
      this.#queued = queued;
      this.#touch();
      return;
    }
    this.emit("timeout");
  }

  #touch(): void {
    this.#timer?.refresh();
  }

  /** Whether small writes go out at once (`TCP_NODELAY`). */
  setNoDelay(noDelay?: boolean): this {
    const wanted = noDelay === undefined ? true : Boolean(noDelay);
    if (this.#handle !== null && !this.connecting && wanted !== this.#noDelay) {
      this.#options.setNoDelay(wanted);
    }
    this.#noDelay = wanted;
    return this;
  }

  /** Whether an idle connection is probed (`SO_KEEPALIVE`), first after `initialDelay` milliseconds. */
  setKeepAlive(enable?: boolean, initialDelay = 0): this {
    const wanted = Boolean(enable);
    const seconds = Math.trunc(initialDelay / 1000) | 0;
    const changed = wanted !== this.#keepAlive || (wanted && seconds !== this.#keepAliveSeconds);
    this.#keepAlive = wanted;
    this.#keepAliveSeconds = seconds;
    if (changed && this.#handle !== null && !this.connecting) {
      this.#options.setKeepAlive(wanted, seconds);
    }
    return this;
  }

  /** Lets receiving keep the process alive, as it does from the start. */
  ref(): this {
    this.#unreferenced = false;
    this.#handle?.ref(true);
    return this;
  }

  /** Lets the process end although this socket receives. */
  unref(): this {
    this.#unreferenced = true;
    this.#handle?.ref(false);
    return this;
  }

  /** The socket's own address; an empty object before it is connected. */
  address(): Address | Record<string, never> {
    return this.#handle?.own() ?? {};
  }

  /** Bytes received. */
  get bytesRead(): number {
    return this.#handle?.bytesRead ?? this.#bytesRead;
  }

  /** Bytes sent or waiting to be. */
  get bytesWritten(): number {
    if (!(#handle in this)) {
      // Whoever looks at the prototype, as inspection does, finds nothing.
      return undefined as never;
    }
    const waiting = (this as unknown as { writableBuffer?: { chunk: Buffer }[] }).writableBuffer ?? [];
    const sum = (this.#handle?.bytesWritten ?? this.#bytesWritten) + (this.#pending?.byteLength ?? 0);
    return waiting.reduce((bytes, { chunk }) => bytes + chunk.length, sum);
  }

  /** Bytes that wait to be sent. */
  get bufferSize(): number | undefined {
    return this.#handle === null && !this.connecting ? undefined : this.writableLength;
  }

  /** An old name of {@link connecting}. */
  get _connecting(): boolean {
    return this.connecting;
  }

  /** The native side in the shape of Node's; null when there is none. */
  get _handle(): HandleView | null {
    if (this.#handle === null && !this.connecting) {
      return null;
    }
    this.#view ??= new HandleView(() => this.#handle);
    return this.#view;
  }

  /** Gives the native side up. */
  set _handle(value: null) {
    this.#handle = value;
  }

  /** Sets options: by what `_handle` shows, if a program has looked at that, for it may have put functions of its own there. */
  get #options(): HandleView {
    return this.#view ?? new HandleView(() => this.#handle);
  }

  /** Whether it is not connected yet. */
  get pending(): boolean {
    return this.#handle === null || this.connecting;
  }

  /** `opening`, `open`, `readOnly`, `writeOnly` or `closed`. */
  get readyState(): "opening" | "open" | "readOnly" | "writeOnly" | "closed" {
    if (this.connecting) {
      return "opening";
    }
    if (this.readable) {
      return this.writable ? "open" : "readOnly";
    }
    return this.writable ? "writeOnly" : "closed";
  }

  #peerName(): Address | undefined {
    if (this.#handle === null || this.connecting) {
      return this.#peer;
    }
    this.#peer ??= this.#handle.peer();
    return this.#peer;
  }

  /** The peer's address. */
  get remoteAddress(): string | undefined {
    return this.#peerName()?.address;
  }

  /** `IPv4` or `IPv6`. */
  get remoteFamily(): string | undefined {
    return this.#peerName()?.family;
  }

  /** The peer's port. */
  get remotePort(): number | undefined {
    return this.#peerName()?.port;
  }

  /** The socket's own address. */
  get localAddress(): string | undefined {
    return this.#handle?.own()?.address;
  }

  /** `IPv4` or `IPv6`. */
  get localFamily(): string | undefined {
    return this.#handle?.own()?.family;
  }

  /** The socket's own port. */
  get localPort(): number | undefined {
    return this.#handle?.own()?.port;
  }
}
