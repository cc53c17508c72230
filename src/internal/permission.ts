/**
 * Node's permission model. Where it is on, a call goes to the engine only when Node grants all that it may need; in every
 * other case Node's own function is called, which refuses with its own error or knows better.
 */
import { constants } from "node:fs";
import fsp from "node:fs/promises";
import { plainError } from "./node-errors.js";
import { shownPath } from "./os-errors.js";
import type { Path } from "./request.js";

/** Node's own functions, as they were when this module was loaded. */
export const node = { ...fsp };

/** True when the process runs under the permission model. */
export const restricted: boolean = process.permission !== undefined;

/** Whether `path` may be read. Call only when {@link restricted}. */
export function mayRead(path: Path): boolean {
  return process.permission?.has("fs.read", shownPath(path)) === true;
}

/** Whether `path` may be written. Call only when {@link restricted}. */
export function mayWrite(path: Path): boolean {
  return process.permission?.has("fs.write", shownPath(path)) === true;
}

/** Whether `path` may be opened with `flags`. Call only when {@link restricted}. */
export function mayOpen(path: Path, flags: number): boolean {
  if (flags === constants.O_RDONLY) {
    return mayRead(path);
  }
  const access = flags & (constants.O_RDONLY | constants.O_WRONLY | constants.O_RDWR);
  return mayWrite(path) && (access === constants.O_WRONLY || mayRead(path));
}

/** Refuses what Node refuses on open descriptors: they could change what a path's permission does not cover. */
export function refuseWhenRestricted(api: string): void {
  if (restricted) {
    const message = `${api} API is disabled when Permission Model is enabled.`;
    throw Object.assign(plainError(Error, "ERR_ACCESS_DENIED", message), { permission: "", resource: "" });
  }
}
