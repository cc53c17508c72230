/** `DatagramSocket`: UDP, in the shape of `node:dgram`'s `Socket`. */
import { EventEmitter } from "node:events";
import { type Abortee, unwatch, watch } from "./abort.js";
import { callable } from "./callable.js";
import {
  bindFlags,
  type DatagramOption,
  onceListening,
  setDatagramOption,
  unboundError,
} from "./net-dgram-options.js";
import {
  alreadyBound,
  badSocketType,
  callError,
  dgramConnected,
  dgramNotConnected,
  dgramNotRunning,
  missingArguments,
  peerError,
  validPort,
} from "./net-errors.js";
import { untilClosed } from "./net-events.js";
import { type Address, Handle } from "./net-link.js";
import { type Lookup, lookup as ownLookup } from "./net-lookup.js";
import { bytesOfMessage, gather, type Message } from "./net-message.js";
import { type Callback, validNumber, validString } from "./net-options.js";
import type {
  BindOptions,
  DatagramEvents,
  DatagramOptions,
  DatagramType,
  RemoteInfo,
  SendCallback,
} from "./net-types.js";
import {
  ADDRESS_IPV4,
  ADDRESS_IPV6,
  OPTION_BROADCAST,
  OPTION_JOIN,
  OPTION_JOIN_SOURCE,
  OPTION_LEAVE,
  OPTION_LEAVE_SOURCE,
  OPTION_MULTICAST_INTERFACE,
  OPTION_MULTICAST_LOOP,
  OPTION_MULTICAST_TTL,
  OPTION_RECEIVE_BUFFER,
  OPTION_SEND_BUFFER,
  OPTION_TTL,
} from "./ops.js";
import { errnoOf } from "./os-errors.js";
import { validFunction, validSignal, validUint32 } from "./validate.js";

const UNBOUND = 0;
const BINDING = 1;
const BOUND = 2;

/**
 * Sends and receives datagrams: `dgram.Socket` of Node, over the runtime's driver. Events are Node's: `listening`, `message`, `connect`,
 * `error`, `close`. It can also be iterated: `for await (const [message, info] of socket)`.
 *
 * @example
 * ```ts
 * import { createSocket } from "maniac/net";
 *
 * const socket = createSocket("udp4").bind(0, "127.0.0.1", () => {
 *   socket.send("hello", socket.address().port, "127.0.0.1");
 * });
 * socket.on("message", (message, info) => {
 *   console.log(String(message), info.size); // hello 5
 *   socket.close();
 * });
 * ```
 */
@callable
export class DatagramSocket extends EventEmitter<DatagramEvents> {
  /** The family. */
  readonly type: DatagramType;

  readonly #options: Partial<DatagramOptions>;
  readonly #lookup: Lookup;
  #handle: Handle | null = null;
  #state = UNBOUND;
  #connection = UNBOUND;
  #closed = false;
  #unreferenced = false;
  /** What waits for the socket to be bound. */
  #queue: Callback[] | undefined;

  /**
   * @param options - Node's, or the family.
   * @param listener - for `message`.
   */
  constructor(
    options: DatagramType | DatagramOptions,
    listener?: (message: Buffer, info: RemoteInfo) => void,
  ) {
    super();
    this.#options = typeof options === "object" && options !== null ? options : {};
    this.type = typeof options === "object" && options !== null ? options.type : options;
    const { lookup, recvBufferSize, sendBufferSize, signal } = this.#options;
    if (recvBufferSize) {
      validUint32(recvBufferSize, "options.recvBufferSize");
    }
    if (sendBufferSize) {
      validUint32(sendBufferSize, "options.sendBufferSize");
    }
    if (this.type !== "udp4" && this.type !== "udp6") {
      throw badSocketType();
    }
    if (lookup !== undefined) {
      validFunction(lookup, "lookup");
    }
    this.#lookup = lookup ?? ownLookup;
    if (typeof listener === "function") {
      this.on("message", listener);
    }
    const given = validSignal(signal, "options.signal");
    if (given !== undefined) {
      this.#closeOnAbort(given);
    }
  }

  #closeOnAbort(signal: AbortSignal): void {
    const close = (): void => {
      if (!this.#closed) {
        this.close();
      }
    };
    if (signal.aborted) {
      close();
      return;
    }
    const abortee: Abortee = { onAbort: close };
    watch(signal, abortee);
    this.once("close", () => unwatch(signal, abortee));
  }

  #check(): void {
    if (this.#closed) {
      throw dgramNotRunning();
    }
  }

  get #kind(): number {
    return this.type === "udp4" ? ADDRESS_IPV4 : ADDRESS_IPV6;
  }

  #find(address: string | undefined, callback: (error: Error | null, ip: string) => void): void {
    const v4 = this.type === "udp4";
    this.#lookup(address || (v4 ? "127.0.0.1" : "::1"), { family: v4 ? 4 : 6 }, (error, ip) =>
      callback(error, ip as string),
    );
  }

  /**
   * Binds: `([port[, address]])` or `(options)`, each with a listener for `listening` at the end. What sends unbound is bound to a
   * free port by itself.
   */
  bind(port?: number, address?: string, callback?: Callback): this;
  bind(port?: number, callback?: Callback): this;
  bind(options: BindOptions, callback?: Callback): this;
  bind(callback?: Callback): this;
  bind(...args: unknown[]): this {
    this.#check();
    if (this.#state !== UNBOUND) {
      throw alreadyBound();
    }
    const [first, second] = args;
    const options: BindOptions =
      typeof first === "object" && first !== null
        ? (first as BindOptions)
        : {
            ...(typeof first === "function" ? {} : { port: first as number }),
            ...(typeof second === "function" ? {} : { address: second as string }),
          };
    const last = args[args.length - 1];
    if (typeof last === "function") {
      onceListening(this as unknown as EventEmitter, last as Callback);
    }
    this.#state = BINDING;
    const port = options.port || 0;
    this.#find(options.address || (this.type === "udp4" ? "0.0.0.0" : "::"), (error, ip) => {
      if (this.#closed) {
        return;
      }
      const result = error ? 0 : this.#bindNow(ip, port);
      if (error || result !== 0) {
        this.#state = UNBOUND;
        this.emit("error", error ?? peerError(result, "bind", ip, port));
        return;
      }
      this.#listening();
    });
    return this;
  }

  /** Gives 0 or an error's number. */
  #bindNow(ip: string, port: number): number {
    const handle = new Handle(
      {
        onMessage: (result, bytes, from) => this.#received(result, bytes, from),
        onBroken: (error) => {
          this.emit("error", error);
          this.close();
        },
      },
      "MANIACDATAGRAMS",
    );
    const result = handle.bind(this.#kind, ip, port, bindFlags(this.#options));
    if (result !== 0) {
      handle.close();
      return result;
    }
    this.#handle = handle;
    if (this.#unreferenced) {
      handle.ref(false);
    }
    return 0;
  }

  #listening(): void {
    this.#handle?.readStart();
    this.#state = BOUND;
    const { recvBufferSize, sendBufferSize } = this.#options;
    if (recvBufferSize) {
      this.setRecvBufferSize(recvBufferSize);
    }
    if (sendBufferSize) {
      this.setSendBufferSize(sendBufferSize);
    }
    this.emit("listening");
  }

  #received(result: number, bytes: Buffer | undefined, from: Address | undefined): void {
    if (result < 0) {
      this.emit("error", callError(result, "recvmsg"));
    } else if (from !== undefined) {
      const message = bytes ?? Buffer.alloc(0);
      this.emit("message", message, { ...from, size: message.byteLength });
    }
  }

  /** Does `act` once the socket is bound, which it is made to be. */
  #bound(act: Callback): void {
    if (this.#state === UNBOUND) {
      this.bind({ port: 0 });
    }
    if (this.#state === BOUND) {
      act();
      return;
    }
    if (this.#queue === undefined) {
      this.#queue = [];
      const events = this as unknown as EventEmitter;
      const failed = (): void => {
        this.removeListener("listening", flush);
        this.#queue = undefined;
      };
      const flush = (): void => {
        events.removeListener(EventEmitter.errorMonitor, failed);
        const queue = this.#queue ?? [];
        this.#queue = undefined;
        for (const one of queue) {
          one();
        }
      };
      events.once(EventEmitter.errorMonitor, failed);
      this.once("listening", flush);
    }
    this.#queue.push(act);
  }

  /** Connects to one peer: only its datagrams are received, and {@link send} needs no address. */
  connect(port: number, address?: string, callback?: Callback): void;
  connect(port: number, callback?: Callback): void;
  connect(port: number, address?: string | Callback, callback?: Callback): void {
    const number = validPort(port, "Port", false);
    const listener = typeof address === "function" ? address : callback;
    const host = validString(typeof address === "function" ? "" : (address ?? ""), "address");
    if (this.#connection !== UNBOUND) {
      throw dgramConnected();
    }
    this.#check();
    this.#connection = BINDING;
    this.#bound(() => {
      if (listener !== undefined) {
        this.once("connect", listener);
      }
      this.#find(host, (error, ip) => this.#attach(error, ip, host, number, listener));
    });
  }

  #attach(error: Error | null, ip: string, host: string, port: number, listener: Callback | undefined): void {
    const handle = this.#handle;
    if (handle === null) {
      return;
    }
    const result = error ? 0 : handle.attach(this.#kind, ip, port);
    if (error || result !== 0) {
      const failure = error ?? peerError(result, "connect", host, port);
      this.#connection = UNBOUND;
      process.nextTick(() => {
        if (listener === undefined) {
          this.emit("error", failure);
        } else {
          this.removeListener("connect", listener);
          (listener as (error: Error) => void)(failure);
        }
      });
      return;
    }
    this.#connection = BOUND;
    process.nextTick(() => this.emit("connect"));
  }

  /** Undoes {@link connect}. */
  disconnect(): void {
    if (this.#connection !== BOUND) {
      throw dgramNotConnected();
    }
    const result = this.#handle?.attach(0, "", 0) ?? 0;
    if (result !== 0) {
      throw callError(result, "connect");
    }
    this.#connection = UNBOUND;
  }

  /**
   * Sends a datagram: `(message[, offset, length], port[, address][, callback])`; once connected without port and address.
   *
   * @param message - text, bytes, or a list of both that become one datagram.
   */
  send(message: Message, port?: number, address?: string, callback?: SendCallback): void;
  send(message: Message, port?: number, callback?: SendCallback): void;
  send(message: Message, callback?: SendCallback): void;
  send(
    message: string | NodeJS.ArrayBufferView,
    offset: number,
    length: number,
    port?: number,
    address?: string,
    callback?: SendCallback,
  ): void;
  send(
    message: string | NodeJS.ArrayBufferView,
    offset: number,
    length: number,
    callback?: SendCallback,
  ): void;
  send(...args: unknown[]): void {
    const connected = this.#connection === BOUND;
    const { message, port, address, callback } = gather(args, connected);
    const bytes = bytesOfMessage(message);
    const to = connected ? 0 : validPort(port, "Port", false);
    if (address != null) {
      validString(address, "address");
    }
    const host = address as string | undefined;
    const done = typeof callback === "function" ? (callback as SendCallback) : undefined;
    this.#check();
    this.#bound(() => {
      if (connected) {
        this.#send(bytes, 0, "", to, host, done);
        return;
      }
      this.#find(host, (error, ip) => {
        if (error) {
          process.nextTick(() => (done === undefined ? this.emit("error", error) : done(error, 0)));
        } else {
          this.#send(bytes, this.#kind, ip, to, host, done);
        }
      });
    });
  }

  /** An old form of {@link send}, with all arguments. */
  sendto(
    message: string | NodeJS.ArrayBufferView,
    offset: number,
    length: number,
    port: number,
    address: string,
    callback?: SendCallback,
  ): void {
    validNumber(offset, "offset");
    validNumber(length, "length");
    validNumber(port, "port");
    validString(address, "address");
    this.send(message, offset, length, port, address, callback);
  }

  #send(
    bytes: Buffer,
    kind: number,
    ip: string,
    port: number,
    host: string | undefined,
    done: SendCallback | undefined,
  ): void {
    this.#handle?.send(bytes, kind, ip, port, (result) => {
      if (done === undefined) {
        return;
      }
      if (result < 0) {
        done(peerError(result, "send", host ?? "", port), 0);
      } else {
        done(null, result);
      }
    });
  }

  /** Closes; what was sent before still goes out. */
  close(callback?: Callback): this {
    if (typeof callback === "function") {
      this.on("close", callback);
    }
    if (this.#queue !== undefined) {
      this.#queue.push(() => this.close());
      return this;
    }
    this.#check();
    this.#closed = true;
    const handle = this.#handle;
    this.#handle = null;
    if (handle === null) {
      process.nextTick(() => this.emit("close"));
    } else {
      handle.close(() => this.emit("close"));
    }
    return this;
  }

  /** Closes the socket, unless it is closed, and waits for `close`. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#closed) {
      await new Promise<void>((done) => this.close(() => done()));
    }
  }

  /** Datagrams and their senders, as they come, until the socket is closed. */
  async *[Symbol.asyncIterator](): AsyncGenerator<[Buffer, RemoteInfo], void, undefined> {
    for await (const pair of untilClosed(this as unknown as EventEmitter, "message")) {
      yield pair as [Buffer, RemoteInfo];
    }
  }

  /** The socket's own address. Throws before it is bound. */
  address(): Address {
    this.#check();
    const own = this.#handle?.own();
    if (own === undefined) {
      throw unboundError("getsockname");
    }
    return own;
  }

  /** The connected peer's address. */
  remoteAddress(): Address {
    this.#check();
    const peer = this.#connection === BOUND ? this.#handle?.peer() : undefined;
    if (peer === undefined) {
      throw dgramNotConnected();
    }
    return peer;
  }

  #set(option: DatagramOption): number {
    this.#check();
    return setDatagramOption(this.#handle, option);
  }

  /** Binds at once to a free port, as memberships want. */
  #bindForGroup(): void {
    this.#check();
    if (this.#state === UNBOUND) {
      const result = this.#bindNow(this.type === "udp4" ? "0.0.0.0" : "::", 0);
      if (result === 0) {
        this.#state = BOUND;
        this.#handle?.readStart();
      }
    }
  }

  /** Whether datagrams may go to broadcast addresses. */
  setBroadcast(flag: boolean): void {
    this.#set({ which: OPTION_BROADCAST, value: flag ? 1 : 0, call: "setBroadcast" });
  }

  /** How many hops datagrams may take, 1 to 255. */
  setTTL(ttl: number): number {
    this.#set({ which: OPTION_TTL, value: validNumber(ttl, "ttl"), call: "setTTL" });
    return ttl;
  }

  /** How many hops datagrams to groups may take, 0 to 255. */
  setMulticastTTL(ttl: number): number {
    this.#set({ which: OPTION_MULTICAST_TTL, value: validNumber(ttl, "ttl"), call: "setMulticastTTL" });
    return ttl;
  }

  /** Whether datagrams to groups come back to this machine. */
  setMulticastLoopback(flag: boolean): boolean {
    this.#set({ which: OPTION_MULTICAST_LOOP, value: flag ? 1 : 0, call: "setMulticastLoopback" });
    return flag;
  }

  /** The interface that datagrams to groups leave by. */
  setMulticastInterface(multicastInterface: string): void {
    const text = validString(multicastInterface, "interfaceAddress");
    if (text === "" && this.type === "udp6") {
      throw callError(errnoOf("EINVAL"), "setMulticastInterface");
    }
    this.#set({ which: OPTION_MULTICAST_INTERFACE, value: 0, call: "setMulticastInterface", text });
  }

  /** Joins a group. */
  addMembership(multicastAddress: string, multicastInterface = ""): void {
    this.#membership(OPTION_JOIN, "addMembership", multicastAddress, multicastInterface);
  }

  /** Leaves a group. */
  dropMembership(multicastAddress: string, multicastInterface = ""): void {
    this.#membership(OPTION_LEAVE, "dropMembership", multicastAddress, multicastInterface);
  }

  #membership(which: number, call: string, group: string, own: string): void {
    this.#check();
    if (!group) {
      throw missingArguments("multicastAddress");
    }
    this.#bindForGroup();
    this.#set({ which, value: 0, call, text: validString(group, "multicastAddress"), text2: own });
  }

  /** Joins a group for the datagrams of one source. */
  addSourceSpecificMembership(sourceAddress: string, groupAddress: string, multicastInterface = ""): void {
    const addresses = [sourceAddress, groupAddress] as const;
    this.#ofSource(OPTION_JOIN_SOURCE, "addSourceSpecificMembership", addresses, multicastInterface);
  }

  /** Leaves a group for the datagrams of one source. */
  dropSourceSpecificMembership(sourceAddress: string, groupAddress: string, multicastInterface = ""): void {
    const addresses = [sourceAddress, groupAddress] as const;
    this.#ofSource(OPTION_LEAVE_SOURCE, "dropSourceSpecificMembership", addresses, multicastInterface);
  }

  #ofSource(which: number, call: string, [source, group]: readonly [string, string], own: string): void {
    this.#bindForGroup();
    const text = `${validString(source, "sourceAddress")} ${validString(group, "groupAddress")}`;
    this.#set({ which, value: 0, call, text, text2: own });
  }

  /** Sets the bytes of the kernel's receive buffer. */
  setRecvBufferSize(size: number): void {
    const value = validUint32(size, "size");
    this.#set({ which: OPTION_RECEIVE_BUFFER, value, call: "uv_recv_buffer_size" });
  }

  /** Sets the bytes of the kernel's send buffer. */
  setSendBufferSize(size: number): void {
    const value = validUint32(size, "size");
    this.#set({ which: OPTION_SEND_BUFFER, value, call: "uv_send_buffer_size" });
  }

  /** Bytes of the kernel's receive buffer. */
  getRecvBufferSize(): number {
    return this.#set({ which: OPTION_RECEIVE_BUFFER, value: 0, call: "uv_recv_buffer_size" });
  }

  /** Bytes of the kernel's send buffer. */
  getSendBufferSize(): number {
    return this.#set({ which: OPTION_SEND_BUFFER, value: 0, call: "uv_send_buffer_size" });
  }

  /** Bytes that the kernel has not taken yet. */
  getSendQueueSize(): number {
    return this.#handle?.queued ?? 0;
  }

  /** Datagrams that the kernel has not taken yet. */
  getSendQueueCount(): number {
    return this.#handle?.queuedCount ?? 0;
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
}
