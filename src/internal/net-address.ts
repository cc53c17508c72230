/** Addresses as the native side writes them, and as programs see them. */
import { ADDRESS_UNIX } from "./ops.js";

/** An address of IP, as Node shows it. */
export interface Address {
  /** As text. */
  address: string;
  /** `IPv4` or `IPv6`. */
  family: string;
  /** 0 to 65535. */
  port: number;
}

/** The IP address at field `at` of what the native side wrote. */
export function addressOf(names: string, at: number): Address | undefined {
  const fields = names.split("\0");
  const address = fields[at] ?? "";
  const port = fields[at + 1] ?? "";
  if (port === "") {
    return undefined;
  }
  return { address, family: address.includes(":") ? "IPv6" : "IPv4", port: Number(port) };
}

/** The kind of a path's address. */
export const PATH_KIND: number = ADDRESS_UNIX;

/** The port that is told of an address; -1 where it has none. */
export const portOf = (kind: number, port: number): number => (kind === 0 || kind === PATH_KIND ? -1 : port);
