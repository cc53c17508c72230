/** Attributes of open files: `FileHandle.stat`, `truncate`, `sync`, `chmod` and their like. */
import type { BigIntStats, Stats } from "node:fs";
import type { Descriptor } from "./descriptor.js";
import { onDescriptor, submitOn } from "./handle-io.js";
import {
  F_BIGINT,
  OP_FCHMOD,
  OP_FCHOWN,
  OP_FDATASYNC,
  OP_FSTAT,
  OP_FSYNC,
  OP_FTRUNCATE,
  OP_FUTIMES,
} from "./ops.js";
import { osError } from "./os-errors.js";
import { refuseWhenRestricted } from "./permission.js";
import { plain } from "./request.js";
import { statOperation, validStatOptions } from "./stats.js";
import { putTimes } from "./times.js";
import { signalOf, unixSeconds, validId, validInteger, validMode } from "./validate.js";

const FSTAT = statOperation(OP_FSTAT, "fstat");
const FTRUNCATE = plain(OP_FTRUNCATE, "ftruncate");
const FSYNC = plain(OP_FSYNC, "fsync");
const FDATASYNC = plain(OP_FDATASYNC, "fdatasync");
const FCHMOD = plain(OP_FCHMOD, "fchmod");
const FCHOWN = plain(OP_FCHOWN, "fchown");
const FUTIMES = plain(OP_FUTIMES, "futime");

/** `FileHandle.stat`. */
export function stat(
  descriptor: Descriptor,
  options: { bigint?: boolean | undefined },
): Promise<Stats | BigIntStats> {
  validStatOptions(options);
  const request = onDescriptor(FSTAT, descriptor, options.bigint === true ? F_BIGINT : 0);
  return submitOn(descriptor, request, signalOf(options));
}

/** `FileHandle.truncate`. */
export function truncate(descriptor: Descriptor, length: unknown, options: unknown): Promise<void> {
  const request = onDescriptor(FTRUNCATE, descriptor);
  request.extra = Math.max(0, validInteger(length, "len"));
  return submitOn(descriptor, request, signalOf(options));
}

/** `FileHandle.sync`. */
export function sync(descriptor: Descriptor, options: unknown): Promise<void> {
  return submitOn(descriptor, onDescriptor(FSYNC, descriptor), signalOf(options));
}

/** `FileHandle.datasync`. */
export function datasync(descriptor: Descriptor, options: unknown): Promise<void> {
  return submitOn(descriptor, onDescriptor(FDATASYNC, descriptor), signalOf(options));
}

/** `FileHandle.chmod`. */
export function chmod(descriptor: Descriptor, mode: unknown, options: unknown): Promise<void> {
  refuseWhenRestricted("fchmod");
  const request = onDescriptor(FCHMOD, descriptor);
  request.arg1 = validMode(mode, "mode");
  return submitOn(descriptor, request, signalOf(options));
}

/** `FileHandle.chown`. */
export function chown(descriptor: Descriptor, uid: unknown, gid: unknown, options: unknown): Promise<void> {
  refuseWhenRestricted("fchown");
  const request = onDescriptor(FCHOWN, descriptor);
  request.arg0 = validId(uid, "uid");
  request.arg1 = validId(gid, "gid");
  return submitOn(descriptor, request, signalOf(options));
}

/** `FileHandle.utimes`. */
export function utimes(
  descriptor: Descriptor,
  atime: unknown,
  mtime: unknown,
  options: unknown,
): Promise<void> {
  refuseWhenRestricted("futimes");
  const access = unixSeconds(atime, "atime");
  const modification = unixSeconds(mtime, "mtime");
  const request = onDescriptor(FUTIMES, descriptor);
  const errno = putTimes(request, access, modification);
  return errno === 0
    ? submitOn(descriptor, request, signalOf(options))
    : Promise.reject(osError(errno, "futime"));
}
