/**
 * Errors of sockets in Node's shape: `code errno syscall address port`, and Node's wording. Cold: nothing here runs
 * on success.
 */
import { getSystemErrorMap } from "node:util";
import { coded, received } from "./node-errors.js";

/** What an error of a socket carries. */
export interface SocketError extends Error {
  errno?: number;
  code: string;
  syscall?: string;
  address?: string | null;
  port?: number;
  localAddress?: string;
  localPort?: number;
}

function entryOf(errno: number): readonly [string, string] {
  return getSystemErrorMap().get(errno) ?? [`Unknown system error ${errno}`, "unknown error"];
}

function place(address: string | null | undefined, port: number | undefined): string {
  if (port !== undefined && port > 0) {
    return ` ${address}:${port}`;
  }
  return address ? ` ${address}` : "";
}

/** A failed call on a socket that is connected, or will be: `read ECONNRESET`. */
export function callError(errno: number, syscall: string): SocketError {
  const [code] = entryOf(errno);
  const error = new Error(`${syscall} ${code}`) as SocketError;
  Error.captureStackTrace(error, callError);
  return Object.assign(error, { errno, code, syscall });
}

/** A failed connection, bind or send: `connect ECONNREFUSED 127.0.0.1:1`. */
export function peerError(
  errno: number,
  syscall: string,
  address: string,
  port?: number,
  local?: string,
): SocketError {
  const [code] = entryOf(errno);
  const own = local === undefined ? "" : ` - Local (${local})`;
  const error = new Error(`${syscall} ${code}${place(address, port)}${own}`) as SocketError;
  Error.captureStackTrace(error, peerError);
  return Object.assign(error, { errno, code, syscall, address }, port ? { port } : {});
}

/** A failed listen: `listen EADDRINUSE: address already in use :::80`. */
export function listenError(
  errno: number,
  syscall: string,
  address: string | null,
  port?: number,
): SocketError {
  const [code, text] = entryOf(errno);
  const error = new Error(`${syscall} ${code}: ${text}${place(address, port)}`) as SocketError;
  Error.captureStackTrace(error, listenError);
  return Object.assign(error, { code, errno, syscall, address }, port ? { port } : {});
}

/** A name that was not found: `getaddrinfo ENOTFOUND nowhere`. */
export function nameError(errno: number, hostname: string): Error {
  const [code] = entryOf(errno);
  const shown = code === "EAI_NONAME" || code === "EAI_NODATA" ? "ENOTFOUND" : code;
  const error = new Error(`getaddrinfo ${shown} ${hostname}`);
  Error.captureStackTrace(error, nameError);
  return Object.assign(error, { errno, code: shown, syscall: "getaddrinfo", hostname });
}

/** `ERR_SERVER_ALREADY_LISTEN`. */
export const alreadyListening = (): Error =>
  coded(Error, "ERR_SERVER_ALREADY_LISTEN", "Listen method has been called more than once without closing.");

/** `ERR_SERVER_NOT_RUNNING`. */
export const notRunning = (): Error => coded(Error, "ERR_SERVER_NOT_RUNNING", "Server is not running.");

/** `ERR_SOCKET_CLOSED`. */
export const socketClosed = (): Error => coded(Error, "ERR_SOCKET_CLOSED", "Socket is closed");

/** `ERR_SOCKET_CLOSED_BEFORE_CONNECTION`. */
export const closedBeforeConnection = (): Error =>
  coded(Error, "ERR_SOCKET_CLOSED_BEFORE_CONNECTION", "Socket closed before the connection was established");

/** `ERR_SOCKET_CONNECTION_TIMEOUT`. */
export const connectionTimeout = (): Error =>
  coded(Error, "ERR_SOCKET_CONNECTION_TIMEOUT", "Socket connection timeout");

/** `ERR_INVALID_HANDLE_TYPE`. */
export const invalidHandleType = (): Error =>
  coded(TypeError, "ERR_INVALID_HANDLE_TYPE", "This handle type cannot be sent");

/** `ERR_INVALID_FD_TYPE`. */
export const invalidFdType = (type: string): Error =>
  coded(TypeError, "ERR_INVALID_FD_TYPE", `Unsupported fd type: ${type}`);

/** `ERR_INVALID_IP_ADDRESS`. */
export const invalidIpAddress = (address: unknown): Error =>
  coded(TypeError, "ERR_INVALID_IP_ADDRESS", `Invalid IP address: ${String(address)}`);

/** `ERR_INVALID_ADDRESS_FAMILY`. */
export function invalidFamily(family: unknown, host: unknown, port: unknown): Error {
  const message = `Invalid address family: ${String(family)} ${String(host)}:${String(port)}`;
  return Object.assign(coded(RangeError, "ERR_INVALID_ADDRESS_FAMILY", message), { host, port });
}

/** `ERR_MISSING_ARGS`; the names are alternatives. */
export function missingArguments(...names: string[]): Error {
  const shown = names.map((name) => `"${name}"`).join(" or ");
  return coded(TypeError, "ERR_MISSING_ARGS", `The ${shown} argument must be specified`);
}

/** A port, 0 to 65535, from a number or a string. `ERR_SOCKET_BAD_PORT` otherwise. */
export function validPort(value: unknown, name = "Port", allowZero = true): number {
  const isText = typeof value === "string";
  const number = Number(value);
  if (
    (typeof value !== "number" && !isText) ||
    (isText && value.trim().length === 0) ||
    number !== number >>> 0 ||
    number > 0xffff ||
    (number === 0 && !allowZero)
  ) {
    const least = allowZero ? ">=" : ">";
    throw coded(
      RangeError,
      "ERR_SOCKET_BAD_PORT",
      `${name} should be ${least} 0 and < 65536. Received ${received(value)}.`,
    );
  }
  return number | 0;
}

/** `ERR_SOCKET_BAD_TYPE`. */
export const badSocketType = (): Error =>
  coded(TypeError, "ERR_SOCKET_BAD_TYPE", "Bad socket type specified. Valid types are: udp4, udp6");

/** `ERR_SOCKET_DGRAM_NOT_RUNNING`. */
export const dgramNotRunning = (): Error => coded(Error, "ERR_SOCKET_DGRAM_NOT_RUNNING", "Not running");

/** `ERR_SOCKET_ALREADY_BOUND`. */
export const alreadyBound = (): Error => coded(Error, "ERR_SOCKET_ALREADY_BOUND", "Socket is already bound");

/** `ERR_SOCKET_DGRAM_IS_CONNECTED`. */
export const dgramConnected = (): Error => coded(Error, "ERR_SOCKET_DGRAM_IS_CONNECTED", "Already connected");

/** `ERR_SOCKET_DGRAM_NOT_CONNECTED`. */
export const dgramNotConnected = (): Error => coded(Error, "ERR_SOCKET_DGRAM_NOT_CONNECTED", "Not connected");

/** `ERR_BUFFER_OUT_OF_BOUNDS`. */
export const outOfBounds = (name: string): Error =>
  coded(RangeError, "ERR_BUFFER_OUT_OF_BOUNDS", `"${name}" is outside of buffer bounds`);
