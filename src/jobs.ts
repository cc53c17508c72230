/**
 * `maniac/jobs`: hashes, compression and keys from passwords, on the runtime's threads: neither the event loop nor Node's
 * thread pool waits for them. Where `node:crypto` and `node:zlib` have a name, it is taken, and gives a promise.
 *
 * All inputs are copied before a call returns, so their memory may be changed, transferred or freed at once. An array of inputs crosses
 * at once and gives an array of results in its order; the first that fails rejects the call, with its place as the error's `index`.
 * As many jobs run at a time as there are processors; batches take turns with all others, so a large one keeps nobody waiting.
 *
 * `signal` rejects the call at once with an `AbortError`; the work itself ends at its next chunk of 256 KiB, or of 1,024 rounds of
 * pbkdf2. argon2 and scrypt can only be kept from beginning: a thread that is at it brings that one to its end.
 *
 * @module
 */
import type { Abortable } from "node:events";
import type { PathLike } from "node:fs";
import {
  type Digest,
  type DigestEncoding,
  type EncodingOf,
  Hash,
  type HashAlgorithm,
  type HashOptions,
  type HashStreamOptions,
  hash as hashInputs,
  hashFile as hashPaths,
} from "./internal/jobs-hash.js";
import type { JobInput, Results } from "./internal/jobs-input.js";
import {
  type Argon2Algorithm,
  type Argon2Options,
  type Argon2Parameters,
  verifyPassword as checkHash,
  argon2 as deriveArgon2,
  pbkdf2 as derivePbkdf2,
  scrypt as deriveScrypt,
  hashPassword as makeHash,
  type PasswordOptions,
  type ScryptOptions,
  type VerifyOptions,
} from "./internal/jobs-password.js";
import type { BrotliOptions, Coder, ZlibOptions, ZstdOptions } from "./internal/jobs-zlib.js";

export {
  brotliCompress,
  brotliDecompress,
  createBrotliCompress,
  createBrotliDecompress,
  createDeflate,
  createDeflateRaw,
  createGunzip,
  createGzip,
  createInflate,
  createInflateRaw,
  createZstdCompress,
  createZstdDecompress,
  deflate,
  deflateRaw,
  gunzip,
  gzip,
  inflate,
  inflateRaw,
  zstdCompress,
  zstdDecompress,
} from "./internal/jobs-formats.js";
export type {
  Argon2Algorithm,
  Argon2Options,
  Argon2Parameters,
  BrotliOptions,
  Coder,
  Digest,
  DigestEncoding,
  EncodingOf,
  Hash,
  HashAlgorithm,
  HashOptions,
  HashStreamOptions,
  JobInput,
  PasswordOptions,
  Results,
  ScryptOptions,
  VerifyOptions,
  ZlibOptions,
  ZstdOptions,
};

/**
 * Hashes data, as `crypto.hash` does.
 *
 * @param algorithm - which function.
 * @param data - one input, or an array of them.
 * @param options - the digest's encoding, or options.
 *
 * @example
 * ```ts
 * import { hash } from "maniac/jobs";
 *
 * console.log(await hash("sha256", "abc")); // ba7816bf…
 * const [one, other] = await hash("blake3", ["one", Buffer.from("other")], { outputEncoding: "buffer" });
 * console.log(one?.length, other?.length); // 32 32
 * ```
 */
export function hash<
  D extends JobInput | readonly JobInput[],
  const O extends DigestEncoding | HashOptions = "hex",
>(algorithm: HashAlgorithm, data: D, options?: O): Promise<Results<D, Digest<O>>> {
  return hashInputs(algorithm, data, options) as Promise<Results<D, Digest<O>>>;
}

/**
 * Hashes what files hold. The contents never enter JavaScript.
 *
 * @param algorithm - which function.
 * @param path - a file's path, or an array of them.
 * @param options - the digest's encoding, or options.
 *
 * @example
 * ```ts
 * import { readdir } from "maniac/fs";
 * import { hashFile } from "maniac/jobs";
 *
 * const names = (await readdir(".", { withFileTypes: true })).filter((entry) => entry.isFile()).map(({ name }) => name);
 * const digests = await hashFile("sha256", names);
 * console.log(names[0], digests[0]);
 * ```
 */
export function hashFile<
  P extends PathLike | readonly PathLike[],
  const O extends DigestEncoding | HashOptions = "hex",
>(algorithm: HashAlgorithm, path: P, options?: O): Promise<Results<P, Digest<O>>> {
  return hashPaths(algorithm, path, options) as Promise<Results<P, Digest<O>>>;
}

/**
 * Begins a hash that data is added to bit by bit, as `crypto.createHash` does; `digest()` gives a promise. It is a stream too.
 *
 * @param algorithm - which function.
 * @param options - `outputLength`, and a `signal` that ends it.
 *
 * @example
 * ```ts
 * import { createReadStream } from "maniac/fs";
 * import { createHash } from "maniac/jobs";
 *
 * console.log(await createHash("sha512").update("a").update("bc").digest("hex"));
 * for await (const digest of createReadStream("package.json").pipe(createHash("xxh3"))) {
 *   console.log(digest.toString("hex"));
 * }
 * ```
 */
export function createHash(algorithm: HashAlgorithm, options: HashStreamOptions = {}): Hash {
  return new Hash(algorithm, options);
}

/**
 * Makes a key from a password by argon2, as `crypto.argon2` of newer Nodes does.
 *
 * @param algorithm - `"argon2id"` unless there is a reason.
 * @param parameters - password, salt and costs.
 * @param options - a limit of memory, and a `signal`.
 *
 * @example
 * ```ts
 * import { randomBytes } from "node:crypto";
 * import { argon2 } from "maniac/jobs";
 *
 * const nonce = randomBytes(16);
 * const costs = { parallelism: 1, tagLength: 32, memory: 19_456, passes: 2 };
 * const key = await argon2("argon2id", { message: "correct horse", nonce, ...costs });
 * console.log(key.length); // 32
 * ```
 */
export function argon2(
  algorithm: Argon2Algorithm,
  parameters: Argon2Parameters,
  options?: Argon2Options,
): Promise<Buffer> {
  return deriveArgon2(algorithm, parameters, options);
}

/**
 * Makes a key from a password by scrypt, as `crypto.scrypt` does.
 *
 * @param password - text or bytes.
 * @param salt - text or bytes.
 * @param keylen - bytes of the key.
 * @param options - costs, a limit of memory, and a `signal`.
 *
 * @example
 * ```ts
 * import { scrypt } from "maniac/jobs";
 *
 * const key = await scrypt("correct horse", "salt of its own", 32, { N: 32_768, maxmem: 64 * 1024 * 1024 });
 * console.log(key.length); // 32
 * ```
 */
export function scrypt(
  password: JobInput,
  salt: JobInput,
  keylen: number,
  options?: ScryptOptions,
): Promise<Buffer> {
  return deriveScrypt(password, salt, keylen, options);
}

/**
 * Makes a key from a password by pbkdf2, as `crypto.pbkdf2` does, with the SHA-2 functions.
 *
 * @param password - text or bytes.
 * @param salt - text or bytes.
 * @param iterations - rounds, at least 1.
 * @param keylen - bytes of the key.
 * @param digest - the hash function.
 * @param options - a `signal`.
 *
 * @example
 * ```ts
 * import { pbkdf2 } from "maniac/jobs";
 *
 * const key = await pbkdf2("correct horse", "salt of its own", 1000, 32, "sha256");
 * console.log(key.length); // 32
 * ```
 */
export function pbkdf2(
  password: JobInput,
  salt: JobInput,
  iterations: number,
  keylen: number,
  digest: string,
  options?: Abortable,
): Promise<Buffer> {
  return derivePbkdf2(password, salt, iterations, keylen, digest, options);
}

/**
 * Makes a password's hash to be stored, as text that says how it was made (a PHC string), with a salt of its own.
 *
 * @param password - text or bytes.
 * @param options - the algorithm and its costs; by default argon2id as OWASP recommends it.
 *
 * @example
 * ```ts
 * import { hashPassword, verifyPassword } from "maniac/jobs";
 *
 * const stored = await hashPassword("correct horse");
 * console.log(await verifyPassword("correct horse", stored)); // true
 * console.log(await verifyPassword("wrong horse", stored)); // false
 * ```
 */
export function hashPassword(password: JobInput, options?: PasswordOptions): Promise<string> {
  return makeHash(password, options);
}

/**
 * Whether a password is the one that a hash was made of; takes the same time wherever they differ.
 *
 * @param password - text or bytes.
 * @param hash - a PHC string of argon2, scrypt or pbkdf2, of whatever program.
 * @param options - a limit of memory, and a `signal`.
 *
 * @example
 * ```ts
 * import { hashPassword, verifyPassword } from "maniac/jobs";
 *
 * const stored = await hashPassword("correct horse", { algorithm: "scrypt", cost: 16_384 });
 * console.log(await verifyPassword("correct horse", stored, { maxMemory: 64 * 1024 * 1024 })); // true
 * ```
 */
export function verifyPassword(password: JobInput, hash: string, options?: VerifyOptions): Promise<boolean> {
  return checkHash(password, hash, options);
}
