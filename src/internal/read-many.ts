/** Many whole files with bounded look-ahead: `readMany`. */
import type { Abortable } from "node:events";
import type { PathLike } from "node:fs";
import { readFile } from "./files.js";
import { abortError } from "./node-errors.js";
import { validInteger, validSignal } from "./validate.js";

/** Files read ahead of the consumer unless told otherwise. */
const CONCURRENCY = 64;
const MAX_CONCURRENCY = 4096;

/** Options of {@link readMany}. */
export interface ReadManyOptions<E extends BufferEncoding | undefined = BufferEncoding | undefined>
  extends Abortable {
  /** Files in flight or waiting for the consumer, at most: 1 to 4096. Default 64. */
  concurrency?: number | undefined;
  /** Gives strings instead of Buffers. */
  encoding?: E;
}

/** One file of {@link readMany}: its data, or the error that it ended with. */
export type ReadManyEntry<P extends PathLike = PathLike, T = Buffer> =
  | {
      /** Its place in `paths`, from 0. */
      readonly index: number;
      /** As it was given. */
      readonly path: P;
      /** The whole file. */
      readonly data: T;
      /** Absent on success. */
      readonly error?: undefined;
    }
  | {
      /** Its place in `paths`, from 0. */
      readonly index: number;
      /** As it was given. */
      readonly path: P;
      /** Absent on failure. */
      readonly data?: undefined;
      /** What went wrong with this file; the others are read all the same. */
      readonly error: Error;
    };

/**
 * Reads many files, in the order of `paths`, some ahead of the consumer. A file that cannot be read gives an entry with
 * `error`; the others go on. Memory is bounded by `concurrency` files.
 *
 * Cancel safety: an abort ends the iteration with `AbortError`, and so does leaving the loop end the reads.
 *
 * @param paths - an iterable or async iterable of paths; taken from only as far as the look-ahead needs.
 * @param options - `concurrency`, `encoding`, `signal`.
 *
 * @example
 * ```ts
 * import { readMany } from "maniac/fs";
 *
 * for await (const { path, data, error } of readMany(["a.txt", "b.txt"], { concurrency: 32 })) {
 *   console.log(path, error === undefined ? data.length : error.message);
 * }
 * ```
 */
export function readMany<P extends PathLike>(
  paths: Iterable<P> | AsyncIterable<P>,
  options: ReadManyOptions<BufferEncoding> & { encoding: BufferEncoding },
): AsyncGenerator<ReadManyEntry<P, string>, undefined, undefined>;
export function readMany<P extends PathLike>(
  paths: Iterable<P> | AsyncIterable<P>,
  options?: ReadManyOptions<undefined>,
): AsyncGenerator<ReadManyEntry<P>, undefined, undefined>;
export function readMany<P extends PathLike>(
  paths: Iterable<P> | AsyncIterable<P>,
  options: ReadManyOptions = {},
): AsyncGenerator<ReadManyEntry<P, Buffer | string>, undefined, undefined> {
  const concurrency = validInteger(
    options.concurrency ?? CONCURRENCY,
    "options.concurrency",
    1,
    MAX_CONCURRENCY,
  );
  const signal = validSignal(options.signal, "options.signal");
  return generate(paths, concurrency, options.encoding, signal);
}

async function* generate<P extends PathLike>(
  paths: Iterable<P> | AsyncIterable<P>,
  concurrency: number,
  encoding: BufferEncoding | undefined,
  signal: AbortSignal | undefined,
): AsyncGenerator<ReadManyEntry<P, Buffer | string>, undefined, undefined> {
  // One signal for all files: leaving the loop aborts what is still under way.
  const controller = new AbortController();
  const abort = (): void => controller.abort(signal?.reason);
  signal?.addEventListener("abort", abort, { once: true });
  const ahead: Promise<ReadManyEntry<P, Buffer | string>>[] = [];
  const source = iterate(paths);
  try {
    let index = 0;
    let exhausted = false;
    for (;;) {
      while (!exhausted && ahead.length < concurrency) {
        throwIfAborted(signal);
        const next = await source.next();
        if (next.done) {
          exhausted = true;
        } else {
          ahead.push(readOne(index++, next.value, encoding, controller.signal));
        }
      }
      const first = ahead.shift();
      if (first === undefined) {
        return undefined;
      }
      const entry = await first;
      throwIfAborted(signal);
      yield entry;
    }
  } finally {
    signal?.removeEventListener("abort", abort);
    controller.abort();
    await source.return?.();
  }
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) {
    throw abortError(signal);
  }
}

async function readOne<P extends PathLike>(
  index: number,
  path: P,
  encoding: BufferEncoding | undefined,
  signal: AbortSignal,
): Promise<ReadManyEntry<P, Buffer | string>> {
  try {
    return { index, path, data: await readFile(path, { encoding, signal }) };
  } catch (error) {
    return { index, path, error: error as Error };
  }
}

interface Source<P> {
  next(): Promise<IteratorResult<P, unknown>> | IteratorResult<P, unknown>;
  return?(): unknown;
}

function iterate<P>(paths: Iterable<P> | AsyncIterable<P>): Source<P> {
  return Symbol.asyncIterator in paths ? paths[Symbol.asyncIterator]() : paths[Symbol.iterator]();
}
