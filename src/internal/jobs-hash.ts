/** Hashes: `hash`, `hashFile` and `createHash` of `maniac/jobs`. */
import type { Abortable } from "node:events";
import type { PathLike } from "node:fs";
import { Transform, type TransformCallback } from "node:stream";
import { bufferOf, bytesOfInput, bytesOfInputs, type JobInput } from "./jobs-input.js";
import { FAULT_OPEN, FAULT_READ, type Fault, HASH, HASH_FILE, JobStream, run } from "./jobs-link.js";
import { abortError, coded, invalidType, invalidValue, outOfRange } from "./node-errors.js";
import { osError } from "./os-errors.js";
import { mayRead, node, restricted } from "./permission.js";
import type { Path } from "./request.js";
import { validInteger, validObject, validPath, validSignal } from "./validate.js";

/** The hash functions, in the native side's order, with the bytes of their digests. */
const LENGTHS: Readonly<Record<HashAlgorithm, number>> = {
  sha224: 28,
  sha256: 32,
  sha384: 48,
  sha512: 64,
  "sha512-224": 28,
  "sha512-256": 32,
  blake3: 32,
  xxh3: 8,
  xxh128: 16,
};
const NAMES = Object.keys(LENGTHS);
/** Longest digest of blake3 that can be asked for. */
const MOST_BYTES = 65_536;
const ENCODINGS: ReadonlySet<unknown> = new Set(["hex", "base64", "base64url", "latin1", "binary", "buffer"]);

/**
 * A hash function. `xxh3` (64 bits) and `xxh128` are fast and find errors; they are no protection against forgery. Digests of
 * both have their most significant byte first.
 */
export type HashAlgorithm =
  | "sha224"
  | "sha256"
  | "sha384"
  | "sha512"
  | "sha512-224"
  | "sha512-256"
  | "blake3"
  | "xxh3"
  | "xxh128";
/** How a digest is given: as text, or as a Buffer. */
export type DigestEncoding = "hex" | "base64" | "base64url" | "latin1" | "binary" | "buffer";

/** Options of `hash` and `hashFile`. */
export interface HashOptions extends Abortable {
  /** How the digest is given. Default: `"hex"`. */
  outputEncoding?: DigestEncoding | undefined;
  /** Bytes of the digest, 1 to 65,536: of `blake3` only, whose default is 32. */
  outputLength?: number | undefined;
}

/** Options of `createHash`. */
export interface HashStreamOptions extends Abortable {
  /** As in {@link HashOptions}. */
  outputLength?: number | undefined;
}

/** The encoding that options ask for. */
export type EncodingOf<O> = O extends DigestEncoding
  ? O
  : O extends Pick<HashOptions, "outputEncoding"> & Partial<Record<"outputEncoding", infer E>>
    ? unknown extends E
      ? "hex"
      : E
    : "hex";

/** What a digest is, as options ask for it. */
export type Digest<O> =
  EncodingOf<O> extends "buffer" ? Buffer : "buffer" extends EncodingOf<O> ? string | Buffer : string;

/** A hash function by its number, case aside, and the length of its digest. */
export function algorithmNumber(name: unknown): number {
  if (typeof name !== "string") throw invalidType("algorithm", "of type string", name);
  const lower = name.toLowerCase().replace("sha-", "sha").replace("/", "-");
  return NAMES.indexOf(lower);
}

function words(kind: number, algorithm: unknown, wanted: unknown): { words: number[]; length: number } {
  const number = algorithmNumber(algorithm);
  const name = NAMES[number] as HashAlgorithm | undefined;
  if (name === undefined) {
    const message = `Digest method not supported: ${String(algorithm)}. Known: ${NAMES.join(", ")}`;
    throw coded(Error, "ERR_CRYPTO_INVALID_DIGEST", message);
  }
  let length: number = LENGTHS[name];
  if (wanted !== undefined) {
    const asked = validInteger(wanted, "options.outputLength", 1, MOST_BYTES);
    if (name === "blake3") length = asked;
    else if (asked !== length) throw outOfRange("options.outputLength", `${length} for ${name}`, asked);
  }
  return { words: [kind, number, length], length };
}

function validDigestEncoding(value: unknown, name: string): DigestEncoding {
  if (!ENCODINGS.has(value)) throw invalidValue(name, value);
  return value as DigestEncoding;
}

interface Checked {
  readonly encoding: DigestEncoding;
  readonly outputLength: unknown;
  readonly signal: AbortSignal | undefined;
}

function checked(options: unknown): Checked {
  if (options === undefined) return { encoding: "hex", outputLength: undefined, signal: undefined };
  if (typeof options === "string") {
    const encoding = validDigestEncoding(options, "outputEncoding");
    return { encoding, outputLength: undefined, signal: undefined };
  }
  const { outputEncoding, outputLength, signal } = validObject(options, "options") as HashOptions;
  return {
    encoding: validDigestEncoding(outputEncoding ?? "hex", "options.outputEncoding"),
    outputLength,
    signal: validSignal(signal, "options.signal"),
  };
}

/** The digests that lie in `memory` one behind the other. */
function digests(
  memory: ArrayBuffer | undefined,
  length: number,
  encoding: DigestEncoding,
): (string | Buffer)[] {
  const all = bufferOf(memory);
  return Array.from({ length: all.length / length }, (_, at) => {
    const [start, end] = [at * length, (at + 1) * length];
    if (encoding !== "buffer") return all.toString(encoding, start, end);
    // A Buffer of its own: no two results share memory.
    const digest = Buffer.allocUnsafeSlow(length);
    all.copy(digest, 0, start, end);
    return digest;
  });
}

/** `hash`, for one input or many. */
export async function hash(algorithm: unknown, data: unknown, options: unknown): Promise<unknown> {
  const { encoding, outputLength, signal } = checked(options);
  const job = words(HASH, algorithm, outputLength);
  const inputs = bytesOfInputs(data, "data");
  if (inputs.length === 0) return [];
  const { buffers } = await run(job.words, inputs, () => undefined, signal);
  const found = digests(buffers[0], job.length, encoding);
  return Array.isArray(data) ? found : found[0];
}

/** `hashFile`, for one path or many. */
export async function hashFile(algorithm: unknown, path: unknown, options: unknown): Promise<unknown> {
  const { encoding, outputLength, signal } = checked(options);
  const job = words(HASH_FILE, algorithm, outputLength);
  const paths: Path[] = Array.isArray(path)
    ? path.map((one: unknown, at) => validPath(one, `path[${at}]`))
    : [validPath(path)];
  if (paths.length === 0) return [];
  if (restricted) {
    // Node's own function refuses with Node's own error.
    for (const one of paths) if (!mayRead(one)) await node.access(one as PathLike);
  }
  const explain = ({ fault, detail, index }: Fault): Error | undefined => {
    if (fault === FAULT_OPEN) return Object.assign(osError(detail, "open", paths[index]), { index });
    return fault === FAULT_READ ? Object.assign(osError(detail, "read"), { index }) : undefined;
  };
  const inputs = paths.map((one) => bytesOfInput(one, "path"));
  const { buffers } = await run(job.words, inputs, explain, signal);
  const found = digests(buffers[0], job.length, encoding);
  return Array.isArray(path) ? found : found[0];
}

/**
 * A hash under way, in the shape of `node:crypto`'s: `update()` any number of times, then `digest()`; or a stream that data is
 * piped through, whose one chunk is the digest.
 *
 * @example
 * ```ts
 * import { createHash, type Hash } from "maniac/jobs";
 *
 * const hash: Hash = createHash("sha256");
 * for (const word of ["more", "and", "more"]) hash.update(word);
 * console.log(await hash.digest("base64"));
 * ```
 */
export class Hash extends Transform {
  readonly #length: number;
  readonly #stream: JobStream;
  /** What the worker has not got yet: copies. */
  #waiting: Uint8Array[] = [];
  #working: Promise<void> | undefined;
  #finalized = false;
  readonly #signal: AbortSignal | undefined;

  /** Made by `createHash`. */
  constructor(algorithm: unknown, options: unknown) {
    const { outputLength, signal } = validObject(options, "options") as HashStreamOptions;
    validSignal(signal, "options.signal");
    const job = words(HASH, algorithm, outputLength);
    super(signal === undefined ? {} : { signal });
    this.#signal = signal;
    this.#length = job.length;
    this.#stream = new JobStream(job.words, () => undefined);
  }

  /**
   * Adds data, which is copied. Memory is bounded by what was added and not hashed yet: to wait for that, use the stream.
   *
   * @param data - text or bytes.
   * @param inputEncoding - of text. Default: `"utf8"`.
   */
  update(data: JobInput, inputEncoding?: BufferEncoding): this {
    this.#byHand();
    const bytes = typeof data === "string" ? Buffer.from(data, inputEncoding) : bytesOfInput(data, "data");
    this.#waiting.push(Uint8Array.prototype.slice.call(bytes));
    // What fails is told by `digest`.
    this.#work().catch(() => undefined);
    return this;
  }

  /**
   * Ends the hash and gives the digest.
   *
   * @param encoding - how; a Buffer if there is none.
   */
  async digest(encoding: Exclude<DigestEncoding, "buffer">): Promise<string>;
  async digest(encoding?: "buffer"): Promise<Buffer>;
  async digest(encoding: DigestEncoding = "buffer"): Promise<string | Buffer> {
    validDigestEncoding(encoding, "encoding");
    this.#byHand();
    this.#finalized = true;
    return this.#end(encoding);
  }

  /** `update` and `digest` are called: it is `digest` that tells what failed, and the stream has nobody to tell. */
  #byHand(): void {
    if (this.#finalized) throw coded(Error, "ERR_CRYPTO_HASH_FINALIZED", "Digest already called");
    if (this.listenerCount("error") === 0) this.on("error", () => undefined);
  }

  async #end(encoding: DigestEncoding): Promise<string | Buffer> {
    try {
      await this.#work();
      const { buffers } = await this.#stream.step([], true);
      return digests(buffers[0], this.#length, encoding)[0] as string | Buffer;
    } catch (error) {
      throw this.#signal?.aborted ? abortError(this.#signal) : error;
    } finally {
      this.#stream.close();
    }
  }

  /** One step at a time, with all that is there. */
  async #work(): Promise<void> {
    this.#working ??= this.#steps();
    await this.#working;
  }

  async #steps(): Promise<void> {
    while (this.#waiting.length > 0) {
      const inputs = this.#waiting;
      this.#waiting = [];
      await this.#stream.step(inputs, false);
    }
    this.#working = undefined;
  }

  /** Called by the stream. */
  override _transform(chunk: Buffer, _encoding: BufferEncoding, callback: TransformCallback): void {
    this.#waiting.push(chunk);
    this.#work().then(() => callback(), callback);
  }

  /** Called by the stream. */
  override _flush(callback: TransformCallback): void {
    this.#finalized = true;
    this.#end("buffer").then((digest) => callback(null, digest), callback);
  }

  /** Called by the stream. */
  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#stream.close();
    callback(error);
  }
}
