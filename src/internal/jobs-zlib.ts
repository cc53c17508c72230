/** Compression: one call, many inputs at once, or a stream; gzip, deflate, brotli and zstd of `maniac/jobs`. */
import { kMaxLength } from "node:buffer";
import type { Abortable } from "node:events";
import { Transform, type TransformCallback } from "node:stream";
import { constants } from "node:zlib";
import { ManiacError } from "../errors.js";
import { bufferOf, bytesOfInputs } from "./jobs-input.js";
import {
  CODE,
  type Explain,
  FAULT_CORRUPT,
  FAULT_TOO_LONG,
  FAULT_TRUNCATED,
  FAULT_WINDOW,
  JobStream,
  run,
} from "./jobs-link.js";
import { coded } from "./node-errors.js";
import { validBoolean, validInteger, validObject, validSignal } from "./validate.js";

/** The most that a result can have: what `maxOutputLength` is unless it is given. */
const MOST_OUTPUT = Math.min(kMaxLength, 2 ** 31 - 1);
/** No limit, to the native side. */
const NO_LIMIT = 2 ** 32 - 1;
/** zlib's numbers of errors. */
const { Z_DATA_ERROR, Z_BUF_ERROR } = constants;

/** The formats, as the native side numbers them: each is followed by its way back. */
export const FORMATS = {
  gzip: 0,
  gunzip: 1,
  deflate: 2,
  inflate: 3,
  deflateRaw: 4,
  inflateRaw: 5,
  brotliCompress: 6,
  brotliDecompress: 7,
  zstdCompress: 8,
  zstdDecompress: 9,
} as const;
/** One of {@link FORMATS}. */
export type Format = keyof typeof FORMATS;

/** What every call takes. */
export interface CodingOptions extends Abortable {
  /**
   * Bytes of output at most, of each input or of the whole stream: more is refused with `ERR_BUFFER_TOO_LARGE` before it is made.
   * Default, and most: 2,147,483,647; a stream has no limit unless one is given.
   */
  maxOutputLength?: number | undefined;
}

/** Options of `gzip`, `deflate`, `deflateRaw` and of the ways back, which look at `windowBits` only. */
export interface ZlibOptions extends CodingOptions {
  /** 0 (none) to 9 (smallest), -1 for the default, 6. */
  level?: number | undefined;
  /** Base-two logarithm of the window, 9 to 15. Default: 15. */
  windowBits?: number | undefined;
}

/** Options of brotli. */
export interface BrotliOptions extends CodingOptions {
  /** Quality, 0 to 11. Default: 11, which is slow; 4 to 6 suit data made on the fly. */
  level?: number | undefined;
  /** As `node:zlib` has them: `BROTLI_PARAM_QUALITY`, `BROTLI_PARAM_LGWIN`, `BROTLI_PARAM_MODE`, `BROTLI_PARAM_SIZE_HINT`. */
  params?: Readonly<Record<number, number | boolean>> | undefined;
}

/** Options of zstd. */
export interface ZstdOptions extends CodingOptions {
  /** -131072 (fastest) to 22 (smallest). Default: 3. */
  level?: number | undefined;
  /** Base-two logarithm of the window, 10 to 31. Reading, the largest that is accepted: by default 27, which is 128 MiB. */
  windowLog?: number | undefined;
  /** Whether to add a checksum, which reading checks. Default: false. */
  checksum?: boolean | undefined;
}

const BROTLI_MODES = constants.BROTLI_MODE_FONT;

function brotliWords(options: BrotliOptions): number[] {
  let [level, window, mode, hint] = [11, 22, 0, 0];
  const params = options.params === undefined ? {} : validObject(options.params, "options.params");
  for (const [key, value] of Object.entries(params)) {
    const name = `options.params[${key}]`;
    const bounded = (least: number, most: number): number => validInteger(value, name, least, most);
    const number = Number(key);
    if (number === constants.BROTLI_PARAM_QUALITY) level = bounded(0, 11);
    else if (number === constants.BROTLI_PARAM_LGWIN) window = bounded(10, 24);
    else if (number === constants.BROTLI_PARAM_MODE) mode = bounded(0, BROTLI_MODES);
    else if (number === constants.BROTLI_PARAM_SIZE_HINT) hint = bounded(0, 2 ** 32 - 1);
    else throw coded(RangeError, "ERR_BROTLI_INVALID_PARAM", `${key} is not a valid Brotli parameter`);
  }
  if (options.level !== undefined) level = validInteger(options.level, "options.level", 0, 11);
  return [level, window, 0, hint, mode];
}

function zlibWords({ level, windowBits }: ZlibOptions): number[] {
  return [
    level === undefined ? -1 : validInteger(level, "options.level", -1, 9),
    windowBits === undefined ? 0 : validInteger(windowBits, "options.windowBits", 9, 15),
    0,
    0,
    0,
  ];
}

function zstdWords({ level, windowLog, checksum }: ZstdOptions): number[] {
  return [
    level === undefined ? 3 : validInteger(level, "options.level", -131_072, 22),
    windowLog === undefined ? 0 : validInteger(windowLog, "options.windowLog", 10, 31),
    checksum === undefined ? 0 : Number(validBoolean(checksum, "options.checksum")),
    0,
    0,
  ];
}

interface Checked {
  readonly words: number[];
  readonly limit: number;
  readonly signal: AbortSignal | undefined;
}

function checked(format: Format, options: unknown = {}, most = MOST_OUTPUT): Checked {
  const given = validObject(options, "options") as CodingOptions;
  const { maxOutputLength, signal } = given;
  const limit =
    maxOutputLength === undefined
      ? most
      : validInteger(maxOutputLength, "options.maxOutputLength", 1, MOST_OUTPUT);
  let own: number[];
  if (format.startsWith("brotli")) own = brotliWords(given);
  else own = format.startsWith("zstd") ? zstdWords(given) : zlibWords(given);
  const [level = 0, window = 0, checksum = 0, hint = 0, mode = 0] = own;
  const words = [CODE, FORMATS[format], level, window, limit, checksum, hint, mode];
  return { words, limit, signal: validSignal(signal, "options.signal") };
}

/** What went wrong, with the codes that `node:zlib` has for it. */
function explain(format: Format, limit: number): Explain {
  return ({ fault, index }) => {
    const told = (error: Error): Error => Object.assign(error, { index });
    switch (fault) {
      case FAULT_TOO_LONG:
        return told(
          coded(RangeError, "ERR_BUFFER_TOO_LARGE", `Cannot create a Buffer larger than ${limit} bytes`),
        );
      case FAULT_TRUNCATED:
        return told(zlibError("unexpected end of file", "Z_BUF_ERROR", Z_BUF_ERROR));
      case FAULT_CORRUPT:
        if (FORMATS[format] < FORMATS.brotliCompress) {
          return told(zlibError(`the data is no ${format} data, or damaged`, "Z_DATA_ERROR", Z_DATA_ERROR));
        }
        return told(new ManiacError("ERR_MANIAC_CORRUPT", `the data is none for ${format}, or damaged`));
      case FAULT_WINDOW:
        return told(
          new ManiacError("ERR_MANIAC_LIMIT", "the data needs a larger window than options.windowLog allows"),
        );
      default:
        return undefined;
    }
  };
}

function zlibError(message: string, code: string, errno: number): Error {
  return Object.assign(new Error(message), { errno, code });
}

/** Codes one input, or each of several. */
export async function code(format: Format, data: unknown, options: unknown): Promise<unknown> {
  const { words, limit, signal } = checked(format, options);
  const inputs = bytesOfInputs(data, "data");
  if (inputs.length === 0) return [];
  const { buffers } = await run(words, inputs, explain(format, limit), signal);
  return Array.isArray(data) ? buffers.map(bufferOf) : bufferOf(buffers[0]);
}

/**
 * A stream that compresses, or undoes it, on the runtime's threads: a Transform. At most about a mebibyte of output is made before the
 * reader has taken what there is, however small the input was.
 *
 * @example
 * ```ts
 * import { pipeline } from "node:stream/promises";
 * import { createReadStream, createWriteStream } from "maniac/fs";
 * import { type Coder, createZstdCompress } from "maniac/jobs";
 *
 * const coder: Coder = createZstdCompress({ level: 6, signal: AbortSignal.timeout(60_000) });
 * await pipeline(createReadStream("package.json"), coder, createWriteStream("package.json.zst"));
 * ```
 */
export class Coder extends Transform {
  readonly #stream: JobStream;
  /** Goes on when the reader wants more. */
  #wanted: (() => void) | undefined;

  /** Made by the `create…` functions. */
  constructor(format: Format, options: unknown) {
    const { words, limit, signal } = checked(format, options, NO_LIMIT);
    super(signal === undefined ? {} : { signal });
    this.#stream = new JobStream(words, explain(format, limit));
  }

  async #step(input: readonly Uint8Array[], last: boolean): Promise<void> {
    let inputs = input;
    for (;;) {
      const { buffers, more } = await this.#stream.step(inputs, last);
      const output = bufferOf(buffers[0]);
      const room = output.length === 0 || this.push(output);
      if (!more) return;
      inputs = [];
      if (!room) {
        await new Promise<void>((resolve) => {
          this.#wanted = resolve;
        });
      }
    }
  }

  /** Called by the stream. */
  override _read(size: number): void {
    const wanted = this.#wanted;
    this.#wanted = undefined;
    wanted?.();
    super._read(size);
  }

  /** Called by the stream. */
  override _transform(chunk: Buffer, _encoding: BufferEncoding, callback: TransformCallback): void {
    this.#step([chunk], false).then(() => callback(), callback);
  }

  /** Called by the stream. */
  override _flush(callback: TransformCallback): void {
    this.#step([], true).then(() => callback(), callback);
  }

  /** Called by the stream. */
  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#stream.close();
    this.#wanted?.();
    callback(error);
  }
}
