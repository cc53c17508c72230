/** What a server gives the sockets that it makes. Not for programs. */
import type { Handle } from "./net-link.js";
import type { Callback } from "./net-options.js";

/** A connection that was accepted, and how its socket is to treat it. */
export interface Accepted {
  readonly handle: Handle;
  /** Called when the socket is destroyed. */
  readonly gone: Callback;
  readonly server: unknown;
  readonly pause: boolean;
  readonly noDelay: boolean;
  readonly keepAlive: boolean;
  readonly keepAliveDelay: number;
}

/** Under this key a server hands over what it accepted. */
export const ACCEPTED: unique symbol = Symbol("maniac.accepted");
