/**
 * `maniac/fs`: files, with the functions of `node:fs/promises`.
 *
 * Replace `node:fs/promises` by `maniac/fs`: names, argument forms, results and errors are the same, and every call
 * takes `{ signal }`. Beyond Node there are {@link readMany}, {@link allocAligned}, `constants.O_DIRECT` and
 * {@link FileHandle.copyTo}; of `node:fs`, {@link createReadStream} and {@link createWriteStream}.
 *
 * Each operation is told on `node:diagnostics_channel`: `tracingChannel("maniac:fs")` gives its subscribers an {@link FsMessage}.
 *
 * @module
 */
import { constants } from "node:fs";
import { cp } from "./internal/cp.js";
import { Dir, opendir } from "./internal/dir.js";
import { mkdir, mkdtemp, mkdtempDisposable, readdir, rmdir } from "./internal/directories.js";
import { FileHandle, open } from "./internal/file-handle.js";
import { appendFile, readFile, writeFile } from "./internal/files.js";
import { glob } from "./internal/glob.js";
import { copyFile, link, readlink, realpath, rename, symlink, unlink } from "./internal/links.js";
import {
  access,
  chmod,
  chown,
  lchmod,
  lchown,
  lstat,
  lutimes,
  stat,
  statfs,
  truncate,
  utimes,
} from "./internal/meta.js";
import { createReadStream, createWriteStream } from "./internal/path-streams.js";
import { readMany } from "./internal/read-many.js";
import { allocAligned } from "./internal/regions.js";
import { rm } from "./internal/remove.js";
import { watch } from "./internal/watch.js";

export type { CopyOptions, CopyTarget } from "./internal/copy.js";
export type { CpOptions } from "./internal/cp.js";
export type { FsMessage } from "./internal/diagnostics.js";
export type { CloseCallback, OpenDirOptions, ReadCallback } from "./internal/dir.js";
export type { DisposableTempDir } from "./internal/directories.js";
export type {
  HandleReadFileOptions,
  ReadOptions,
  ReadOptionsWithBuffer,
  WritableContent,
  WriteOptions,
  WriteResult,
} from "./internal/file-handle.js";
export type { AnyFileHandle, ReadFileOptions, Writable, WriteFileOptions } from "./internal/files.js";
export type { GlobOptions } from "./internal/glob.js";
export type { BufferNameOptions, NameOptions } from "./internal/links.js";
export type { ReadManyEntry, ReadManyOptions } from "./internal/read-many.js";
export type { WebStreamOptions } from "./internal/web-stream.js";
export {
  access,
  allocAligned,
  appendFile,
  chmod,
  chown,
  constants,
  copyFile,
  cp,
  createReadStream,
  createWriteStream,
  Dir,
  FileHandle,
  glob,
  lchmod,
  lchown,
  link,
  lstat,
  lutimes,
  mkdir,
  mkdtemp,
  mkdtempDisposable,
  open,
  opendir,
  readdir,
  readFile,
  readlink,
  readMany,
  realpath,
  rename,
  rm,
  rmdir,
  stat,
  statfs,
  symlink,
  truncate,
  unlink,
  utimes,
  watch,
  writeFile,
};

/**
 * All of this module as one object, as `node:fs` has its `promises`.
 *
 * @example
 * ```ts
 * import { promises as fs } from "maniac/fs";
 *
 * console.log(await fs.readdir("."));
 * ```
 */
export const promises = {
  /** The same as {@link access}. */
  access,
  /** The same as {@link allocAligned}. */
  allocAligned,
  /** The same as {@link appendFile}. */
  appendFile,
  /** The same as {@link chmod}. */
  chmod,
  /** The same as {@link chown}. */
  chown,
  /** Node's `fs.constants`. */
  constants,
  /** The same as {@link copyFile}. */
  copyFile,
  /** The same as {@link cp}. */
  cp,
  /** The same as {@link createReadStream}. */
  createReadStream,
  /** The same as {@link createWriteStream}. */
  createWriteStream,
  /** The same as {@link Dir}. */
  Dir,
  /** The same as {@link FileHandle}. */
  FileHandle,
  /** The same as {@link glob}. */
  glob,
  /** The same as {@link lchmod}. */
  lchmod,
  /** The same as {@link lchown}. */
  lchown,
  /** The same as {@link link}. */
  link,
  /** The same as {@link lstat}. */
  lstat,
  /** The same as {@link lutimes}. */
  lutimes,
  /** The same as {@link mkdir}. */
  mkdir,
  /** The same as {@link mkdtemp}. */
  mkdtemp,
  /** The same as {@link mkdtempDisposable}. */
  mkdtempDisposable,
  /** The same as {@link open}. */
  open,
  /** The same as {@link opendir}. */
  opendir,
  /** The same as {@link readdir}. */
  readdir,
  /** The same as {@link readFile}. */
  readFile,
  /** The same as {@link readlink}. */
  readlink,
  /** The same as {@link readMany}. */
  readMany,
  /** The same as {@link realpath}. */
  realpath,
  /** The same as {@link rename}. */
  rename,
  /** The same as {@link rm}. */
  rm,
  /** The same as {@link rmdir}. */
  rmdir,
  /** The same as {@link stat}. */
  stat,
  /** The same as {@link statfs}. */
  statfs,
  /** The same as {@link symlink}. */
  symlink,
  /** The same as {@link truncate}. */
  truncate,
  /** The same as {@link unlink}. */
  unlink,
  /** The same as {@link utimes}. */
  utimes,
  /** Node's own `watch`. */
  watch,
  /** The same as {@link writeFile}. */
  writeFile,
};

export default promises;
