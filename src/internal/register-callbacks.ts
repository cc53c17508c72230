/**
 * The callback forms of `node:fs` over this package's functions. Which arguments they take is Node's to say: a call whose arguments Node
 * might refuse on the spot, or that names what only Node knows, goes to Node's own function.
 */
import type { PathLike } from "node:fs";
import * as maniac from "../fs.js";
import { FileHandle } from "./file-handle.js";
import { isView } from "./validate.js";

/** A function of a module, whatever it takes. */
// biome-ignore lint/suspicious/noExplicitAny: functions of any module are called through it
export type AnyFunction = (...values: any[]) => any;
type Callback = (...values: unknown[]) => void;

/** Does a call; `undefined` if it is Node's to do. */
export type Attempt = (values: readonly unknown[]) => Promise<readonly unknown[]> | undefined;

/** Descriptors of the standard streams: a read may wait there for ever, which is Node's to cope with. */
const STANDARD = 2;

/** Bytes of one read or write at most. */
const MOST_BYTES = 2 ** 31 - 1;

function isPath(value: unknown): boolean {
  if (typeof value === "string") return value !== "" && !value.includes("\0");
  return value instanceof URL
    ? value.protocol === "file:"
    : value instanceof Uint8Array && !value.includes(0);
}

function isDescriptor(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) > STANDARD && (value as number) < 2 ** 31;
}

function isOptions(value: unknown): boolean {
  if (typeof value !== "object" || value === null) {
    return value === undefined || value === null || Buffer.isEncoding(value as string);
  }
  const { signal } = value as { signal?: unknown };
  return signal === undefined || (typeof signal === "object" && signal !== null && "aborted" in signal);
}

/** What a promise gives, as a callback takes it after the error. */
const results = (value: unknown): readonly unknown[] => (value === undefined ? [] : [value]);

/** A function of one or more paths, and what may follow them. */
function byPath(ours: AnyFunction, paths = 1): Attempt {
  return (values) => {
    if (!values.slice(0, paths).every(isPath) || values.length < paths) return undefined;
    return (ours(...values) as Promise<unknown>).then(results);
  };
}

/** As {@link byPath}; after the path there are options only. */
function withOptions(ours: AnyFunction): Attempt {
  const attempt = byPath(ours);
  return (values) => (values.length <= 2 && isOptions(values[1]) ? attempt(values) : undefined);
}

/** As {@link byPath}; the path is followed by data, and that by options. */
function withData(ours: AnyFunction): Attempt {
  const attempt = byPath(ours);
  return (values) => {
    const [, data, options] = values;
    const plain = typeof data === "string" || isView(data);
    return plain && values.length <= 3 && isOptions(options) ? attempt(values) : undefined;
  };
}

/** A method of a file handle, over a descriptor's number, which stays the program's. */
function byDescriptor(method: string, shape: (value: never) => readonly unknown[] = results): Attempt {
  return ([fd, ...values]) => {
    if (!isDescriptor(fd)) return undefined;
    const handle = FileHandle.adopt(fd) as unknown as Record<string, AnyFunction>;
    return ((handle[method] as AnyFunction)(...values) as Promise<never>).then(shape);
  };
}

interface Counted {
  readonly bytesRead?: number;
  readonly bytesWritten?: number;
  readonly buffer?: unknown;
  readonly buffers?: unknown;
}
const counted = ({ bytesRead, bytesWritten, buffer, buffers }: Counted): readonly unknown[] => [
  bytesRead ?? bytesWritten,
  buffer ?? buffers,
];

/** Whether offset and length, as far as there are any, lie within a buffer. */
function isWithin(data: NodeJS.ArrayBufferView, offset: unknown, length: unknown): boolean {
  const from = offset ?? 0;
  if (!Number.isInteger(from) || (from as number) < 0) return false;
  const room = data.byteLength - (from as number);
  const count = length ?? room;
  return Number.isInteger(count) && (count as number) >= 0 && (count as number) <= Math.min(room, MOST_BYTES);
}

const isPosition = (value: unknown): boolean =>
  value === undefined || value === null || Number.isSafeInteger(value);

/** Text, and maybe position and encoding. */
const text: Attempt = (values) => {
  const [, , position, encoding] = values;
  const plain =
    isPosition(position) && (encoding == null || Buffer.isEncoding(encoding as string)) && values.length <= 4;
  return plain ? byDescriptor("write", counted)(values) : undefined;
};

/** A buffer, and maybe offset, length and position; options are Node's to sort out. */
function onBuffer(method: string): Attempt {
  const attempt = byDescriptor(method, counted);
  return (values) => {
    const [, data, offset, length, position] = values;
    const plain =
      isView(data) && isWithin(data, offset, length) && isPosition(position) && values.length <= 5;
    return plain ? attempt(values) : undefined;
  };
}

/** Several buffers, and maybe a position. */
function onBuffers(method: string): Attempt {
  const attempt = byDescriptor(method, counted);
  return (values) => {
    const [, data, position] = values;
    const plain = Array.isArray(data) && data.every(isView) && isPosition(position) && values.length <= 3;
    return plain ? attempt(values) : undefined;
  };
}

const buffer = onBuffer("write");
const copied = byPath(maniac.cp, 2);
const looked = withOptions(maniac.stat);

/** How a callback function of `node:fs` is done; those that are not here stay Node's. */
export const ATTEMPTS: Readonly<Record<string, Attempt>> = {
  access: byPath(maniac.access),
  appendFile: withData(maniac.appendFile),
  chmod: byPath(maniac.chmod),
  chown: byPath(maniac.chown),
  copyFile: byPath(maniac.copyFile, 2),
  // Node passes what its promise gave: nothing, but passed.
  cp: (values) => copied(values)?.then(() => [undefined]),
  fchmod: byDescriptor("chmod"),
  fchown: byDescriptor("chown"),
  fdatasync: byDescriptor("datasync"),
  fstat: byDescriptor("stat"),
  fsync: byDescriptor("sync"),
  ftruncate: byDescriptor("truncate"),
  futimes: byDescriptor("utimes"),
  lchown: byPath(maniac.lchown),
  link: byPath(maniac.link, 2),
  lstat: withOptions(maniac.lstat),
  lutimes: byPath(maniac.lutimes),
  mkdir: byPath(maniac.mkdir),
  mkdtemp: withOptions(maniac.mkdtemp),
  opendir: withOptions(maniac.opendir),
  read: onBuffer("read"),
  readdir: withOptions(maniac.readdir),
  readFile: withOptions(maniac.readFile),
  readlink: withOptions(maniac.readlink),
  readv: onBuffers("readv"),
  rename: byPath(maniac.rename, 2),
  rm: withOptions(maniac.rm),
  rmdir: withOptions(maniac.rmdir),
  // Of a file that may be missing Node passes that there is nothing.
  stat: (values) => looked(values)?.then((found) => (found.length === 0 ? [undefined] : found)),
  statfs: withOptions(maniac.statfs),
  symlink: byPath(maniac.symlink, 2),
  truncate: byPath(maniac.truncate),
  unlink: byPath(maniac.unlink),
  utimes: byPath(maniac.utimes),
  write: (values) => (typeof values[1] === "string" ? text : buffer)(values),
  writeFile: withData(maniac.writeFile),
  writev: onBuffers("writev"),
};

/** `realpath.native`: the other form tells of errors as its own walk meets them, and stays Node's. */
export const realpathNative: Attempt = withOptions(maniac.realpath);

/** `exists`, which tells nothing but whether. */
export const exists: Attempt = ([path]) =>
  isPath(path)
    ? maniac.access(path as PathLike).then(
        () => [true],
        () => [false],
      )
    : undefined;

/** Calls back as Node does: from the event loop, so that what it throws is the program's uncaught exception. */
export function answer(
  pending: Promise<readonly unknown[]>,
  callback: Callback,
  first: readonly unknown[],
): void {
  pending.then(
    (values) => process.nextTick(callback, ...first, ...values),
    (error: unknown) => process.nextTick(callback, error),
  );
}
