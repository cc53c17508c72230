/** What a datagram socket is told when it is bound and after: options, set at once, and a listener. */
import type { EventEmitter } from "node:events";
import { callError } from "./net-errors.js";
import type { Handle } from "./net-link.js";
import type { Callback } from "./net-options.js";
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

/** Calls `callback` when the socket is bound, and not after it could not be. */
export function onceListening(socket: EventEmitter, callback: Callback): void {
  const forget = (): void => {
    socket.removeListener("error", forget);
    socket.removeListener("listening", listening);
  };
  const listening = (): void => {
    forget();
    callback.call(socket);
  };
  socket.on("error", forget);
  socket.on("listening", listening);
}

/** What a socket that is not bound answers. */
export const unboundError = (call: string): Error => callError(errnoOf("EBADF"), call);

/** What the crossing calls the options of a bind. */
export function bindFlags({ reuseAddr, reusePort, ipv6Only }: Partial<DatagramOptions>): number {
  return (
    (reuseAddr ? BIND_REUSE_ADDRESS : 0) | (reusePort ? BIND_REUSE_PORT : 0) | (ipv6Only ? BIND_ONLY_V6 : 0)
  );
}
