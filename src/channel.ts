/**
 * `maniac/channel`: channels between Workers, and within one: many senders (mpsc), one sender (spsc), one value (oneshot).
 *
 * A value is cloned as `v8.serialize` does it, and lies in the channel as bytes; so whatever becomes of the Worker that sent
 * it, it arrives. Channels are bounded: who sends into a full one waits. Either end may be awaited, or, in a Worker, block.
 *
 * An end goes to another Worker by a handle, a plain object that `postMessage` and `workerData` carry:
 *
 * ```ts
 * import { Receiver, mpsc } from 'maniac/channel';
 *
 * const { sender, receiver } = mpsc<number>(16);
 * const handle = receiver.handle(); // to be posted to a Worker, which opens it:
 * const there = Receiver.from(handle);
 * await sender.send(1);
 * console.log(await there.recv()); // 1
 * ```
 *
 * **A handle's life.** It is opened once, anywhere in this process. Until then its end is open, and belongs to the environment
 * (main thread or Worker) that called `handle()`: if that ends first, the end is closed. An end that nobody will open, say
 * because its Worker failed to start, is closed by {@link closeHandle}. An open end is closed by `close()`, when its
 * environment ends, and some time after the last reference to it has gone.
 *
 * @module
 */
import { ManiacError } from "./errors.js";
import {
  type ChannelKind,
  CLOSED,
  closedError,
  DONE,
  End,
  encode,
  give,
  type Handle,
  inSlices,
  isValue,
  KINDS,
  own,
  parked,
} from "./internal/channel.js";
import { abortError, invalidType, outOfRange } from "./internal/node-errors.js";
import { signalOf, validObject } from "./internal/validate.js";

export type { ChannelKind } from "./internal/channel.js";

/** What calls that wait take. */
export interface WaitOptions {
  /** Ends the wait with an `AbortError`: nothing was sent or received. */
  signal?: AbortSignal | undefined;
}

/** What calls that block take. */
export interface BlockingOptions {
  /** Milliseconds to wait at most. Default: no limit. */
  timeout?: number | undefined;
}

/** A sender on its way to another Worker: a plain object, for {@link Sender.from}. */
export interface SenderHandle<T = unknown> {
  /** What it is. */
  readonly maniac: "sender";
  /** Of which channel. */
  readonly kind: ChannelKind;
  /** Which one. */
  readonly token: string;
  /** Never there: it carries the type of the values. */
  readonly type?: (value: T) => void;
}

/** A receiver on its way to another Worker: a plain object, for {@link Receiver.from}. */
export interface ReceiverHandle<T = unknown> {
  /** What it is. */
  readonly maniac: "receiver";
  /** Of which channel. */
  readonly kind: ChannelKind;
  /** Which one. */
  readonly token: string;
  /** Never there: it carries the type of the values. */
  readonly type?: () => T;
}

/** Both ends of a new channel. */
export interface Channel<T> {
  /** Where values go in. */
  readonly sender: Sender<T>;
  /** Where they come out. */
  readonly receiver: Receiver<T>;
}

/** What a call that does not wait has received. */
export interface Received<T> {
  /** The value. */
  readonly value: T;
}

/** What only this module may pass to the constructors. */
const KEY: unique symbol = Symbol("channel");

function checkKey(key: unknown, name: string): void {
  if (key !== KEY) throw new TypeError(`A ${name} is made by mpsc, spsc, oneshot, or ${name}.from`);
}

function timeoutOf(options: BlockingOptions): number | undefined {
  const { timeout } = validObject(options, "options") as BlockingOptions;
  if (timeout === undefined) return undefined;
  if (typeof timeout !== "number") throw invalidType("options.timeout", "of type number", timeout);
  if (!(timeout >= 0)) throw outOfRange("options.timeout", ">= 0", timeout);
  return timeout;
}

function waitSignal(options: WaitOptions): AbortSignal | undefined {
  return signalOf(validObject(options, "options"));
}

function timedOut(call: string, timeout: number | undefined): ManiacError {
  return new ManiacError("ERR_MANIAC_TIMEOUT", `${call} waited ${timeout} ms`);
}

class SendingEnd extends End {
  pump(): void {
    const { native } = own();
    while (this.waiters.size > 0 && this.number !== 0) {
      const room = native.ready(this.number);
      if (room === CLOSED) this.fail();
      if (room !== DONE) return;
      const [first] = this.waiters;
      const sent = native.send(this.number, first?.bytes as Uint8Array);
      if (sent === DONE) this.shift().resolve(undefined);
      else if (sent === CLOSED) this.fail();
    }
  }

  idle(): void {
    own().native.release(this.number);
  }
}

class ReceivingEnd extends End {
  pump(): void {
    const channels = own();
    while (this.waiters.size > 0 && this.number !== 0) {
      const answer = channels.native.receive(this.number);
      if (answer === CLOSED) this.fail();
      if (!isValue(answer)) return;
      const waiter = this.shift();
      try {
        waiter.resolve(channels.value(answer));
      } catch (error) {
        waiter.reject(error);
      }
    }
  }

  idle(): void {}
}

/**
 * The sending end of a channel. It is made by {@link mpsc}, {@link spsc}, {@link oneshot} or {@link Sender.from}.
 *
 * @example
 * ```ts
 * import { mpsc } from "maniac/channel";
 *
 * const { sender, receiver } = mpsc<string>(16);
 * await sender.send("first"); // waits while 16 messages lie there
 * if (!sender.trySend("second")) console.log("full");
 * sender.close();
 * for await (const message of receiver) console.log(message);
 * ```
 */
export class Sender<T> {
  readonly #end: SendingEnd;

  /** @internal */
  constructor(key: symbol, number: number, kind: ChannelKind) {
    checkKey(key, "Sender");
    this.#end = new SendingEnd(number, kind, true);
  }

  /**
   * Opens the end that a handle names.
   *
   * @param handle - from {@link Sender.handle}, in this process, not opened before.
   * @returns the sender.
   * @throws `ManiacError` `ERR_MANIAC_CHANNEL_HANDLE` if it is no such handle, was opened, or its environment has ended.
   */
  static from<T>(handle: SenderHandle<T>): Sender<T> {
    return new Sender<T>(KEY, opened(handle, "sender"), handle.kind);
  }

  /** Which channel it belongs to. */
  get kind(): ChannelKind {
    return this.#end.kind;
  }

  /** Whether nothing can be sent any more: the receiver is gone, or this end is closed or moved. */
  get closed(): boolean {
    return this.#end.number === 0 || own().native.isClosed(this.#end.number) !== 0;
  }

  /**
   * Sends a value; waits while the channel is full, in line with other calls at this and other senders.
   *
   * @param value - what to send; it is cloned at once.
   * @param options - `signal` ends the wait.
   * @returns a promise that resolves when the value is in the channel. It rejects with `ERR_MANIAC_CHANNEL_CLOSED` when the
   * receiver is gone, and with what `v8.serialize` throws for a value that cannot be cloned.
   */
  send(value: T, options: WaitOptions = {}): Promise<void> {
    try {
      const signal = waitSignal(options);
      if (signal?.aborted) throw abortError(signal);
      const bytes = encode(value);
      const end = this.#end;
      const number = end.open();
      if (end.waiters.size === 0) {
        const sent = own().native.send(number, bytes);
        if (sent === DONE) return give(this.#sent());
        if (sent === CLOSED) throw closedError("The receiver is gone.");
      }
      const sent = end.wait(signal, bytes) as Promise<void>;
      if (end.waiters.size === 1) end.pump();
      return sent;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Sends a value if there is room for it now.
   *
   * @param value - what to send.
   * @returns false if the channel is full, or others wait at it.
   * @throws `ManiacError` `ERR_MANIAC_CHANNEL_CLOSED`.
   */
  trySend(value: T): boolean {
    const bytes = encode(value);
    const number = this.#end.open();
    if (this.#end.waiters.size > 0) return false;
    const sent = own().native.send(number, bytes);
    if (sent === CLOSED) throw closedError("The receiver is gone.");
    if (sent === DONE) this.#sent();
    return sent === DONE;
  }

  /**
   * Sends a value, and blocks this Worker while the channel is full.
   *
   * @param value - what to send.
   * @param options - `timeout` in milliseconds.
   * @throws `ManiacError` `ERR_MANIAC_SYNC_AWAIT_MAIN_THREAD` on the main thread, `ERR_MANIAC_CHANNEL_CLOSED`,
   * `ERR_MANIAC_TIMEOUT`, `ERR_MANIAC_BUSY` while calls of {@link Sender.send} wait at this end.
   */
  sendBlocking(value: T, options: BlockingOptions = {}): void {
    const timeout = timeoutOf(options);
    const bytes = encode(value);
    const number = this.#end.blocking("sendBlocking");
    const { native } = own();
    let sent = native.send(number, bytes);
    if (sent !== DONE && sent !== CLOSED) {
      sent = inSlices(timeout, (milliseconds) => native.blockReady(number, milliseconds));
      if (sent === DONE) sent = native.send(number, bytes);
    }
    if (sent === CLOSED) throw closedError("The receiver is gone.");
    if (sent !== DONE) {
      native.release(number);
      throw timedOut("sendBlocking", timeout);
    }
    this.#sent();
  }

  /**
   * Makes a handle for another Worker. Of an mpsc channel it is a further sender and this one stays open; otherwise this one
   * moves, and is closed here.
   *
   * @returns a plain object for {@link Sender.from}, to be opened once; the module's page says how long it lives.
   * @throws `ManiacError` `ERR_MANIAC_CHANNEL_CLOSED`; `ERR_MANIAC_BUSY` if it would move while calls wait at it.
   */
  handle(): SenderHandle<T> {
    const end = this.#end;
    const number = end.kind === "mpsc" ? own().native.another(end.open()) : end.unshared("handle");
    return end.park(number) as SenderHandle<T>;
  }

  /** Closes this end: calls that wait are rejected. What was sent is received. When the last sender closes, the channel ends. */
  close(): void {
    this.#end.close();
  }

  /**
   * Lets the process exit while calls wait at this end.
   *
   * @returns this sender.
   */
  unref(): this {
    this.#end.setRef(false);
    return this;
  }

  /**
   * Undoes {@link Sender.unref}.
   *
   * @returns this sender.
   */
  ref(): this {
    this.#end.setRef(true);
    return this;
  }

  /**
   * Waits until what waits at this end is sent, or cannot be, and closes it.
   *
   * @returns a promise that resolves then.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end.settled();
    this.close();
  }

  #sent(): void {
    if (this.#end.kind === "oneshot") this.#end.close();
  }
}

/**
 * The receiving end of a channel. It is made by {@link mpsc}, {@link spsc}, {@link oneshot} or {@link Receiver.from}.
 *
 * @example
 * ```ts
 * import { mpsc } from "maniac/channel";
 *
 * const { sender, receiver } = mpsc<number>(16);
 * await sender.send(1);
 * console.log(await receiver.recv()); // 1
 * sender.close();
 * for await (const more of receiver) console.log(more); // ends: no sender is left, and nothing lies there
 * ```
 */
export class Receiver<T> {
  readonly #end: ReceivingEnd;

  /** @internal */
  constructor(key: symbol, number: number, kind: ChannelKind) {
    checkKey(key, "Receiver");
    this.#end = new ReceivingEnd(number, kind, false);
  }

  /**
   * Opens the end that a handle names.
   *
   * @param handle - from {@link Receiver.handle}, in this process, not opened before.
   * @returns the receiver.
   * @throws `ManiacError` `ERR_MANIAC_CHANNEL_HANDLE` if it is no such handle, was opened, or its environment has ended.
   */
  static from<T>(handle: ReceiverHandle<T>): Receiver<T> {
    return new Receiver<T>(KEY, opened(handle, "receiver"), handle.kind);
  }

  /** Which channel it belongs to. */
  get kind(): ChannelKind {
    return this.#end.kind;
  }

  /**
   * Receives the next value, in line with other calls at this end.
   *
   * @param options - `signal` ends the wait.
   * @returns a promise of the value. At the channel's end (no sender is left and all was received) it rejects with
   * `ERR_MANIAC_CHANNEL_CLOSED`.
   */
  recv(options: WaitOptions = {}): Promise<T> {
    try {
      const signal = waitSignal(options);
      if (signal?.aborted) throw abortError(signal);
      const number = this.#end.open();
      if (this.#end.waiters.size === 0) {
        const answer = own().native.receive(number);
        if (isValue(answer)) return give(own().value(answer) as T);
        if (answer === CLOSED) throw closedError("The channel has come to its end.");
      }
      return this.#end.wait(signal) as Promise<T>;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Receives a value if one is there now.
   *
   * @returns the value in an object; `undefined` if there is none, or other calls wait for it.
   * @throws `ManiacError` `ERR_MANIAC_CHANNEL_CLOSED` at the channel's end.
   */
  tryRecv(): Received<T> | undefined {
    const number = this.#end.open();
    if (this.#end.waiters.size > 0) return undefined;
    return this.#received(own().native.receive(number));
  }

  /**
   * Receives the next value, and blocks this Worker until it is there.
   *
   * @param options - `timeout` in milliseconds.
   * @returns the value.
   * @throws `ManiacError` `ERR_MANIAC_SYNC_AWAIT_MAIN_THREAD` on the main thread, `ERR_MANIAC_CHANNEL_CLOSED` at the
   * channel's end, `ERR_MANIAC_TIMEOUT`, `ERR_MANIAC_BUSY` while calls of {@link Receiver.recv} wait at this end.
   */
  recvBlocking(options: BlockingOptions = {}): T {
    const timeout = timeoutOf(options);
    const number = this.#end.blocking("recvBlocking");
    const { native } = own();
    const answer = inSlices(timeout, (milliseconds) => native.blockReceive(number, milliseconds));
    const received = this.#received(answer);
    if (received === undefined) throw timedOut("recvBlocking", timeout);
    return received.value;
  }

  /**
   * Makes a handle for another Worker; this end moves, and is closed here.
   *
   * @returns a plain object for {@link Receiver.from}, to be opened once; the module's page says how long it lives.
   * @throws `ManiacError` `ERR_MANIAC_CHANNEL_CLOSED`; `ERR_MANIAC_BUSY` while calls wait at this end.
   */
  handle(): ReceiverHandle<T> {
    return this.#end.park(this.#end.unshared("handle")) as ReceiverHandle<T>;
  }

  /** Closes this end: what is in the channel is dropped, nothing more can be sent, calls that wait are rejected. */
  close(): void {
    this.#end.close();
  }

  /**
   * Lets the process exit while calls wait at this end.
   *
   * @returns this receiver.
   */
  unref(): this {
    this.#end.setRef(false);
    return this;
  }

  /**
   * Undoes {@link Receiver.unref}.
   *
   * @returns this receiver.
   */
  ref(): this {
    this.#end.setRef(true);
    return this;
  }

  /**
   * Gives values to the channel's end. Leaving the loop leaves the receiver open.
   *
   * @returns an iterator, of which there may be several: each value goes to one of them.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for (;;) {
      let value: T;
      try {
        value = await this.recv();
      } catch (error) {
        if (error instanceof ManiacError && error.code === "ERR_MANIAC_CHANNEL_CLOSED") return;
        throw error;
      }
      yield value;
    }
  }

  /**
   * Closes this end, as {@link Receiver.close}.
   *
   * @returns a promise that resolves at once.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  #received(answer: number): Received<T> | undefined {
    if (answer === CLOSED) throw closedError("The channel has come to its end.");
    return isValue(answer) ? { value: own().value(answer) as T } : undefined;
  }
}

function opened(handle: Handle, side: Handle["maniac"]): number {
  const named = parked(handle, side);
  const number = named === undefined ? 0 : own().native.open(...named);
  if (number > 0) return number;
  const message =
    named === undefined
      ? `This is no handle of a ${side}.`
      : "This handle was opened or closed already, or whoever made it has ended.";
  throw new ManiacError("ERR_MANIAC_CHANNEL_HANDLE", message);
}

function make<T>(kind: ChannelKind, capacity: number, most: number): Channel<T> {
  if (typeof capacity !== "number") throw invalidType("capacity", "of type number", capacity);
  if (!Number.isInteger(capacity) || capacity < 1 || capacity > most) {
    throw outOfRange("capacity", `an integer >= 1 && <= ${most}`, capacity);
  }
  const { native, words } = own();
  native.make(KINDS.indexOf(kind), capacity);
  const [sender = 0, receiver = 0] = words;
  return { sender: new Sender<T>(KEY, sender, kind), receiver: new Receiver<T>(KEY, receiver, kind) };
}

/** Most values in an mpsc channel. */
const MOST_MPSC = 536_870_911;
/** Most values in an spsc channel. */
const MOST_SPSC = 262_144;

/**
 * Makes a channel with any number of senders: each handle of the sender is a further one.
 *
 * @param capacity - how many values it holds before senders wait, 1 to 536,870,911.
 * @returns both ends.
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`.
 *
 * @example
 * ```ts
 * import { mpsc } from 'maniac/channel';
 *
 * const { sender, receiver } = mpsc<string>(8);
 * await sender.send('one');
 * await sender.send('two');
 * sender.close();
 * for await (const word of receiver) console.log(word);
 * ```
 */
export function mpsc<T>(capacity: number): Channel<T> {
  return make("mpsc", capacity, MOST_MPSC);
}

/**
 * Makes a channel with one sender, which costs less.
 *
 * @param capacity - how many values it holds at least before the sender waits, 1 to 262,144; rounded up to 64, 512, 4,096, 32,768 or
 * 262,144.
 * @returns both ends.
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`.
 *
 * @example
 * ```ts
 * import { spsc } from 'maniac/channel';
 *
 * const { sender, receiver } = spsc<number>(64);
 * console.log(sender.trySend(1), receiver.tryRecv()); // true { value: 1 }
 * ```
 */
export function spsc<T>(capacity: number): Channel<T> {
  return make("spsc", capacity, MOST_SPSC);
}

/**
 * Makes a channel for one value. Sending closes the sender.
 *
 * @returns both ends.
 *
 * @example
 * ```ts
 * import { oneshot } from 'maniac/channel';
 *
 * const { sender, receiver } = oneshot<number>();
 * await sender.send(42);
 * console.log(await receiver.recv()); // 42
 * ```
 */
export function oneshot<T>(): Channel<T> {
  return make("oneshot", 1, 1);
}

/**
 * Closes an end that nobody has opened, nor will.
 *
 * @param handle - what {@link Sender.handle} or {@link Receiver.handle} gave.
 * @returns false if it was opened or closed already.
 *
 * @example
 * ```ts
 * import { closeHandle, mpsc } from 'maniac/channel';
 *
 * const { sender, receiver } = mpsc(1);
 * const handle = sender.handle(); // for a Worker that fails to start
 * console.log(closeHandle(handle)); // true
 * ```
 */
export function closeHandle<T>(handle: SenderHandle<T> | ReceiverHandle<T>): boolean {
  const named = parked(handle, handle?.maniac);
  return named !== undefined && own().native.discard(...named) === DONE;
}
