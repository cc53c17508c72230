/** What sockets take for options. */
import type { DuplexOptions } from "node:stream";
import type { Lookup } from "./net-lookup.js";

/** Receives into a buffer of the program's own instead of emitting `data`. */
export interface OnReadOptions {
  /** The buffer, or a function that gives one each time. */
  buffer: Uint8Array | (() => Uint8Array);
  /** Called with the count of bytes in `buffer`; false pauses. */
  callback(bytesWritten: number, buffer: Uint8Array): boolean | undefined;
}

/** Called when what was written is with the system, or was not. */
export type Written = (error?: Error | null) => void;

/** Options of {@link Socket}. */
export interface SocketOptions extends Omit<DuplexOptions, "objectMode"> {
  /** A socket's descriptor to take over. */
  fd?: number;
  /** Whether a descriptor's socket receives at once. True by default. */
  readable?: boolean;
  /** Whether this side stays open for writing when the peer has ended its own. False by default. */
  allowHalfOpen?: boolean;
  /** Aborting it destroys the socket with an `AbortError`. */
  signal?: AbortSignal;
  /** Receives into a buffer of the program's own. */
  onread?: OnReadOptions;
  /** As {@link Socket.setNoDelay}. */
  noDelay?: boolean;
  /** As {@link Socket.setKeepAlive}. */
  keepAlive?: boolean;
  /** Milliseconds before the first keep-alive probe. */
  keepAliveInitialDelay?: number;
}

/** Where to connect over TCP. */
export interface TcpConnectOptions extends SocketOptions {
  /** 0 to 65535. */
  port: number | string;
  /** A name or an address; `localhost` by default. */
  host?: string;
  /** An address of this machine to connect from. */
  localAddress?: string;
  /** A port of this machine to connect from. */
  localPort?: number;
  /** 4 or 6; 0, the default, for both. */
  family?: number | string;
  /** `dns.ADDRCONFIG` and its like. */
  hints?: number;
  /** Looks names up in place of the runtime. */
  lookup?: Lookup;
  /** Whether addresses of both families are tried in turn. True by default. */
  autoSelectFamily?: boolean;
  /** Milliseconds that an attempt may take before the next begins. */
  autoSelectFamilyAttemptTimeout?: number;
  /** As {@link Socket.setTimeout}; `connect` alone looks at it. */
  timeout?: number;
}

/** Where to connect over a Unix domain socket. */
export interface PathConnectOptions extends SocketOptions {
  /** The socket's path; a first byte of zero makes it abstract (Linux). */
  path: string;
  /** As {@link Socket.setTimeout}; `connect` alone looks at it. */
  timeout?: number;
}

/** Where to connect. */
export type ConnectOptions = TcpConnectOptions | PathConnectOptions;

/** Which family a datagram socket is of. */
export type DatagramType = "udp4" | "udp6";

/** Options of {@link DatagramSocket}. */
export interface DatagramOptions {
  /** The family. */
  type: DatagramType;
  /** Whether an address that is in use may be bound again (`SO_REUSEADDR`). */
  reuseAddr?: boolean;
  /** Whether several sockets may share the port, the system choosing among them (`SO_REUSEPORT`). */
  reusePort?: boolean;
  /** Whether IPv4 is refused on an address of IPv6. */
  ipv6Only?: boolean;
  /** Bytes of the kernel's receive buffer. */
  recvBufferSize?: number;
  /** Bytes of the kernel's send buffer. */
  sendBufferSize?: number;
  /** Looks names up in place of the runtime. */
  lookup?: Lookup;
  /** Aborting it closes the socket. */
  signal?: AbortSignal;
}

/** Where to bind. */
export interface BindOptions {
  /** 0, the default, for one that is free. */
  port?: number;
  /** A name or an address; all addresses of the machine by default. */
  address?: string;
  /** Taken and ignored: workers share nothing here. */
  exclusive?: boolean;
}

/** Who sent a datagram. */
export interface RemoteInfo {
  /** The sender's address. */
  address: string;
  /** `IPv4` or `IPv6`. */
  family: string;
  /** The sender's port. */
  port: number;
  /** Bytes of the datagram. */
  size: number;
}

/** Called when a datagram was sent, or was not. */
export type SendCallback = (error: Error | null, bytes: number) => void;

/** The events of a datagram socket, with their arguments. */
export interface DatagramEvents {
  /** It is bound. */
  listening: [];
  /** A datagram was received. */
  message: [message: Buffer, info: RemoteInfo];
  /** It is connected to a peer. */
  connect: [];
  /** Something failed. */
  error: [error: Error];
  /** It is closed. */
  close: [];
}
