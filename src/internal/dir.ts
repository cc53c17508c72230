/** Open directories: `opendir` and `Dir`. */
import type { Abortable } from "node:events";
import fs, { type Dirent, type ObjectEncodingOptions, type PathLike } from "node:fs";
import { join } from "node:path";
import { direntsFrom, direntsNow } from "./dirents.js";
import { decodeListing, type Listing, type NameEncoding, nameEncoding } from "./names.js";
import { dirClosed, dirConcurrentOperation } from "./node-errors.js";
import { F_TYPES, OP_CLOSE_DIR, OP_NEXT_DIR, OP_OPEN_DIR } from "./ops.js";
import { mayRead, node, restricted } from "./permission.js";
import { type Operation, type Path, plain, Request } from "./request.js";
import { run, runNow, runWith } from "./run.js";
import {
  encodingOptions,
  NODE_MAJOR,
  validFunction,
  validPath,
  validSignal,
  validUint32,
} from "./validate.js";

/** Options of {@link opendir}. */
export interface OpenDirOptions extends ObjectEncodingOptions, Abortable {
  /** Entries fetched at a time. Default 32. */
  bufferSize?: number | undefined;
  /** Whether the entries of directories below are given too. Default false. */
  recursive?: boolean | undefined;
}

const OPEN_DIR: Operation = {
  code: OP_OPEN_DIR,
  steps: ["opendir"],
  finish: (_request, completion) => completion.result,
  dispose: (directory) => {
    run(onDirectory(CLOSE_DIR, directory as number)).catch(() => undefined);
  },
};

const NEXT_DIR: Operation = {
  code: OP_NEXT_DIR,
  steps: ["scandir"],
  finish: (request, completion) =>
    decodeListing(completion, completion.result, true, request.context as NameEncoding),
};

const CLOSE_DIR = plain(OP_CLOSE_DIR, "closedir");

function onDirectory(operation: Operation, directory: number, flags = 0): Request {
  const request = new Request(operation, flags);
  request.fd = directory;
  return request;
}

function openRequest(path: Path): Request {
  const request = new Request(OPEN_DIR);
  request.path = path;
  return request;
}

/** One level of a directory walk. */
interface Level {
  readonly directory: number;
  readonly path: Path;
}

/** Entries fetched at a time, at most, whatever `bufferSize` says. */
const MAX_BATCH = 65_536;

/** Directories whose object was collected without having been closed. */
const forgotten = new FinalizationRegistry<Level[]>((levels) => {
  if (levels.length !== 0) {
    process.emitWarning("Closing directory handle on garbage collection");
    for (const { directory } of levels.splice(0)) {
      run(onDirectory(CLOSE_DIR, directory)).catch(() => undefined);
    }
  }
});

/** Called with the next entry, or `null` at the end. */
export type ReadCallback = (error: Error | null, entry: Dirent | null) => void;
/** Called when the directory is closed. */
export type CloseCallback = (error?: Error | null) => void;

/**
 * An open directory, read entry by entry. Made by {@link opendir}.
 *
 * @example
 * ```ts
 * import { opendir } from "maniac/fs";
 *
 * for await (const entry of await opendir("src", { recursive: true })) {
 *   console.log(entry.parentPath, entry.name);
 * }
 * ```
 */
export class Dir {
  readonly #path: Path;
  readonly #encoding: NameEncoding;
  readonly #bufferSize: number;
  readonly #recursive: boolean;
  /** The directory itself first; with `recursive` those below it, as they are found. */
  readonly #levels: Level[];
  #buffered: Dirent[] = [];
  #closed = false;
  /** The last asynchronous call; calls are served in turn. */
  #last: Promise<unknown> = Promise.resolve();
  #pending = 0;

  /** @internal */
  constructor(directory: number, path: Path, encoding: NameEncoding, bufferSize: number, recursive: boolean) {
    this.#path = path;
    this.#encoding = encoding;
    this.#bufferSize = bufferSize;
    this.#recursive = recursive;
    this.#levels = [{ directory, path }];
    forgotten.register(this, this.#levels);
  }

  static {
    // `instanceof fs.Dir` holds, without calling Node's constructor.
    Object.setPrototypeOf(Dir.prototype, fs.Dir.prototype);
  }

  /** The path that was given to {@link opendir}. */
  get path(): string {
    return this.#path as string;
  }

  /** Gives the next entry, in no order, or `null` at the end. */
  read(): Promise<Dirent | null>;
  read(callback: ReadCallback): void;
  read(callback?: ReadCallback): Promise<Dirent | null> | undefined {
    if (callback === undefined) {
      if (this.#closed && NODE_MAJOR < 22) {
        throw dirClosed();
      }
      return this.#closed ? Promise.reject(dirClosed()) : this.#inTurn(() => this.#next());
    }
    if (this.#closed) {
      throw dirClosed();
    }
    validFunction(callback, "callback");
    this.#inTurn(() => this.#next()).then(
      (entry) => callback(null, entry),
      (error) => callback(error as Error, null),
    );
  }

  /** As {@link Dir.read}, on this thread. */
  readSync(): Dirent | null {
    this.#checkSynchronous();
    for (;;) {
      const buffered = this.#buffered.shift();
      if (buffered !== undefined) {
        this.#enterNow(buffered);
        return buffered;
      }
      const level = this.#levels.at(-1);
      if (level === undefined) {
        return null;
      }
      const batch = runNow<Listing>(this.#nextRequest(level));
      if (batch.names.length === 0 && this.#levels.length === 1) {
        return null;
      }
      if (batch.names.length === 0) {
        this.#levels.pop();
        runNow(onDirectory(CLOSE_DIR, level.directory));
      } else {
        this.#buffered = direntsNow(level.path, batch.names, batch.types);
      }
    }
  }

  /** Closes the directory. */
  close(): Promise<void>;
  close(callback: CloseCallback): void;
  close(callback?: CloseCallback): Promise<void> | undefined {
    if (callback === undefined) {
      return this.#closed ? Promise.reject(dirClosed()) : this.#inTurn(() => this.#end());
    }
    validFunction(callback, "callback");
    if (this.#closed) {
      process.nextTick(callback, dirClosed());
      return;
    }
    this.#inTurn(() => this.#end()).then(
      () => callback(null),
      (error) => callback(error as Error),
    );
  }

  /** As {@link Dir.close}, on this thread. */
  closeSync(): void {
    this.#checkSynchronous();
    this.#closed = true;
    for (const { directory } of this.#levels.splice(0)) {
      runNow(onDirectory(CLOSE_DIR, directory));
    }
  }

  /** The entries, in no order. The directory is closed at the end, also when the loop is left early. */
  async *entries(): AsyncGenerator<Dirent, undefined, undefined> {
    try {
      for (;;) {
        // What has been fetched already needs no turn.
        const idle = this.#pending === 0 && !this.#closed && !this.#recursive;
        const entry = (idle ? this.#buffered.shift() : undefined) ?? (await this.read());
        if (entry === null) {
          return;
        }
        yield entry;
      }
    } finally {
      await this.close();
    }
  }

  /** The same as {@link Dir.entries}. */
  [Symbol.asyncIterator](): AsyncGenerator<Dirent, undefined, undefined> {
    return this.entries();
  }

  /** Closes the directory if it is open, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#closed) {
      await this.close();
    }
  }

  /** Closes the directory if it is open, for `using`. */
  [Symbol.dispose](): void {
    if (!this.#closed) {
      this.closeSync();
    }
  }

  #checkSynchronous(): void {
    if (this.#closed) {
      throw dirClosed();
    }
    if (this.#pending !== 0) {
      throw dirConcurrentOperation();
    }
  }

  #inTurn<T>(operation: () => Promise<T>): Promise<T> {
    this.#pending++;
    const done = this.#last.then(operation).finally(() => {
      this.#pending--;
    });
    this.#last = done.catch(() => undefined);
    return done;
  }

  #nextRequest(level: Level): Request {
    const request = onDirectory(NEXT_DIR, level.directory, F_TYPES);
    request.arg0 = Math.min(this.#bufferSize, MAX_BATCH);
    request.context = this.#encoding;
    return request;
  }

  async #next(): Promise<Dirent | null> {
    if (this.#closed) {
      throw dirClosed();
    }
    for (;;) {
      const buffered = this.#buffered.shift();
      if (buffered !== undefined) {
        await this.#enter(buffered);
        return buffered;
      }
      const level = this.#levels.at(-1);
      if (level === undefined) {
        return null;
      }
      const batch = await run<Listing>(this.#nextRequest(level));
      if (batch.names.length !== 0) {
        this.#buffered = await direntsFrom(level.path, batch.names, batch.types);
      } else if (this.#levels.length === 1) {
        return null;
      } else {
        this.#levels.pop();
        await run(onDirectory(CLOSE_DIR, level.directory));
      }
    }
  }

  async #enter(entry: Dirent): Promise<void> {
    if (this.#recursive && entry.isDirectory()) {
      const path = pathBelow(entry);
      this.#levels.push({ directory: await run(openRequest(path)), path });
    }
  }

  #enterNow(entry: Dirent): void {
    if (this.#recursive && entry.isDirectory()) {
      const path = pathBelow(entry);
      this.#levels.push({ directory: runNow(openRequest(path)), path });
    }
  }

  async #end(): Promise<void> {
    if (this.#closed) {
      throw dirClosed();
    }
    this.#closed = true;
    await Promise.all(this.#levels.splice(0).map(({ directory }) => run(onDirectory(CLOSE_DIR, directory))));
  }
}

function pathBelow(entry: Dirent): string {
  return join(entry.parentPath, entry.name);
}

/**
 * Opens a directory for reading entry by entry.
 *
 * Cancel safety: a directory that is opened after an abort is closed again.
 *
 * @param path - the directory.
 * @param options - an encoding of the names, or an object with `encoding`, `bufferSize`, `recursive` and `signal`.
 *
 * @example
 * ```ts
 * import { opendir } from "maniac/fs";
 *
 * await using directory = await opendir(".");
 * console.log((await directory.read())?.name);
 * ```
 */
export async function opendir(
  path: PathLike,
  options?: OpenDirOptions | BufferEncoding | null,
): Promise<Dir> {
  const valid = validPath(path);
  const { encoding, bufferSize, recursive, signal } = {
    bufferSize: 32,
    ...encodingOptions<OpenDirOptions>(options, {}),
  };
  if (restricted && !mayRead(valid)) {
    return (await node.opendir(
      path,
      options as OpenDirOptions & { encoding: BufferEncoding },
    )) as unknown as Dir;
  }
  const directory = await runWith<number>(openRequest(valid), validSignal(signal, "options.signal"));
  try {
    const size = validUint32(bufferSize, "options.bufferSize", true);
    return new Dir(directory, valid, nameEncoding(encoding), size, Boolean(recursive));
  } catch (error) {
    await run(onDirectory(CLOSE_DIR, directory));
    throw error;
  }
}
