/** Names to addresses, through the runtime's threads: never behind Node's four. */
import dns from "node:dns";
import { isIP } from "node:net";
import type { Completion } from "./completion.js";
import { nameError } from "./net-errors.js";
import { invalidValue } from "./node-errors.js";
import { OP_RESOLVE } from "./ops.js";
import { type Operation, Request } from "./request.js";
import { run } from "./run.js";

/** Look-ups at once: they must not take all of the threads that files want too. */
const AT_ONCE = 32;

/** What a look-up may be told by its hints. */
const HINTS = dns.ADDRCONFIG | dns.ALL | dns.V4MAPPED;

/** An address that was found. */
export interface Found {
  /** As text. */
  address: string;
  /** 4 or 6. */
  family: number;
}

/** What a look-up may be told. */
export interface LookupOptions {
  /** 4, 6, or 0 for both. */
  family?: number;
  /** `dns.ADDRCONFIG` and its like. */
  hints?: number;
  /** Whether all addresses are wanted, as a list. */
  all?: boolean;
}

/** A look-up function in the shape of `dns.lookup`. */
export type Lookup = (
  hostname: string,
  options: LookupOptions,
  // biome-ignore lint/suspicious/noExplicitAny: the shape depends on `all`, as with Node's own
  callback: (error: Error | null, address: any, family?: number) => void,
) => void;

/** A name's addresses. */
export const resolving: Operation = {
  code: OP_RESOLVE,
  steps: ["getaddrinfo"],
  finish: (_request, completion: Completion) => parse(completion.text("utf8")),
  failure: (request, errno) => nameError(errno, String(request.path)),
};

/** A family's digit, the address and a null byte for each. */
function parse(text: string): Found[] {
  const found: Found[] = [];
  for (const entry of text.split("\0")) {
    if (entry !== "") {
      found.push({ family: entry.charCodeAt(0) - 48, address: entry.slice(1) });
    }
  }
  return found;
}

let underWay = 0;
const waiting: (() => void)[] = [];

/** All addresses of a name, in the order that `dns.setDefaultResultOrder` asks for. */
export async function resolve(hostname: string, family: number, hints: number): Promise<Found[]> {
  while (underWay >= AT_ONCE) {
    await new Promise<void>((go) => waiting.push(go));
  }
  underWay++;
  try {
    const request = new Request(resolving);
    request.path = hostname;
    request.arg0 = family;
    request.arg1 = hints;
    return inOrder(await run<Found[]>(request));
  } finally {
    underWay--;
    waiting.shift()?.();
  }
}

/** Addresses in the order that the program wishes. */
export function inOrder(found: Found[]): Found[] {
  const order: string = dns.getDefaultResultOrder();
  const first = order === "ipv4first" ? 4 : order === "ipv6first" ? 6 : 0;
  if (first === 0) {
    return found;
  }
  return [...found.filter((one) => one.family === first), ...found.filter((one) => one.family !== first)];
}

/** Node's own look-up: one that a program has put in its place is the program's wish for all of its sockets. */
const nodeLookup: unknown = dns.lookup;

/** Whether names are looked up by the runtime. */
export const usesRuntime = (): boolean => dns.lookup === nodeLookup;

/** The look-up that sockets use unless they are given one. */
export const lookup: Lookup = (hostname, options, callback) => {
  (usesRuntime() ? runtimeLookup : (dns.lookup as unknown as Lookup))(hostname, options, callback);
};

const runtimeLookup: Lookup = (hostname, { family = 0, hints = 0, all = false }, callback) => {
  if ((hints & ~HINTS) !== 0) {
    throw invalidValue("hints", hints);
  }
  const literal = isIP(hostname);
  if (literal !== 0) {
    process.nextTick(callback, null, all ? [{ address: hostname, family: literal }] : hostname, literal);
    return;
  }
  if (hostname.includes("\0")) {
    process.nextTick(callback, nameError(-3008, hostname));
    return;
  }
  resolve(hostname, family, hints).then(
    (found) => {
      const first = found[0];
      if (first === undefined) {
        process.nextTick(callback, nameError(-3008, hostname));
      } else if (all) {
        process.nextTick(callback, null, found);
      } else {
        process.nextTick(callback, null, first.address, first.family);
      }
    },
    (error: Error) => process.nextTick(callback, error),
  );
};
