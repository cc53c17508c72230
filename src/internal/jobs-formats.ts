/** The formats of `maniac/jobs` by name: each in one call, or as a stream, both ways. */
import type { JobInput, Results } from "./jobs-input.js";
import {
  type BrotliOptions,
  Coder,
  code,
  type Format,
  type ZlibOptions,
  type ZstdOptions,
} from "./jobs-zlib.js";

function coded<D>(format: Format, data: D, options: unknown): Promise<Results<D, Buffer>> {
  return code(format, data, options) as Promise<Results<D, Buffer>>;
}

/**
 * Compresses data as gzip.
 *
 * @param data - one input, or an array of them.
 * @param options - how.
 *
 * @example
 * ```ts
 * import { gzip, gunzip } from "maniac/jobs";
 *
 * const small = await gzip("again and again and again and again and again");
 * console.log(small.length, (await gunzip(small)).toString());
 * ```
 */
export function gzip<D extends JobInput | readonly JobInput[]>(
  data: D,
  options?: ZlibOptions,
): Promise<Results<D, Buffer>> {
  return coded("gzip", data, options);
}

/**
 * Undoes {@link gzip}.
 *
 * @param data - one input, or an array of them.
 * @param options - how; `maxOutputLength` keeps a small input from becoming a huge result.
 *
 * @example
 * ```ts
 * import { gzip, gunzip } from "maniac/jobs";
 *
 * const bomb = await gzip(Buffer.alloc(1_000_000));
 * await gunzip(bomb, { maxOutputLength: 65_536 }).catch((error) => console.log(error.code)); // ERR_BUFFER_TOO_LARGE
 * ```
 */
export function gunzip<D extends JobInput | readonly JobInput[]>(
  data: D,
  options?: ZlibOptions,
): Promise<Results<D, Buffer>> {
  return coded("gunzip", data, options);
}

/**
 * A stream that compresses as gzip.
 *
 * @param options - how.
 *
 * @example
 * ```ts
 * import { createGzip, createGunzip } from "maniac/jobs";
 *
 * const compressor = createGzip();
 * compressor.end("again and again and again and again");
 * for await (const text of compressor.pipe(createGunzip())) console.log(text.toString());
 * ```
 */
export function createGzip(options?: ZlibOptions): Coder {
  return new Coder("gzip", options);
}

/**
 * A stream that undoes {@link createGzip}.
 *
 * @param options - how; `maxOutputLength` counts all of its output.
 *
 * @example
 * ```ts
 * import { gzip, createGunzip } from "maniac/jobs";
 *
 * const stream = createGunzip({ maxOutputLength: 65_536 });
 * stream.end(await gzip("text"));
 * for await (const text of stream) console.log(text.toString()); // text
 * ```
 */
export function createGunzip(options?: ZlibOptions): Coder {
  return new Coder("gunzip", options);
}

/**
 * Compresses data as zlib (deflate with a header).
 *
 * @param data - one input, or an array of them.
 * @param options - how.
 *
 * @example
 * ```ts
 * import { deflate, inflate } from "maniac/jobs";
 *
 * const small = await deflate("again and again and again and again and again");
 * console.log(small.length, (await inflate(small)).toString());
 * ```
 */
export function deflate<D extends JobInput | readonly JobInput[]>(
  data: D,
  options?: ZlibOptions,
): Promise<Results<D, Buffer>> {
  return coded("deflate", data, options);
}

/**
 * Undoes {@link deflate}.
 *
 * @param data - one input, or an array of them.
 * @param options - how; `maxOutputLength` keeps a small input from becoming a huge result.
 *
 * @example
 * ```ts
 * import { deflate, inflate } from "maniac/jobs";
 *
 * const bomb = await deflate(Buffer.alloc(1_000_000));
 * await inflate(bomb, { maxOutputLength: 65_536 }).catch((error) => console.log(error.code)); // ERR_BUFFER_TOO_LARGE
 * ```
 */
export function inflate<D extends JobInput | readonly JobInput[]>(
  data: D,
  options?: ZlibOptions,
): Promise<Results<D, Buffer>> {
  return coded("inflate", data, options);
}

/**
 * A stream that compresses as zlib (deflate with a header).
 *
 * @param options - how.
 *
 * @example
 * ```ts
 * import { createDeflate, createInflate } from "maniac/jobs";
 *
 * const compressor = createDeflate();
 * compressor.end("again and again and again and again");
 * for await (const text of compressor.pipe(createInflate())) console.log(text.toString());
 * ```
 */
export function createDeflate(options?: ZlibOptions): Coder {
  return new Coder("deflate", options);
}

/**
 * A stream that undoes {@link createDeflate}.
 *
 * @param options - how; `maxOutputLength` counts all of its output.
 *
 * @example
 * ```ts
 * import { deflate, createInflate } from "maniac/jobs";
 *
 * const stream = createInflate({ maxOutputLength: 65_536 });
 * stream.end(await deflate("text"));
 * for await (const text of stream) console.log(text.toString()); // text
 * ```
 */
export function createInflate(options?: ZlibOptions): Coder {
  return new Coder("inflate", options);
}

/**
 * Compresses data as raw deflate.
 *
 * @param data - one input, or an array of them.
 * @param options - how.
 *
 * @example
 * ```ts
 * import { deflateRaw, inflateRaw } from "maniac/jobs";
 *
 * const small = await deflateRaw("again and again and again and again and again");
 * console.log(small.length, (await inflateRaw(small)).toString());
 * ```
 */
export function deflateRaw<D extends JobInput | readonly JobInput[]>(
  data: D,
  options?: ZlibOptions,
): Promise<Results<D, Buffer>> {
  return coded("deflateRaw", data, options);
}

/**
 * Undoes {@link deflateRaw}.
 *
 * @param data - one input, or an array of them.
 * @param options - how; `maxOutputLength` keeps a small input from becoming a huge result.
 *
 * @example
 * ```ts
 * import { deflateRaw, inflateRaw } from "maniac/jobs";
 *
 * const bomb = await deflateRaw(Buffer.alloc(1_000_000));
 * await inflateRaw(bomb, { maxOutputLength: 65_536 }).catch((error) => console.log(error.code)); // ERR_BUFFER_TOO_LARGE
 * ```
 */
export function inflateRaw<D extends JobInput | readonly JobInput[]>(
  data: D,
  options?: ZlibOptions,
): Promise<Results<D, Buffer>> {
  return coded("inflateRaw", data, options);
}

/**
 * A stream that compresses as raw deflate.
 *
 * @param options - how.
 *
 * @example
 * ```ts
 * import { createDeflateRaw, createInflateRaw } from "maniac/jobs";
 *
 * const compressor = createDeflateRaw();
 * compressor.end("again and again and again and again");
 * for await (const text of compressor.pipe(createInflateRaw())) console.log(text.toString());
 * ```
 */
export function createDeflateRaw(options?: ZlibOptions): Coder {
  return new Coder("deflateRaw", options);
}

/**
 * A stream that undoes {@link createDeflateRaw}.
 *
 * @param options - how; `maxOutputLength` counts all of its output.
 *
 * @example
 * ```ts
 * import { deflateRaw, createInflateRaw } from "maniac/jobs";
 *
 * const stream = createInflateRaw({ maxOutputLength: 65_536 });
 * stream.end(await deflateRaw("text"));
 * for await (const text of stream) console.log(text.toString()); // text
 * ```
 */
export function createInflateRaw(options?: ZlibOptions): Coder {
  return new Coder("inflateRaw", options);
}

/**
 * Compresses data as brotli.
 *
 * @param data - one input, or an array of them.
 * @param options - how.
 *
 * @example
 * ```ts
 * import { brotliCompress, brotliDecompress } from "maniac/jobs";
 *
 * const small = await brotliCompress("again and again and again and again and again");
 * console.log(small.length, (await brotliDecompress(small)).toString());
 * ```
 */
export function brotliCompress<D extends JobInput | readonly JobInput[]>(
  data: D,
  options?: BrotliOptions,
): Promise<Results<D, Buffer>> {
  return coded("brotliCompress", data, options);
}

/**
 * Undoes {@link brotliCompress}.
 *
 * @param data - one input, or an array of them.
 * @param options - how; `maxOutputLength` keeps a small input from becoming a huge result.
 *
 * @example
 * ```ts
 * import { brotliCompress, brotliDecompress } from "maniac/jobs";
 *
 * const bomb = await brotliCompress(Buffer.alloc(1_000_000));
 * await brotliDecompress(bomb, { maxOutputLength: 65_536 }).catch((error) => console.log(error.code)); // ERR_BUFFER_TOO_LARGE
 * ```
 */
export function brotliDecompress<D extends JobInput | readonly JobInput[]>(
  data: D,
  options?: BrotliOptions,
): Promise<Results<D, Buffer>> {
  return coded("brotliDecompress", data, options);
}

/**
 * A stream that compresses as brotli.
 *
 * @param options - how.
 *
 * @example
 * ```ts
 * import { createBrotliCompress, createBrotliDecompress } from "maniac/jobs";
 *
 * const compressor = createBrotliCompress();
 * compressor.end("again and again and again and again");
 * for await (const text of compressor.pipe(createBrotliDecompress())) console.log(text.toString());
 * ```
 */
export function createBrotliCompress(options?: BrotliOptions): Coder {
  return new Coder("brotliCompress", options);
}

/**
 * A stream that undoes {@link createBrotliCompress}.
 *
 * @param options - how; `maxOutputLength` counts all of its output.
 *
 * @example
 * ```ts
 * import { brotliCompress, createBrotliDecompress } from "maniac/jobs";
 *
 * const stream = createBrotliDecompress({ maxOutputLength: 65_536 });
 * stream.end(await brotliCompress("text"));
 * for await (const text of stream) console.log(text.toString()); // text
 * ```
 */
export function createBrotliDecompress(options?: BrotliOptions): Coder {
  return new Coder("brotliDecompress", options);
}

/**
 * Compresses data as zstd.
 *
 * @param data - one input, or an array of them.
 * @param options - how.
 *
 * @example
 * ```ts
 * import { zstdCompress, zstdDecompress } from "maniac/jobs";
 *
 * const small = await zstdCompress("again and again and again and again and again");
 * console.log(small.length, (await zstdDecompress(small)).toString());
 * ```
 */
export function zstdCompress<D extends JobInput | readonly JobInput[]>(
  data: D,
  options?: ZstdOptions,
): Promise<Results<D, Buffer>> {
  return coded("zstdCompress", data, options);
}

/**
 * Undoes {@link zstdCompress}.
 *
 * @param data - one input, or an array of them.
 * @param options - how; `maxOutputLength` keeps a small input from becoming a huge result.
 *
 * @example
 * ```ts
 * import { zstdCompress, zstdDecompress } from "maniac/jobs";
 *
 * const bomb = await zstdCompress(Buffer.alloc(1_000_000));
 * await zstdDecompress(bomb, { maxOutputLength: 65_536 }).catch((error) => console.log(error.code)); // ERR_BUFFER_TOO_LARGE
 * ```
 */
export function zstdDecompress<D extends JobInput | readonly JobInput[]>(
  data: D,
  options?: ZstdOptions,
): Promise<Results<D, Buffer>> {
  return coded("zstdDecompress", data, options);
}

/**
 * A stream that compresses as zstd.
 *
 * @param options - how.
 *
 * @example
 * ```ts
 * import { createZstdCompress, createZstdDecompress } from "maniac/jobs";
 *
 * const compressor = createZstdCompress();
 * compressor.end("again and again and again and again");
 * for await (const text of compressor.pipe(createZstdDecompress())) console.log(text.toString());
 * ```
 */
export function createZstdCompress(options?: ZstdOptions): Coder {
  return new Coder("zstdCompress", options);
}

/**
 * A stream that undoes {@link createZstdCompress}.
 *
 * @param options - how; `maxOutputLength` counts all of its output.
 *
 * @example
 * ```ts
 * import { zstdCompress, createZstdDecompress } from "maniac/jobs";
 *
 * const stream = createZstdDecompress({ maxOutputLength: 65_536 });
 * stream.end(await zstdCompress("text"));
 * for await (const text of stream) console.log(text.toString()); // text
 * ```
 */
export function createZstdDecompress(options?: ZstdOptions): Coder {
  return new Coder("zstdDecompress", options);
}
