/**
 * How a connection comes about: the name looked up, families tried in turn (RFC 8305, as Node does it), errors in
 * Node's words.
 */
import dns from "node:dns";
import net, { isIP } from "node:net";
import {
  connectionTimeout,
  invalidFamily,
  invalidIpAddress,
  peerError,
  type SocketError,
  validPort,
} from "./net-errors.js";
import { type Address, Handle, PATH_KIND } from "./net-link.js";
import { type Found, type Lookup, lookup as ownLookup } from "./net-lookup.js";
import { type AnyOptions, optionalFunction, validNumber } from "./net-options.js";
import { invalidType } from "./node-errors.js";
import { ADDRESS_IPV4, ADDRESS_IPV6 } from "./ops.js";
import { errnoOf } from "./os-errors.js";
import { validBoolean, validInt32 } from "./validate.js";

/** The socket that wants to be connected, as its connector sees it. */
export interface Connectable {
  readonly connecting: boolean;
  emit(event: string, ...args: unknown[]): boolean;
  destroy(error: Error): unknown;
  /** A sign of life, for the socket's time-out. */
  touch(): void;
  /** The handle that connects now. */
  take(handle: Handle): void;
  /** It is connected. */
  connected(): void;
  /** Notes the name and the addresses that were tried. */
  attempted(addresses: string[]): void;
}

/** One place to connect to. */
export interface Target {
  readonly address: string;
  readonly port: number;
  readonly family: number;
  readonly localAddress: string;
  readonly localPort: number;
}

/** What a look-up gave, or a literal, and what is tried next. */
export interface Plan {
  readonly host: string;
  readonly port: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly lookup: Lookup;
  readonly family: number;
  readonly hints: number;
  readonly inTurn: boolean;
  readonly attemptTimeout: number;
  readonly original: AnyOptions;
}

const familyNumber = (family: unknown): number => {
  if (family === "IPv4") {
    return 4;
  }
  return family === "IPv6" ? 6 : Number(family ?? 0);
};

/** Checks a connection's options; throws what Node throws. */
export function planOf(options: AnyOptions): Plan {
  const { localAddress, localPort, port } = options;
  if (localAddress && isIP(localAddress as string) === 0) {
    throw invalidIpAddress(localAddress);
  }
  if (localPort) {
    validNumber(localPort, "options.localPort");
  }
  if (typeof port !== "undefined" && typeof port !== "number" && typeof port !== "string") {
    throw invalidType("options.port", "one of type number or string", port);
  }
  const number = typeof port === "undefined" ? 0 : validPort(port);
  const inTurn =
    options.autoSelectFamily == null
      ? net.getDefaultAutoSelectFamily()
      : validBoolean(options.autoSelectFamily, "options.autoSelectFamily");
  const attemptTimeout =
    options.autoSelectFamilyAttemptTimeout == null
      ? net.getDefaultAutoSelectFamilyAttemptTimeout()
      : validInt32(options.autoSelectFamilyAttemptTimeout, "options.autoSelectFamilyAttemptTimeout", 1);
  const host = String(options.host || "localhost");
  if (isIP(host) === 0) {
    optionalFunction(options.lookup, "options.lookup");
  }
  const family = familyNumber(options.family);
  const hints = Number(options.hints ?? 0);
  return {
    host,
    port: number,
    localAddress: (localAddress as string | undefined) ?? "",
    localPort: (localPort as number | undefined) ?? 0,
    lookup: (options.lookup as Lookup | undefined) ?? ownLookup,
    family,
    hints: hints === 0 && family !== 4 && family !== 6 ? dns.ADDRCONFIG : hints,
    inTurn,
    attemptTimeout: Math.max(10, attemptTimeout),
    original: options,
  };
}

/** Connects `socket` as planned. */
export function connectAsPlanned(socket: Connectable, plan: Plan): void {
  const literal = isIP(plan.host);
  if (literal !== 0) {
    process.nextTick(() => {
      if (socket.connecting) {
        connectOnce(socket, targetOf(plan, { address: plan.host, family: literal }));
      }
    });
    return;
  }
  const { family, hints } = plan;
  if (family !== 4 && family !== 6 && plan.localAddress === "" && plan.inTurn) {
    plan.lookup(plan.host, { family, hints, all: true }, (error, found) => {
      foundAll(socket, plan, error, found as Found[]);
    });
    return;
  }
  plan.lookup(plan.host, { family, hints }, (error, address: string, found) => {
    socket.emit("lookup", error, address, found, plan.host);
    if (!socket.connecting) {
      return;
    }
    const wrong = error ?? wrongAddress({ address, family: found ?? 0 }, plan);
    if (wrong !== undefined) {
      process.nextTick(destroy, socket, wrong);
    } else {
      socket.touch();
      connectOnce(socket, targetOf(plan, { address, family: found ?? 0 }));
    }
  });
}

function destroy(socket: Connectable, error: Error): void {
  socket.destroy(error);
}

/** What is wrong with an address that a look-up gave, if anything. */
export function wrongAddress({ address, family }: Found, { original }: Plan): Error | undefined {
  if (isIP(address) === 0) {
    return invalidIpAddress(address);
  }
  return family === 4 || family === 6 ? undefined : invalidFamily(family, original.host, original.port);
}

/** Where a plan's connection goes. */
export function targetOf(plan: Plan, { address, family }: Found): Target {
  return { address, family, port: plan.port, localAddress: plan.localAddress, localPort: plan.localPort };
}

/** The look-up gave all addresses. */
function foundAll(socket: Connectable, plan: Plan, error: Error | null, found: readonly Found[]): void {
  if (!socket.connecting) {
    return;
  }
  if (error) {
    socket.emit("lookup", error, undefined, undefined, plan.host);
    process.nextTick(destroy, socket, error);
    return;
  }
  for (const one of found) {
    socket.emit("lookup", null, one.address, one.family, plan.host);
    if (!socket.connecting) {
      return;
    }
  }
  const targets = alternating(plan, found);
  const only = targets[0];
  if (only === undefined) {
    const wrong = found[0] === undefined ? invalidIpAddress(undefined) : wrongAddress(found[0], plan);
    process.nextTick(destroy, socket, wrong as Error);
    return;
  }
  socket.touch();
  if (targets.length === 1) {
    connectOnce(socket, only);
  } else {
    new InTurn(socket, targets, plan.attemptTimeout).next();
  }
}

/** What is tried in turn: families alternate, the first found goes first. */
export function alternating(plan: Plan, found: readonly Found[]): Target[] {
  const groups: Found[][] = [[], []];
  let preferred = 0;
  for (const one of found) {
    if (wrongAddress(one, plan) === undefined) {
      preferred ||= one.family;
      const group = groups[one.family === preferred ? 0 : 1] as Found[];
      if (!group.some(({ address }) => address === one.address)) {
        group.push(one);
      }
    }
  }
  const [first, second] = groups as [Found[], Found[]];
  const targets: Target[] = [];
  for (let index = 0; index < Math.max(first.length, second.length); index++) {
    for (const one of [first[index], second[index]]) {
      if (one !== undefined) {
        targets.push(targetOf(plan, one));
      }
    }
  }
  return targets;
}

/** Has a handle connect. */
export function startConnecting(handle: Handle, target: Target): void {
  const { address, port, family, localAddress, localPort } = target;
  const v6 = family === 6;
  const bound = localAddress !== "" || localPort !== 0;
  const own = bound ? localAddress || (v6 ? "::" : "0.0.0.0") : "";
  handle.connect(v6 ? ADDRESS_IPV6 : ADDRESS_IPV4, address, port, own, localPort);
}

/** Begins to connect a fresh handle. */
function begin(socket: Connectable, target: Target, ended: (result: number, step: number) => void): Handle {
  const handle = new Handle({ onConnected: ended }, "MANIACSOCKET");
  socket.take(handle);
  socket.emit("connectionAttempt", target.address, target.port, target.family);
  if (!handle.isClosing) {
    startConnecting(handle, target);
  }
  return handle;
}

/** Why an attempt failed. */
export function failureOf(
  target: Target,
  result: number,
  step: number,
  own: Address | undefined,
): SocketError {
  const { address, port, localAddress, localPort } = target;
  if (step === 1) {
    return peerError(result, "bind", localAddress || (target.family === 6 ? "::" : "0.0.0.0"), localPort);
  }
  if (step === 2) {
    return peerError(result, "connect", address, port, `${own?.address}:${own?.port}`);
  }
  if (localAddress !== "" && localPort !== 0) {
    const error = peerError(result, "connect", address, port, `${localAddress}:${localPort}`);
    return Object.assign(error, { localAddress, localPort });
  }
  return peerError(result, "connect", address, port);
}

function connectOnce(socket: Connectable, target: Target): void {
  const handle = begin(socket, target, (result, step) => {
    if (result === 0) {
      socket.connected();
      return;
    }
    const error = failureOf(target, result, step, handle.own());
    if (step === 0) {
      socket.emit("connectionAttemptFailed", target.address, target.port, target.family, error);
    }
    socket.destroy(error);
  });
}

/** Connects to a path. */
export function connectPath(socket: Connectable, path: string): void {
  const handle = new Handle(
    {
      onConnected: (result) => {
        if (result === 0) {
          socket.connected();
          return;
        }
        const error = peerError(result, "connect", path);
        socket.emit("connectionAttemptFailed", path, undefined, undefined, error);
        socket.destroy(error);
      },
    },
    "MANIACSOCKET",
  );
  socket.take(handle);
  socket.emit("connectionAttempt", path, undefined, undefined);
  if (!handle.isClosing) {
    handle.connect(PATH_KIND, path, 0);
  }
}

/** Addresses of both families, one attempt after the other, none longer than the time-out but the last. */
class InTurn {
  readonly #socket: Connectable;
  readonly #targets: readonly Target[];
  readonly #timeout: number;
  readonly #errors: SocketError[] = [];
  readonly #attempted: string[] = [];
  #current = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(socket: Connectable, targets: readonly Target[], timeout: number) {
    this.#socket = socket;
    this.#targets = targets;
    this.#timeout = timeout;
    socket.attempted(this.#attempted);
  }

  next(): void {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    const at = this.#current++;
    const target = this.#targets[at];
    if (target === undefined) {
      socket.destroy(this.#errors.length === 0 ? connectionTimeout() : aggregate(this.#errors));
      return;
    }
    this.#attempted.push(`${target.address}:${target.port}`);
    const handle = begin(socket, target, (result, step) => {
      clearTimeout(this.#timer);
      if (result === 0) {
        socket.connected();
        return;
      }
      const error = failureOf(target, result, step, handle.own());
      this.#errors.push(error);
      if (step !== 1) {
        socket.emit("connectionAttemptFailed", target.address, target.port, target.family, error);
      }
      if (socket.connecting) {
        this.next();
      }
    });
    if (this.#current < this.#targets.length && socket.connecting) {
      this.#timer = setTimeout(() => this.#late(handle, target), this.#timeout);
    }
  }

  #late(handle: Handle, target: Target): void {
    const socket = this.#socket;
    if (!socket.connecting) {
      return;
    }
    socket.emit("connectionAttemptTimeout", target.address, target.port, target.family);
    this.#errors.push(failureOf(target, errnoOf("ETIMEDOUT"), 0, undefined));
    handle.close();
    if (socket.connecting) {
      this.next();
    }
  }
}

/** Node's error for several failures: the first one's code. */
export function aggregate(errors: readonly SocketError[]): Error {
  const error = new AggregateError(errors);
  return Object.assign(error, { code: errors[0]?.code });
}
