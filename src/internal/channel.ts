/**
 * This environment's ends of channels, JavaScript's side: who waits at which end, in order. The native side holds the
 * channels, as bytes, and says which ends have something to do; values become bytes and values again here.
 */

import { DefaultDeserializer, serialize } from "node:v8";
import { isMainThread } from "node:worker_threads";
import { ManiacError } from "../errors.js";
import { type Abortee, unwatch, watch } from "./abort.js";
import { loadBinding } from "./binding.js";
import { abortError } from "./node-errors.js";

/** Numbers in the array that both sides share. */
const WORDS = 1024;
/** Messages up to this size come in the slab. */
const SLAB = 64 * 1024;
/** What the native side answers beside lengths and numbers. */
export const DONE = 0;
export const PENDING = -1;
export const CLOSED = -2;
const LARGE = -3;
/** Results at once before one waits for the event loop to turn: a fast other end must not keep it from turning. */
const TURN_BUDGET = 1024;
/** Milliseconds of a blocking call before a Worker's end is looked for. */
const SLICE_MS = 50;

/** The native side. All calls are made on the environment's own thread. */
interface NativeChannels {
  make(kind: number, capacity: number): number;
  send(end: number, bytes: Uint8Array): number;
  ready(end: number): number;
  release(end: number): void;
  receive(end: number): number;
  take(): ArrayBuffer;
  blockReady(end: number, milliseconds: number): number;
  blockReceive(end: number, milliseconds: number): number;
  another(end: number): number;
  park(end: number): number;
  open(high: number, low: number, kind: number, sends: number): number;
  discard(high: number, low: number, kind: number, sends: number): number;
  drop(end: number): void;
  isClosed(end: number): number;
  keep(wanted: number): void;
}

interface ChannelsBinding {
  openChannels(slab: Uint8Array, words: Uint32Array, onWoken: (count: number) => void): NativeChannels;
}

/** Which channel: many senders, one sender, one value. */
export type ChannelKind = "mpsc" | "spsc" | "oneshot";
/** The kinds, as the native side numbers them. */
export const KINDS: readonly ChannelKind[] = ["mpsc", "spsc", "oneshot"];

/** The method that the base class calls for each view; its types leave it out. */
const readView = (DefaultDeserializer.prototype as unknown as { _readHostObject(): Uint8Array | DataView })
  ._readHostObject;

/** Views share their message's memory as the base class reads them; here each gets its own. */
class Deserializer extends DefaultDeserializer {
  /** Called by the base class. */
  _readHostObject(): unknown {
    const view = readView.call(this);
    if (Buffer.isBuffer(view)) {
      const copy = Buffer.allocUnsafeSlow(view.length);
      copy.set(view);
      return copy;
    }
    if (view instanceof DataView) {
      const { buffer, byteOffset, byteLength } = view;
      return new DataView(buffer.slice(byteOffset, byteOffset + byteLength));
    }
    return view.slice();
  }
}

function decode(bytes: Uint8Array): unknown {
  const reader = new Deserializer(bytes);
  reader.readHeader();
  return reader.readValue();
}

/** What is woken when its end has something to do. */
export interface Woken {
  /** The end's number, 0 once it is closed or moved. */
  readonly number: number;
  /** Operations that wait here and keep the process alive. */
  keeping(): boolean;
  /** Goes on with what waits. */
  pump(): void;
}

/** One environment's ends. */
class Channels {
  readonly native: NativeChannels;
  readonly words = new Uint32Array(WORDS);
  readonly #slab = Buffer.from(new ArrayBuffer(SLAB));
  readonly #ends = new Map<number, WeakRef<Woken>>();
  /** Ends at which something waits: these are held. */
  readonly #waiting = new Set<Woken>();
  readonly #lost = new FinalizationRegistry<number>((number) => this.drop(number));
  #budget = TURN_BUDGET;
  #kept = false;

  constructor() {
    const binding = loadBinding() as unknown as ChannelsBinding;
    this.native = binding.openChannels(this.#slab, this.words, (count) => this.#wake(count));
  }

  /** An end that nobody refers to any more is closed. */
  add(number: number, end: Woken): void {
    this.#ends.set(number, new WeakRef(end));
    this.#lost.register(end, number, end);
  }

  /** Forgets an end, which is closed or goes elsewhere. */
  remove(number: number, end: Woken): void {
    this.#ends.delete(number);
    this.#lost.unregister(end);
    this.#waiting.delete(end);
    this.#update();
  }

  drop(number: number): void {
    this.#ends.delete(number);
    this.native.drop(number);
  }

  /** Notes whether something waits at an end. */
  waits(end: Woken, waiting: boolean): void {
    if (waiting) {
      this.#waiting.add(end);
    } else {
      this.#waiting.delete(end);
    }
    this.#update();
  }

  #update(): void {
    let keep = false;
    for (const end of this.#waiting) {
      if (end.keeping()) {
        keep = true;
        break;
      }
    }
    if (keep !== this.#kept) {
      this.#kept = keep;
      this.native.keep(keep ? 1 : 0);
    }
  }

  #wake(count: number): void {
    this.#budget = TURN_BUDGET;
    const ends: Woken[] = [];
    for (let at = 0; at < count; at++) {
      const end = this.#ends.get(this.words[at] as number)?.deref();
      if (end !== undefined) ends.push(end);
    }
    for (const end of ends) end.pump();
  }

  /** The value that `length`, an answer of the native side, tells of. */
  value(length: number): unknown {
    const bytes = length === LARGE ? Buffer.from(this.native.take()) : this.#slab.subarray(0, length);
    return decode(bytes);
  }

  /** Whether a result may be given at once; else it waits for the event loop to turn. */
  spend(): boolean {
    if (--this.#budget > 0) return true;
    this.#budget = TURN_BUDGET;
    return false;
  }
}

let channels: Channels | undefined;

/** This environment's ends, opened when first wanted. */
export function own(): Channels {
  channels ??= new Channels();
  return channels;
}

/** The error of an end whose other side is gone, or which is closed itself. */
export function closedError(what: string): ManiacError {
  return new ManiacError("ERR_MANIAC_CHANNEL_CLOSED", what);
}

/** One that waits at an end. */
class Waiter implements Abortee {
  /** What is to be sent. */
  readonly bytes: Uint8Array | undefined;
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: unknown) => void;
  readonly #end: End;
  readonly #signal: AbortSignal | undefined;

  constructor(
    end: End,
    signal: AbortSignal | undefined,
    bytes: Uint8Array | undefined,
    resolve: (value: unknown) => void,
    reject: (reason: unknown) => void,
  ) {
    this.bytes = bytes;
    this.#end = end;
    this.#signal = signal;
    this.resolve = resolve;
    this.reject = reject;
    if (signal !== undefined) watch(signal, this);
  }

  /** It waits no more. */
  leave(): void {
    if (this.#signal !== undefined) unwatch(this.#signal, this);
  }

  onAbort(signal: AbortSignal): void {
    this.#end.abandon(this);
    this.reject(abortError(signal));
  }
}

/** An end of a channel. */
export abstract class End implements Woken {
  /** The native number; 0 once closed or moved. */
  number: number;
  readonly kind: ChannelKind;
  readonly #sends: boolean;
  /** Who waits, first come first served. A Set keeps the order and forgets one of many at once. */
  readonly waiters = new Set<Waiter>();
  readonly #settled: (() => void)[] = [];
  #ref = true;

  constructor(number: number, kind: ChannelKind, sends: boolean) {
    this.number = number;
    this.kind = kind;
    this.#sends = sends;
    own().add(number, this);
  }

  keeping(): boolean {
    return this.#ref && this.waiters.size > 0;
  }

  setRef(ref: boolean): void {
    this.#ref = ref;
    own().waits(this, this.waiters.size > 0);
  }

  abstract pump(): void;
  /** Nobody waits any more. */
  abstract idle(): void;

  /** Waits in line. The caller sees to it that the native side knows. */
  wait(signal: AbortSignal | undefined, bytes?: Uint8Array): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.waiters.add(new Waiter(this, signal, bytes, resolve, reject));
      if (this.waiters.size === 1) own().waits(this, true);
    });
  }

  /** Takes the first out of the line. */
  shift(): Waiter {
    const [first] = this.waiters as Iterable<Waiter> as [Waiter];
    this.leave(first);
    return first;
  }

  abandon(waiter: Waiter): void {
    this.leave(waiter);
    if (this.waiters.size === 0 && this.number !== 0) this.idle();
  }

  leave(waiter: Waiter): void {
    waiter.leave();
    this.waiters.delete(waiter);
    if (this.waiters.size === 0) {
      own().waits(this, false);
      for (const resolve of this.#settled.splice(0)) resolve();
    }
  }

  /** The number, for an operation. */
  open(): number {
    if (this.number === 0) {
      throw closedError(`This ${this.#sends ? "sender" : "receiver"} is closed, or its handle was taken.`);
    }
    return this.number;
  }

  /** Refuses while others wait at this end: an operation that does not wait in line would overtake them. */
  unshared(call: string): number {
    const number = this.open();
    if (this.waiters.size > 0) {
      throw new ManiacError("ERR_MANIAC_BUSY", `${call} cannot be called while calls wait at this end`);
    }
    return number;
  }

  /** Refuses to block the main thread. */
  blocking(call: string): number {
    if (isMainThread) {
      throw new ManiacError(
        "ERR_MANIAC_SYNC_AWAIT_MAIN_THREAD",
        `${call} blocks its thread, which the main thread must not: call it in a Worker, or await the asynchronous call`,
      );
    }
    return this.unshared(call);
  }

  /** Resolves when nobody waits any more. */
  settled(): Promise<void> {
    if (this.waiters.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#settled.push(resolve);
    });
  }

  /** Closes this end. Those who wait are told. */
  close(): void {
    const { number } = this;
    if (number === 0) return;
    this.number = 0;
    const channels = own();
    channels.remove(number, this);
    channels.native.drop(number);
    this.fail();
  }

  /** Tells all who wait that the channel is closed. */
  fail(): void {
    while (this.waiters.size > 0) {
      const waiter = this.shift();
      waiter.reject(closedError(this.#sends ? "The receiver is gone." : "The channel has come to its end."));
    }
  }

  /** Gives an end up for a handle: this one, or a further one of it. */
  park(number: number): Handle {
    const channels = own();
    if (number === this.number) {
      this.number = 0;
      channels.remove(number, this);
    }
    if (channels.native.park(number) !== DONE) throw closedError("This end is closed.");
    const hex = (at: number): string => (channels.words[at] as number).toString(16).padStart(8, "0");
    return { maniac: this.#sends ? "sender" : "receiver", kind: this.kind, token: hex(0) + hex(1) };
  }
}

/** A handle, as `postMessage` and `workerData` carry it. */
export interface Handle {
  readonly maniac: "sender" | "receiver";
  readonly kind: ChannelKind;
  readonly token: string;
}

/** The four numbers that name a parked end; `undefined` for what is no handle. */
export function parked(
  handle: unknown,
  side: Handle["maniac"],
): [number, number, number, number] | undefined {
  if (typeof handle !== "object" || handle === null) return undefined;
  const { maniac, kind, token } = handle as Handle;
  const number = KINDS.indexOf(kind);
  if (maniac !== side || number < 0 || !/^[0-9a-f]{16}$/.test(token)) return undefined;
  return [
    Number.parseInt(token.slice(0, 8), 16),
    Number.parseInt(token.slice(8), 16),
    number,
    side === "sender" ? 1 : 0,
  ];
}

/** Gives a result now, or after the event loop has turned. */
export function give<T>(value: T): Promise<T> {
  if (own().spend()) return Promise.resolve(value);
  return new Promise((resolve) => {
    setImmediate(resolve, value);
  });
}

/** Values as bytes. Throws what `v8.serialize` throws for a value that cannot be cloned. */
export function encode(value: unknown): Uint8Array {
  return serialize(value);
}

/**
 * Repeats a blocking call of the native side, in slices, since a Worker is not ended within one.
 *
 * @returns the answer; `PENDING` if the time is over.
 */
export function inSlices(timeout: number | undefined, call: (milliseconds: number) => number): number {
  const end = performance.now() + (timeout ?? Number.POSITIVE_INFINITY);
  for (;;) {
    const left = end - performance.now();
    const answer = call(Math.max(0, Math.min(SLICE_MS, Math.ceil(left))));
    if (answer !== PENDING || left <= 0) return answer;
  }
}

/** Whether an answer is a value's length. */
export function isValue(answer: number): boolean {
  return answer >= 0 || answer === LARGE;
}
