/**
 * The crossing, JavaScript's side: operations are queued here, written into the submission array once per microtask
 * turn, and settled from the completion array. No native call is made anywhere else.
 *
 * `CROSSING.md` is the contract. What the operations mean is not known here: see `request.ts` and the files that
 * define them.
 */
import { ManiacError } from "../errors.js";
import { type Binding, loadBinding, type NativeEngine } from "./binding.js";
import { Completion } from "./completion.js";
import { abortError, invalidState } from "./node-errors.js";
import {
  AREA_BYTES,
  AREA_PAYLOAD_MAX,
  C_MORE,
  COMPLETION_ENTRIES,
  COMPLETION_WORDS,
  DATA_AREA,
  DATA_GONE,
  DATA_REGION,
  DATA_STAGED,
  ENTRY_WORDS,
  F_BLOCK,
  MAX_IN_FLIGHT,
  NET_ID,
  OP_CANCEL,
  PATH_BYTES_MAX,
  PROTOCOL_VERSION,
  SUBMISSION_ENTRIES,
  W_ARG0,
  W_ARG1,
  W_DATA,
  W_EXTRA,
  W_FD,
  W_ID,
  W_OP,
  W_PATH,
  W_PATH2,
  W_PAYLOAD,
  W_POSITION,
} from "./ops.js";
import { errnoOf } from "./os-errors.js";
import { RequestQueue } from "./queue.js";
import { type Path, type Request, STATE_DONE, STATE_IN_FLIGHT, STATE_QUEUED } from "./request.js";

/** Units of work settled without the event loop turning; then one batch waits for its next turn. */
const TURN_BUDGET = 1024;
/** Result bytes that count as one further unit of work. */
const BYTES_PER_UNIT = 16 * 1024;
/** Ids at first; doubled as needed up to {@link MAX_IN_FLIGHT}. */
const FIRST_IDS = 256;

const resolved = Promise.resolve();

/** What {@link Engine.encode} found. */
const ENCODED = 0;
const AREA_FULL = 1;
const NAME_TOO_LONG = 2;
const PAYLOAD_GONE = 3;

/** Counters of an engine, for metrics and tests. */
export interface EngineCounters {
  /** Operations queued since the start. */
  submitted: number;
  /** Operations settled since the start. */
  completed: number;
  /** Native calls that took entries. */
  flushes: number;
  /** Calls from the event loop. */
  wakeups: number;
  /** Batches put off to the next turn of the event loop. */
  deferrals: number;
}

/** Who is told of sockets; see `net-link.ts`. */
export interface SocketEvents {
  /** Takes an event of socket `number`; what it wants of the completion it takes now. Runs no user code. */
  event(number: number, completion: Completion): void;
  /** Nothing can cross any more. */
  broken(error: Error): void;
}

/** One environment's engine. */
export class Engine {
  /** Counters since the start. */
  readonly counters: EngineCounters = { submitted: 0, completed: 0, flushes: 0, wakeups: 0, deferrals: 0 };
  /** Operations that the native side holds now. */
  inFlight = 0;
  /** Set with the first socket. */
  sockets: SocketEvents | undefined;
  /** A call blocks this thread: what sockets are told is not heard until it has ended. */
  standing = false;

  readonly #native: NativeEngine;
  readonly #submissions = new Int32Array(SUBMISSION_ENTRIES * ENTRY_WORDS);
  readonly #area = Buffer.from(new ArrayBuffer(AREA_BYTES));
  readonly #completions = new Int32Array(COMPLETION_ENTRIES * COMPLETION_WORDS);
  readonly #completion: Completion;
  #areaUsed = 0;

  readonly #queue = new RequestQueue();
  /** What is asked of sockets: it takes no id, and so never waits for one. */
  readonly #commands = new RequestQueue();
  /** Operations in flight whose callers lost interest. */
  #cancels: Request[] = [];
  #scheduled = false;
  /** Records are being settled or entries taken: nothing may cross. */
  #busy = false;
  #budget = TURN_BUDGET;
  /** Why nothing can cross any more. */
  #broken: ManiacError | undefined;

  readonly #table: (Request | undefined)[] = [];
  readonly #freeIds: number[] = [];

  readonly #flushSoon = (): void => this.#flush();
  readonly #flushInLoop = (): void => {
    this.#budget = TURN_BUDGET;
    this.#flush();
  };

  constructor(binding: Binding) {
    this.#grow(FIRST_IDS);
    this.#native = binding.openEngine(
      PROTOCOL_VERSION,
      this.#submissions,
      this.#area,
      this.#completions,
      (count) => this.#wake(count),
    );
    this.#completion = new Completion(this.#native, this.#completions);
  }

  /** The native side, for what is no operation: staging, regions. */
  get native(): NativeEngine {
    return this.#native;
  }

  /** Operations that wait in JavaScript for a batch or for room. */
  get queued(): number {
    return this.#queue.length;
  }

  /** Queues an operation; it crosses with all others of this microtask turn. */
  submit(request: Request): void {
    if (this.#broken !== undefined) {
      request.settle();
      request.reject(this.#broken);
      return;
    }
    this.counters.submitted++;
    this.#queue.push(request);
    if (!this.#scheduled) {
      this.#schedule();
    }
  }

  /** Queues what is asked of a socket. It has no completion of its own: the socket's events tell what came of it. */
  command(request: Request): void {
    if (this.#broken !== undefined) {
      this.sockets?.broken(this.#broken);
      return;
    }
    this.#commands.push(request);
    if (!this.#scheduled) {
      this.#schedule();
    }
  }

  /** As {@link command}, and has it cross before this returns, with all that was queued before. */
  commandNow(request: Request): void {
    if (this.#busy) {
      throw new ManiacError("ERR_MANIAC_BUSY", "a synchronous call cannot be made from within a completion");
    }
    this.command(request);
    while (this.#commands.length !== 0 && this.#broken === undefined) {
      this.#budget = TURN_BUDGET;
      this.#flush();
    }
  }

  /** Runs an operation to its end, blocking this thread; the request is settled when this returns. */
  runNow(request: Request): void {
    let reason = "from within a completion";
    if (!this.#busy) {
      request.op |= F_BLOCK;
      this.counters.submitted++;
      this.#queue.push(request);
      while (request.state === STATE_QUEUED && this.inFlight < MAX_IN_FLIGHT) {
        this.#budget = TURN_BUDGET;
        this.#flush();
      }
      if (request.state !== STATE_QUEUED) {
        return;
      }
      // It is skipped when its turn to be encoded comes.
      request.state = STATE_DONE;
      reason = `while ${MAX_IN_FLIGHT} operations are in flight`;
    }
    throw new ManiacError("ERR_MANIAC_BUSY", `a synchronous call cannot be made ${reason}`);
  }

  /** Begins what is queued and settles what has ended, for whoever keeps the event loop from doing so. */
  turn(): void {
    if (this.#busy) {
      throw new ManiacError("ERR_MANIAC_BUSY", "a synchronous call cannot be made from within a completion");
    }
    this.#budget = TURN_BUDGET;
    this.#flush();
    if ((this.inFlight > 0 || this.sockets !== undefined) && this.#broken === undefined) {
      this.#busy = true;
      try {
        this.#settle(this.#native.reap());
      } finally {
        this.#busy = false;
      }
    }
  }

  /** Settles `request` at once; what it holds stays held until the native side has completed it. */
  abort(request: Request, signal: AbortSignal): void {
    if (request.settled) {
      return;
    }
    request.settle();
    request.reject(abortError(signal));
    if (request.state === STATE_IN_FLIGHT) {
      this.#cancels.push(request);
      if (!this.#scheduled) {
        this.#schedule();
      }
    } else if (request.state === STATE_QUEUED) {
      // It is skipped when its turn to be encoded comes.
      this.counters.completed++;
      request.state = STATE_DONE;
      request.release();
    }
  }

  #schedule(): void {
    this.#scheduled = true;
    if (this.#budget > 0) {
      void resolved.then(this.#flushSoon);
    } else {
      // Results that never wait would otherwise keep the event loop from ever turning.
      this.counters.deferrals++;
      setImmediate(this.#flushInLoop);
    }
  }

  #flush(): void {
    if (this.#busy) {
      return;
    }
    this.#busy = true;
    this.#scheduled = false;
    try {
      let count: number;
      do {
        count = this.#encodeBatch();
        if (count !== 0) {
          this.counters.flushes++;
          this.#settle(this.#cross(count));
        }
      } while (count !== 0 && this.#budget > 0);
    } finally {
      this.#busy = false;
    }
    const more = (this.#queue.length !== 0 && this.inFlight < MAX_IN_FLIGHT) || this.#commands.length !== 0;
    if (more && !this.#scheduled) {
      this.#schedule();
    }
  }

  /** The native call. When it refuses, nothing that is under way will ever be answered: all of it fails now. */
  #cross(count: number): number {
    try {
      return this.#native.flush(count);
    } catch (cause) {
      const broken = new ManiacError("ERR_MANIAC_ENGINE_CLOSED", "this environment's engine has ended", {
        cause,
      });
      this.#broken = broken;
      const abandoned = this.#table.filter((request) => request !== undefined);
      this.#table.fill(undefined);
      for (; this.#queue.length !== 0; this.#queue.drop()) {
        abandoned.push(this.#queue.peek() as Request);
      }
      for (const request of abandoned) {
        request.state = STATE_DONE;
        if (!request.settled) {
          request.settle();
          request.reject(broken);
        }
      }
      this.inFlight = 0;
      this.#commands.clear();
      this.sockets?.broken(broken);
      return 0;
    }
  }

  /** The event loop's call: settles what is there, and lets go on at once what waited for room. */
  #wake(count: number): void {
    this.counters.wakeups++;
    this.#busy = true;
    try {
      this.#settle(count);
    } finally {
      this.#busy = false;
    }
    // A wake-up is a fresh turn of the event loop.
    this.#budget = TURN_BUDGET;
    if (this.#queue.length !== 0 || this.#cancels.length !== 0 || this.#commands.length !== 0) {
      this.#flush();
    }
  }

  /** Writes as many entries as fit; gives their number. */
  #encodeBatch(): number {
    this.#areaUsed = 0;
    let entry = this.#encodeCommands(this.#encodeCancels());
    if (this.#commands.length !== 0) {
      return entry;
    }
    while (entry < SUBMISSION_ENTRIES && this.#queue.length !== 0) {
      const request = this.#queue.peek() as Request;
      if (request.state === STATE_QUEUED) {
        if (this.#freeIds.length === 0 && !this.#grow(this.#table.length)) {
          break;
        }
        const outcome = this.#encode(request, entry * ENTRY_WORDS);
        if (outcome === AREA_FULL) {
          break;
        }
        if (outcome === ENCODED) {
          this.#begin(request, entry * ENTRY_WORDS);
          entry++;
        } else {
          this.#refuse(request, outcome);
        }
      }
      this.#queue.drop();
    }
    return entry;
  }

  #encodeCancels(): number {
    if (this.#cancels.length === 0) {
      return 0;
    }
    let entry = 0;
    while (entry < SUBMISSION_ENTRIES) {
      const request = this.#cancels.pop();
      if (request === undefined) {
        break;
      }
      if (request.state === STATE_IN_FLIGHT) {
        const at = entry * ENTRY_WORDS;
        this.#submissions.fill(0, at, at + ENTRY_WORDS);
        this.#submissions[at + W_OP] = OP_CANCEL;
        this.#submissions[at + W_ID] = request.id;
        entry++;
      }
    }
    return entry;
  }

  /** Writes what is asked of sockets, from entry `first` on; gives the number of entries then. */
  #encodeCommands(first: number): number {
    let entry = first;
    while (entry < SUBMISSION_ENTRIES && this.#commands.length !== 0) {
      const request = this.#commands.peek() as Request;
      const at = entry * ENTRY_WORDS;
      // No path of a socket is too long: they were checked.
      const outcome = this.#encode(request, at);
      if (outcome === AREA_FULL) {
        break;
      }
      if (outcome === PAYLOAD_GONE) {
        // It fails in its turn, behind what was written before.
        this.#submissions[at + W_DATA] = DATA_GONE;
      }
      this.#commands.drop();
      entry++;
    }
    return entry;
  }

  /** Writes one entry. */
  #encode(request: Request, at: number): number {
    const words = this.#submissions;
    const { path, path2, payload } = request;
    // Words with two meanings hold numbers first; paths and payloads go over them.
    words[at + W_OP] = request.op;
    words[at + W_FD] = request.fd;
    words[at + W_ARG0] = request.arg0;
    words[at + W_ARG1] = request.arg1;
    words[at + W_DATA] = 0;
    putInt64(words, at + W_POSITION, request.position);
    putInt64(words, at + W_PATH, request.extra2);
    words[at + W_PATH2] = 0;
    words[at + W_PATH2 + 1] = 0;
    words[at + W_PAYLOAD] = 0;
    words[at + W_PAYLOAD + 1] = request.length;
    putInt64(words, at + W_EXTRA, request.extra);
    if (path !== null) {
      const outcome = this.#encodePath(path, at + W_PATH);
      if (outcome !== ENCODED) {
        return outcome;
      }
    }
    if (path2 !== null) {
      const outcome = this.#encodePath(path2, at + W_PATH2);
      if (outcome !== ENCODED) {
        return outcome;
      }
    }
    if (request.region !== -1) {
      words[at + W_DATA] = DATA_REGION;
      words[at + W_ARG1] = request.region;
      words[at + W_PAYLOAD] = request.regionOffset;
    } else if (payload !== null) {
      return payload.byteLength === request.payloadLength ? this.#encodePayload(payload, at) : PAYLOAD_GONE;
    }
    return ENCODED;
  }

  /** Gives the operation of the entry at `at` an id. */
  #begin(request: Request, at: number): void {
    const id = this.#freeIds.pop() as number;
    this.#submissions[at + W_ID] = id;
    request.id = id;
    request.state = STATE_IN_FLIGHT;
    this.#table[id] = request;
    this.inFlight++;
  }

  #encodePath(path: Path, word: number): number {
    const start = this.#areaUsed;
    let length: number;
    if (typeof path === "string") {
      // A UTF-16 unit takes at most three bytes; the exact length is looked up only where that might not fit.
      let most = path.length * 3;
      if (most > PATH_BYTES_MAX || start + most > AREA_BYTES) {
        most = Buffer.byteLength(path);
        if (most > PATH_BYTES_MAX) {
          return NAME_TOO_LONG;
        }
        if (start + most > AREA_BYTES) {
          return AREA_FULL;
        }
      }
      length = this.#area.write(path, start);
    } else {
      length = path.byteLength;
      if (length > PATH_BYTES_MAX) {
        return NAME_TOO_LONG;
      }
      if (start + length > AREA_BYTES) {
        return AREA_FULL;
      }
      this.#area.set(path, start);
    }
    this.#areaUsed = start + length;
    this.#submissions[word] = start;
    this.#submissions[word + 1] = length;
    return ENCODED;
  }

  #encodePayload(payload: Uint8Array, at: number): number {
    const length = payload.byteLength;
    const words = this.#submissions;
    words[at + W_PAYLOAD + 1] = length;
    if (length > AREA_PAYLOAD_MAX) {
      words[at + W_DATA] = DATA_STAGED;
      words[at + W_PAYLOAD] = this.#native.stage(payload);
      return ENCODED;
    }
    // Eight-byte steps keep payloads from sharing a word with a path.
    const start = (this.#areaUsed + 7) & ~7;
    if (start + length > AREA_BYTES) {
      return AREA_FULL;
    }
    // An empty one may be detached.
    if (length !== 0) {
      this.#area.set(payload, start);
    }
    this.#areaUsed = start + length;
    words[at + W_DATA] = DATA_AREA;
    words[at + W_PAYLOAD] = start;
    return ENCODED;
  }

  /** Fails an operation that never crosses. */
  #refuse(request: Request, outcome: number): void {
    this.counters.completed++;
    request.state = STATE_DONE;
    request.release();
    if (outcome === NAME_TOO_LONG) {
      request.fail(errnoOf("ENAMETOOLONG"), 0);
    } else {
      request.refuse(invalidState("The buffer was detached or resized before its bytes were taken"));
    }
  }

  /** Settles everything in the completion array and whatever follows it. */
  #settle(first: number): void {
    let count = first;
    for (;;) {
      for (let record = 0; record < count; record++) {
        this.#settleOne(record * COMPLETION_WORDS);
      }
      if (count < COMPLETION_ENTRIES) {
        return;
      }
      count = this.#native.reap();
    }
  }

  #settleOne(at: number): void {
    const completion = this.#completion;
    completion.load(at);
    const id = completion.id;
    if (id >= NET_ID) {
      this.#budget -= 1 + Math.floor(completion.length / BYTES_PER_UNIT);
      this.sockets?.event(id - NET_ID, completion);
      completion.dropUnused();
      return;
    }
    const request = this.#table[id];
    if (request === undefined) {
      throw new ManiacError(
        "ERR_MANIAC_PROTOCOL",
        `a completion names operation ${id}, which is not in flight`,
      );
    }
    this.#budget -= 1 + Math.floor(completion.length / BYTES_PER_UNIT);
    if ((completion.info & C_MORE) === 0) {
      this.#table[id] = undefined;
      this.#freeIds.push(id);
      this.inFlight--;
      this.counters.completed++;
      request.state = STATE_DONE;
      request.release();
    }
    request.complete(completion);
    completion.dropUnused();
  }

  /** Makes room for as many ids more; false at the limit. */
  #grow(by: number): boolean {
    const have = this.#table.length;
    const want = Math.min(have + by, MAX_IN_FLIGHT);
    for (let id = want - 1; id >= have; id--) {
      this.#table[id] = undefined;
      this.#freeIds.push(id);
    }
    return want > have;
  }
}

/** Stores a signed 64-bit number as two words, the low one first. */
function putInt64(words: Int32Array, at: number, value: number | bigint): void {
  if (typeof value === "number") {
    words[at] = value;
    words[at + 1] = value >= 0 && value < 4294967296 ? 0 : Math.floor(value / 4294967296);
  } else {
    words[at] = Number(BigInt.asIntN(32, value));
    words[at + 1] = Number(BigInt.asIntN(32, value >> 32n));
  }
}

let current: Engine | undefined;

/** This environment's engine, opened at the first operation. */
export function engine(): Engine {
  current ??= new Engine(loadBinding());
  return current;
}
