/** Options of a datagram socket, set at once. */
import { callError } from "./net-errors.js";
import type { Handle } from "./net-link.js";
import type { DatagramOptions } from "./net-types.js";
import { BIND_ONLY_V6, BIND_REUSE_ADDRESS, BIND_REUSE_PORT } from "./ops.js";
import { errnoOf } from "./os-errors.js";

/** What is set, and the name that its failure goes by. */
export interface DatagramOption {
  readonly which: number;
  readonly value: number;
  readonly call: string;
  readonly text?: string;
  readonly text2?: string;
}

/** Sets an option, or throws; gives its value. */
export function setDatagramOption(
  handle: Handle | null,
  { which, value, call, text = "", text2 = "" }: DatagramOption,
): number {
  const result = handle === null ? errnoOf("EBADF") : handle.optionNow(which, value, text, text2);
  if (result < 0) {
    throw callError(result, call);
  }
  return result;
}

/** What a socket that is not bound answers. */
export const unboundError = (call: string): Error => callError(errnoOf("EBADF"), call);

/** What the crossing calls the options of a bind. */
export function bindFlags({ reuseAddr, reusePort, ipv6Only }: Partial<DatagramOptions>): number {
  return (
    (reuseAddr ? BIND_REUSE_ADDRESS : 0) | (reusePort ? BIND_REUSE_PORT : 0) | (ipv6Only ? BIND_ONLY_V6 : 0)
  );
}
