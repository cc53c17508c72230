/**
 * One environment's sockets between the crossing and the classes that programs see: numbers, what is asked, what is told.
 *
 * Nothing here runs while the engine settles records, but for copying bytes: events are handed to their owners
 * from a tick of their own, each in the async context of its socket, and what a listener throws keeps no other from its event.
 */
import { AsyncResource } from "node:async_hooks";
import { constants } from "node:os";
import type { Completion } from "./completion.js";
import {
  accepted,
  connected,
  connecting as connectingTo,
  type NetMessage,
  tracedCall,
} from "./diagnostics.js";
import { type Engine, engine, type SocketEvents } from "./engine.js";
import { type Address, addressOf, portOf } from "./net-address.js";
import { type Crossing, Writes } from "./net-writes.js";
import { invalidState } from "./node-errors.js";
import {
  NET_ACCEPTED_EVENT,
  NET_CLOSED_EVENT,
  NET_CONNECTED_EVENT,
  NET_MESSAGE_EVENT,
  NET_READ_EVENT,
  NET_REPLY_EVENT,
  NET_SHUT_EVENT,
  NET_WRITTEN_EVENT,
  OP_NET_ADOPT,
  OP_NET_ATTACH,
  OP_NET_BIND,
  OP_NET_CLOSE,
  OP_NET_CONNECT,
  OP_NET_LISTEN,
  OP_NET_OPTION,
  OP_NET_READ,
  OP_NET_REF,
  OP_NET_SHUTDOWN,
  OP_NET_WRITE,
} from "./ops.js";
import { plain, Request } from "./request.js";

export type { Address };

/** A socket's pieces, datagrams or connections that are kept while a call blocks the thread. */
const MOST_KEPT = 64;

/** Told what happens to a handle; each in a tick of its own. */
export interface HandleOwner {
  /** Bytes; or none: the end if `result` is 0, an error if it is negative. */
  onRead?(result: number, bytes: Buffer | undefined): void;
  /** The connection was made, or failed at `step`. */
  onConnected?(result: number, step: number): void;
  /** A connection was accepted. */
  onAccepted?(result: number, names: string): void;
  /** A datagram came. */
  onMessage?(result: number, bytes: Buffer | undefined, from: Address | undefined): void;
  /** Received bytes go past the stream, to a buffer of the program's. */
  readonly raw?: boolean;
  /** Nothing will happen any more. */
  onBroken?(error: Error): void;
}

/** One event on its way to its owner. */
interface Told {
  readonly handle: Handle;
  readonly kind: number;
  readonly result: number;
  readonly step: number;
  readonly bytes: Buffer | undefined;
  readonly text: string;
}

const BROKEN = -1;

const connecting = plain(OP_NET_CONNECT, "connect");
const adopting = plain(OP_NET_ADOPT, "open");
const listening = plain(OP_NET_LISTEN, "listen");
const binding = plain(OP_NET_BIND, "bind");
const reading = plain(OP_NET_READ, "read");
const writing = plain(OP_NET_WRITE, "write");
const shutting = plain(OP_NET_SHUTDOWN, "shutdown");
const closing = plain(OP_NET_CLOSE, "close");
const referring = plain(OP_NET_REF, "ref");
const setting = plain(OP_NET_OPTION, "setsockopt");
const attaching = plain(OP_NET_ATTACH, "connect");

/** The environment's sockets by number. */
class Link implements SocketEvents {
  readonly engine: Engine;
  readonly #handles: (Handle | undefined)[] = [];
  readonly #free: number[] = [];
  #told: Told[] = [];
  #scheduled = false;
  readonly #deliverSoon = (): void => this.#deliver();

  constructor(of: Engine) {
    this.engine = of;
    of.sockets = this;
  }

  /** Takes a number for `handle`. */
  add(handle: Handle): number {
    const number = this.#free.pop() ?? this.#handles.length;
    this.#handles[number] = handle;
    return number;
  }

  event(number: number, completion: Completion): void {
    const handle = this.#handles[number];
    if (handle === undefined) {
      return;
    }
    const { kind, result, step } = completion;
    let bytes: Buffer | undefined;
    let text = "";
    switch (kind) {
      case NET_REPLY_EVENT:
        handle.replied(result, completion.length === 0 ? "" : completion.text("utf8"));
        return;
      case NET_READ_EVENT:
        if (result > 0) {
          bytes = completion.buffer();
          this.#keep(handle);
        }
        break;
      case NET_MESSAGE_EVENT:
        if (completion.length !== 0) {
          const all = completion.buffer();
          bytes = all.subarray(0, result);
          text = all.toString("latin1", result);
        }
        this.#keep(handle);
        break;
      case NET_CLOSED_EVENT:
        this.#handles[number] = undefined;
        this.#free.push(number);
        break;
      default:
        if (kind === NET_ACCEPTED_EVENT) {
          this.#keep(handle);
        }
        text = completion.length === 0 ? "" : completion.text("utf8");
    }
    this.#tell({ handle, kind, result, step, bytes, text });
  }

  broken(error: Error): void {
    for (const handle of this.#handles) {
      if (handle !== undefined) {
        handle.failure = error;
        this.#tell({ handle, kind: BROKEN, result: 0, step: 0, bytes: undefined, text: "" });
      }
    }
    this.#handles.length = 0;
    this.#free.length = 0;
  }

  #keep(handle: Handle): void {
    if (this.engine.standing) {
      handle.kept();
    }
  }

  #tell(event: Told): void {
    this.#told.push(event);
    if (!this.#scheduled) {
      this.#scheduled = true;
      process.nextTick(this.#deliverSoon);
    }
  }

  /** See {@link deliverNow}. */
  tellNow(handle: Handle, kind: number): void {
    const is = (event: Told): boolean => event.handle === handle && event.kind === kind;
    for (let at = this.#told.findIndex(is); at !== -1; at = this.#told.findIndex(is)) {
      const [{ result, step, bytes, text }] = this.#told.splice(at, 1) as [Told];
      handle.told(kind, result, step, bytes, text);
    }
  }

  /** Hands events to their owners. What one throws is the program's uncaught exception; the rest have their turn after it. */
  #deliver(): void {
    const told = this.#told;
    this.#told = [];
    this.#scheduled = false;
    let next = 0;
    try {
      while (next < told.length) {
        const { handle, kind, result, step, bytes, text } = told[next++] as Told;
        handle.told(kind, result, step, bytes, text);
      }
    } finally {
      if (next < told.length) {
        this.#told = told.slice(next).concat(this.#told);
        if (!this.#scheduled) {
          this.#scheduled = true;
          process.nextTick(this.#deliverSoon);
        }
      }
    }
  }
}

let current: Link | undefined;
const link = (): Link => {
  current ??= new Link(engine());
  return current;
};

/** Hands a handle's events of one kind on at once, for a call that blocks; all others keep their turn. */
export function deliverNow(handle: Handle, kind: number): void {
  link().tellNow(handle, kind);
}

/** One socket of the native side, as long as it is open. */
export class Handle implements Crossing {
  /** Who is told. */
  owner: HandleOwner | null;
  /** Bytes received. */
  bytesRead = 0;
  /** Bytes given to the native side. */
  bytesWritten = 0;
  /** Whether bytes are received. */
  reading = false;
  /** The peer has ended. */
  ended = false;
  /** Why nothing crosses any more. */
  failure: Error | undefined;

  readonly #link: Link;
  readonly #number: number;
  readonly #resource: AsyncResource;
  readonly #writes = new Writes(this);
  /** Peer and own address, as the native side wrote them. */
  #names: string;
  #reply = 0;
  /** See {@link kept}. */
  #kept = 0;
  #shut: ((result: number) => void) | undefined;
  /** What subscribers were told of the connection that is being made. */
  #traced: NetMessage | undefined;
  #closed: (() => void) | undefined;
  #closing = false;

  constructor(owner: HandleOwner | null, type: string, names = "") {
    this.owner = owner;
    this.#names = names;
    this.#link = link();
    this.#number = this.#link.add(this);
    this.#resource = new AsyncResource(type, { requireManualDestroy: true });
  }

  /** A handle of a descriptor: one that was accepted, or one of the program's, which gives it up. */
  static adopt(owner: HandleOwner | null, fd: number, names = ""): Handle {
    const handle = new Handle(owner, "MANIACSOCKET", names);
    const request = handle.#request(adopting);
    request.arg0 = fd;
    handle.#link.engine.command(request);
    return handle;
  }

  #request(operation: typeof connecting): Request {
    const request = new Request(operation);
    request.fd = this.#number;
    request.position = 0;
    return request;
  }

  #ask(operation: typeof connecting, arg0: number): void {
    const request = this.#request(operation);
    request.arg0 = arg0;
    this.#link.engine.command(request);
  }

  /** Has `request` done at once; gives its result. */
  #askNow(request: Request): number {
    this.#reply = 0;
    this.#link.engine.commandNow(request);
    if (this.failure !== undefined) {
      throw this.failure;
    }
    return this.#reply;
  }

  /** Begins to connect. */
  connect(kind: number, address: string, port: number, ownAddress = "", ownPort = 0): void {
    const request = this.#request(connecting);
    request.arg0 = port;
    request.arg1 = kind;
    request.path = address;
    request.path2 = ownAddress === "" ? null : ownAddress;
    request.extra = ownPort;
    this.#traced = connectingTo(address, portOf(kind, port), () => this.#link.engine.command(request));
  }

  /** Listens at an address; or, with kind 0, on the descriptor `port`. Gives 0 or an error's number. */
  listen(kind: number, address: string, port: number, backlog: number, flags: number): number {
    const request = this.#request(listening);
    request.arg0 = port;
    request.arg1 = kind;
    request.path = kind === 0 ? null : address;
    request.position = flags;
    request.extra = backlog;
    const result = tracedCall("listen", address, portOf(kind, port), () => this.#askNow(request));
    // A listener begins by itself.
    this.reading = result >= 0;
    return result;
  }

  /** Becomes a datagram socket at an address. Gives 0 or an error's number. */
  bind(kind: number, address: string, port: number, flags: number): number {
    const request = this.#request(binding);
    request.arg0 = port;
    request.arg1 = kind;
    request.path = address;
    request.position = flags;
    return tracedCall("bind", address, portOf(kind, port), () => this.#askNow(request));
  }

  /** Connects a datagram socket; with kind 0 undoes that. Gives 0 or an error's number. */
  attach(kind: number, address: string, port: number): number {
    const request = this.#request(attaching);
    request.arg0 = port;
    request.arg1 = kind;
    request.path = kind === 0 ? null : address;
    return this.#askNow(request);
  }

  /** Begins to receive. */
  readStart(): void {
    if (!this.reading && !this.#closing) {
      this.reading = true;
      if (this.#kept < MOST_KEPT) {
        this.#ask(reading, 1);
      }
    }
  }

  /** Receives no more; what was received already is still told. */
  readStop(): void {
    if (this.reading && !this.#closing) {
      this.reading = false;
      this.#ask(reading, 0);
    }
  }

  /** Something has come that nobody takes now. When there are many, no more is received until they have been taken. */
  kept(): void {
    if (++this.#kept === MOST_KEPT && this.reading && !this.#closing) {
      this.#ask(reading, 0);
    }
  }

  #taken(): void {
    if (this.#kept > 0 && this.#kept-- === MOST_KEPT && this.reading && !this.#closing) {
      this.#ask(reading, 1);
    }
  }

  /** Sends bytes, all of them, unless there is an error. */
  write(bytes: Uint8Array, callback: (result: number) => void): void {
    this.bytesWritten += bytes.byteLength;
    this.#writes.write(bytes, callback);
  }

  /** Called by the writes. */
  cross(bytes: Uint8Array): void {
    const request = this.#request(writing);
    request.carry(bytes);
    this.#link.engine.command(request);
  }

  /** Sends a datagram; `kind` is 0 to send it to the connected peer. */
  send(
    bytes: Uint8Array,
    kind: number,
    address: string,
    port: number,
    callback: (result: number) => void,
  ): void {
    this.#writes.sent(bytes, callback);
    const request = this.#request(writing);
    request.carry(bytes);
    request.arg0 = port;
    request.arg1 = kind;
    request.path = kind === 0 ? null : address;
    this.#link.engine.command(request);
  }

  /** Shuts the writing side, behind all that was written. */
  shutdown(callback: (result: number) => void): void {
    this.#shut = callback;
    this.#writes.whenCrossed(() => this.#ask(shutting, 0));
  }

  /** Whether receiving keeps the process alive. */
  ref(on: boolean): void {
    if (!this.#closing) {
      this.#ask(referring, on ? 1 : 0);
    }
  }

  /** Sets an option, whatever comes of it. */
  option(which: number, value: number, extra = 0): void {
    if (!this.#closing) {
      const request = this.#request(setting);
      request.arg0 = which;
      request.arg1 = value;
      request.extra = extra;
      this.#link.engine.command(request);
    }
  }

  /** Sets or asks for an option at once; gives its value or an error's number. */
  optionNow(which: number, value: number, text = "", text2 = ""): number {
    const request = this.#request(setting);
    request.arg0 = which;
    request.arg1 = value;
    request.path = text === "" ? null : text;
    request.path2 = text2 === "" ? null : text2;
    request.position = 1;
    return this.#askNow(request);
  }

  /** Closes; `reset` has the peer see a reset. Only `callback` is called afterwards. */
  close(callback?: () => void, reset = false): void {
    if (this.#closing) {
      return;
    }
    this.#closing = true;
    this.owner = null;
    this.#closed = callback;
    if (this.failure === undefined) {
      this.#ask(closing, reset ? 1 : 0);
    } else {
      process.nextTick(() => this.told(NET_CLOSED_EVENT, 0, 0, undefined, ""));
    }
  }

  /** Bytes that the kernel has not taken yet. */
  get queued(): number {
    return this.#writes.queued;
  }

  /** Writes that the kernel has not taken yet. */
  get queuedCount(): number {
    return this.#writes.count;
  }

  /** Whether {@link close} was called. */
  get isClosing(): boolean {
    return this.#closing;
  }

  /** Address of the other end. */
  peer(): Address | undefined {
    return addressOf(this.#names, 0);
  }

  /** The socket's own address. */
  own(): Address | undefined {
    return addressOf(this.#names, 2);
  }

  /** Path of the socket's own address. */
  ownPath(): string {
    return this.#names.split("\0")[2] ?? "";
  }

  /** Called by the link, while records are settled. */
  replied(result: number, names: string): void {
    this.#reply = result;
    if (names !== "") {
      this.#names = names;
    }
  }

  /** Called by the link, in a tick. */
  told(kind: number, result: number, step: number, bytes: Buffer | undefined, text: string): void {
    this.#resource.runInAsyncScope(this.#told, this, kind, result, step, bytes, text);
    if (kind === NET_CLOSED_EVENT) {
      this.#resource.emitDestroy();
    }
  }

  #told(kind: number, result: number, step: number, bytes: Buffer | undefined, text: string): void {
    switch (kind) {
      case NET_READ_EVENT:
        if (bytes !== undefined) {
          this.bytesRead += bytes.byteLength;
          this.#taken();
        } else {
          this.reading = false;
          this.ended = result === 0;
        }
        this.owner?.onRead?.(result, bytes);
        break;
      case NET_WRITTEN_EVENT:
        this.#writes.written(result);
        break;
      case NET_CONNECTED_EVENT:
        this.#names = text;
        this.#connected(result, step);
        break;
      case NET_SHUT_EVENT:
        this.#shut?.(result);
        this.#shut = undefined;
        break;
      case NET_ACCEPTED_EVENT:
        this.#taken();
        this.#accepted(result, text);
        break;
      case NET_MESSAGE_EVENT:
        this.#taken();
        if (bytes !== undefined) {
          this.bytesRead += bytes.byteLength;
        }
        this.owner?.onMessage?.(result, bytes, addressOf(text, 0));
        break;
      case NET_CLOSED_EVENT:
        this.#ended();
        break;
      case BROKEN:
        this.owner?.onBroken?.(this.failure as Error);
        break;
    }
  }

  #connected(result: number, step: number): void {
    const message = this.#traced;
    const tell = (): void => this.owner?.onConnected?.(result, step);
    if (message === undefined) {
      tell();
    } else {
      this.#traced = undefined;
      connected(message, result, tell);
    }
  }

  #accepted(result: number, names: string): void {
    const { owner } = this;
    if (owner?.onAccepted !== undefined) {
      const peer = addressOf(names, 0);
      accepted(peer?.address ?? "", peer?.port ?? -1, result, () => owner.onAccepted?.(result, names));
    } else if (result >= 0) {
      // Accepted before the listener was closed, told after it.
      Handle.adopt(null, result).close();
    }
  }

  /** What was under way gets an answer that says it was not done. */
  #ended(): void {
    if (this.#traced !== undefined) {
      this.#connected(CANCELED, 0);
    }
    this.#writes.cancel(CANCELED);
    this.#shut?.(CANCELED);
    this.#shut = undefined;
    this.#closed?.();
  }
}

/** What a stream has gathered, in one piece; the error if the owner of a part has detached it. */
export function joined(chunks: readonly { chunk: Buffer }[]): Buffer | Error {
  try {
    return Buffer.concat(chunks.map(({ chunk }) => chunk));
  } catch {
    return invalidState("A buffer was detached or resized before its bytes were taken");
  }
}

/** ECANCELED: what operations of a closed socket come to. */
export const CANCELED: number = -constants.errno.ECANCELED;
