/** Keys from passwords, and password hashes as text (the PHC string format): argon2, scrypt and pbkdf2 of `maniac/jobs`. */
import { randomBytes, timingSafeEqual } from "node:crypto";
import type { Abortable } from "node:events";
import { ManiacError } from "../errors.js";
import { algorithmNumber } from "./jobs-hash.js";
import { bufferOf, bytesOfInput, type JobInput } from "./jobs-input.js";
import { DERIVE, run } from "./jobs-link.js";
import { coded, invalidType, invalidValue } from "./node-errors.js";
import { validInteger, validObject, validSignal } from "./validate.js";

const ARGON2: readonly Argon2Algorithm[] = ["argon2d", "argon2i", "argon2id"];
const SCRYPT = 3;
const PBKDF2 = 4;
/** The version of argon2 that is written. */
const VERSION = 0x13;
const UINT31 = 2 ** 31 - 1;
const UINT32 = 2 ** 32 - 1;
/** What a call may need of memory unless more is allowed: argon2's. */
const MOST_MEMORY = 2 ** 30;
/** As `crypto.scrypt`. */
const MOST_SCRYPT = 32 * 1024 * 1024;
/** Bytes of a key at most. */
const MOST_KEY = 2 ** 20;

/** Bytes of a stored hash at least. */
const LEAST_HASH = 10;

/** Which argon2. */
export type Argon2Algorithm = "argon2d" | "argon2i" | "argon2id";

/** What argon2 takes, as `crypto.argon2` of newer Nodes has it. */
export interface Argon2Parameters {
  /** The password. */
  message: JobInput;
  /** The salt: at least 8 bytes. */
  nonce: JobInput;
  /** Lanes: 1 to 16,777,215. */
  parallelism: number;
  /** Bytes of the key: at least 4. */
  tagLength: number;
  /** Memory in KiB: at least 8 for each lane. */
  memory: number;
  /** Passes over the memory: at least 1. */
  passes: number;
  /** A key of the application's that is not stored with the hash. */
  secret?: JobInput | undefined;
  /** Up to 32 bytes that go into the hash. */
  associatedData?: JobInput | undefined;
}

/** Options of `argon2`. */
export interface Argon2Options extends Abortable {
  /** Bytes of memory at most; more is refused with `ERR_MANIAC_LIMIT`. Default: 1 GiB. */
  maxMemory?: number | undefined;
}

/** Options of `scrypt`, as `crypto.scrypt` has them. */
export interface ScryptOptions extends Abortable {
  /** The cost: a power of two above 1. Default: 16,384. */
  N?: number | undefined;
  /** The same as `N`. */
  cost?: number | undefined;
  /** Block size. Default: 8. */
  r?: number | undefined;
  /** The same as `r`. */
  blockSize?: number | undefined;
  /** Parallelisation. Default: 1. */
  p?: number | undefined;
  /** The same as `p`. */
  parallelization?: number | undefined;
  /** Bytes of memory at most. Default: 32 MiB. */
  maxmem?: number | undefined;
}

/** Options of `hashPassword`: what they do not say is what OWASP recommends. */
export type PasswordOptions = Abortable & {
  /** Bytes of salt, 8 to 64. Default: 16. */ saltLength?: number | undefined;
} & (
    | {
        /** Default: `"argon2id"`. */
        algorithm?: "argon2id" | undefined;
        /** In KiB. Default: 19,456. */
        memory?: number | undefined;
        /** Default: 2. */
        passes?: number | undefined;
        /** Default: 1. */
        parallelism?: number | undefined;
      }
    | {
        /** For scrypt. */
        algorithm: "scrypt";
        /** Default: 131,072. */
        cost?: number | undefined;
        /** Default: 8. */
        blockSize?: number | undefined;
        /** Default: 1. */
        parallelization?: number | undefined;
      }
    | {
        /** For pbkdf2. */
        algorithm: "pbkdf2-sha256" | "pbkdf2-sha512";
        /** Default: 600,000 for SHA-256, 210,000 for SHA-512. */
        iterations?: number | undefined;
      }
  );

/** Options of `verifyPassword`. */
export interface VerifyOptions extends Abortable {
  /** Bytes of memory at most that a hash may ask for; more is refused with `ERR_MANIAC_LIMIT`. Default: 1 GiB. */
  maxMemory?: number | undefined;
}

function overLimit(needed: number, limit: number, name: string): Error {
  return new ManiacError("ERR_MANIAC_LIMIT", `It needs ${needed} bytes of memory, and ${name} is ${limit}.`);
}

async function derive(
  words: readonly number[],
  password: Uint8Array,
  shared: readonly Uint8Array[],
  signal: AbortSignal | undefined,
): Promise<Buffer> {
  const { buffers } = await run([DERIVE, ...words], [password], () => undefined, signal, shared);
  return bufferOf(buffers[0]);
}

/** `argon2`. */
export async function argon2(
  algorithm: unknown,
  parameters: unknown,
  options: unknown = {},
): Promise<Buffer> {
  return argon2Version(algorithm, parameters, options, VERSION);
}

async function argon2Version(
  algorithm: unknown,
  parameters: unknown,
  options: unknown,
  version: number,
): Promise<Buffer> {
  const kind = ARGON2.indexOf(algorithm as Argon2Algorithm);
  if (kind < 0) throw invalidValue("algorithm", algorithm, `must be one of ${ARGON2.join(", ")}`);
  const given = validObject(parameters, "parameters") as Argon2Parameters;
  const { maxMemory = MOST_MEMORY, signal } = validObject(options, "options") as Argon2Options;
  const parallelism = validInteger(given.parallelism, "parameters.parallelism", 1, 2 ** 24 - 1);
  const length = validInteger(given.tagLength, "parameters.tagLength", 4, MOST_KEY);
  const memory = validInteger(given.memory, "parameters.memory", 8 * parallelism, UINT32);
  const passes = validInteger(given.passes, "parameters.passes", 1, UINT32);
  const limit = validInteger(maxMemory, "options.maxMemory", 0);
  const nonce = bytesOfInput(given.nonce, "parameters.nonce");
  validInteger(nonce.length, "parameters.nonce.byteLength", 8, UINT32);
  const data = bytesOfInput(given.associatedData ?? "", "parameters.associatedData");
  validInteger(data.length, "parameters.associatedData.byteLength", 0, 32);
  const secret = bytesOfInput(given.secret ?? "", "parameters.secret");
  const message = bytesOfInput(given.message, "parameters.message");
  validSignal(signal, "options.signal");
  if (memory * 1024 > limit) throw overLimit(memory * 1024, limit, "options.maxMemory");
  return derive([kind, length, memory, passes, parallelism, version], message, [nonce, secret, data], signal);
}

/** The one of two names of an option that is given. */
function either(options: Record<string, unknown>, first: string, second: string, fallback: number): number {
  if (options[first] !== undefined && options[second] !== undefined) {
    const message = `Option "${first}" cannot be used in combination with option "${second}"`;
    throw coded(TypeError, "ERR_INCOMPATIBLE_OPTION_PAIR", message);
  }
  const value = options[first] ?? options[second];
  // As `crypto.scrypt` does, zero means the default.
  return (value === undefined ? fallback : validInteger(value, first, 0, UINT32)) || fallback;
}

/** `scrypt`. */
export async function scrypt(
  password: unknown,
  salt: unknown,
  keylen: unknown,
  options: unknown = {},
): Promise<Buffer> {
  const given = validObject(options, "options") as ScryptOptions & Record<string, unknown>;
  const [secret, public_] = [bytesOfInput(password, "password"), bytesOfInput(salt, "salt")];
  const length = validInteger(keylen, "keylen", 0, UINT31);
  const [n, r, p] = [
    either(given, "N", "cost", 16_384),
    either(given, "r", "blockSize", 8),
    either(given, "p", "parallelization", 1),
  ];
  const limit = given.maxmem ? validInteger(given.maxmem, "maxmem", 0) : MOST_SCRYPT;
  const signal = validSignal(given.signal, "options.signal");
  const invalid = (reason: string): Error =>
    coded(RangeError, "ERR_CRYPTO_INVALID_SCRYPT_PARAMS", `Invalid scrypt params: ${reason}`);
  const logN = Math.log2(n);
  // The bounds of RFC 7914.
  if (n < 2 || !Number.isInteger(logN) || logN >= 16 * r || p * r >= 2 ** 30) throw invalid("out of range");
  if (128 * r * (n + p + 2) > limit) throw invalid("memory limit exceeded");
  if (length === 0) return Buffer.alloc(0);
  return derive([SCRYPT, length, logN, r, p], secret, [public_], signal);
}

/** `pbkdf2`. */
export async function pbkdf2(
  password: unknown,
  salt: unknown,
  iterations: unknown,
  keylen: unknown,
  digest: unknown,
  options: unknown = {},
): Promise<Buffer> {
  const { signal } = validObject(options, "options") as Abortable;
  if (typeof digest !== "string") throw invalidType("digest", "of type string", digest);
  const [secret, public_] = [bytesOfInput(password, "password"), bytesOfInput(salt, "salt")];
  const rounds = validInteger(iterations, "iterations", 1, UINT31);
  const length = validInteger(keylen, "keylen", 0, UINT31);
  validSignal(signal, "options.signal");
  const number = algorithmNumber(digest);
  // The SHA-2 functions come first.
  if (number < 0 || number > 5)
    throw coded(TypeError, "ERR_CRYPTO_INVALID_DIGEST", `Invalid digest: ${digest}`);
  if (length === 0) return Buffer.alloc(0);
  return derive([PBKDF2, length, number, rounds], secret, [public_], signal);
}

const unpadded = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64").replace(/=+$/, "");

/** How a hash was made, as its text says. */
interface Parsed {
  readonly id: string;
  readonly version: number;
  readonly params: ReadonlyMap<string, number>;
  readonly salt: Buffer;
  readonly hash: Buffer;
}

const PHC =
  /^\$([a-z0-9-]{1,32})(?:\$v=(\d{1,10}))?\$([a-z]{1,32}=\d{1,10}(?:,[a-z]{1,32}=\d{1,10})*)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;

function parse(text: unknown): Parsed {
  if (typeof text !== "string") throw invalidType("hash", "of type string", text);
  const found = PHC.exec(text);
  if (found === null) throw malformed();
  const [, id = "", version, params = "", salt = "", hash = ""] = found;
  const pairs = params.split(",").map((pair): [string, number] => {
    const [name = "", value] = pair.split("=");
    return [name, Number(value)];
  });
  const parsed = {
    id,
    version: version === undefined ? 0x10 : Number(version),
    params: new Map(pairs),
    salt: Buffer.from(salt, "base64"),
    hash: Buffer.from(hash, "base64"),
  };
  // What is too short would be met by chance, and what is empty by any password.
  if (parsed.hash.length < LEAST_HASH) throw malformed();
  if (parsed.params.has("l") && parsed.params.get("l") !== parsed.hash.length) throw malformed();
  return parsed;
}

/** Never shows the hash. */
function malformed(): Error {
  const message = "The argument 'hash' must be a PHC string of argon2, scrypt or pbkdf2";
  return coded(TypeError, "ERR_INVALID_ARG_VALUE", message);
}

/** The key that `password` gives with another hash's parameters. */
async function again(
  password: unknown,
  parsed: Parsed,
  limit: number,
  signal: AbortSignal | undefined,
): Promise<Buffer> {
  const { id, version, params, salt, hash } = parsed;
  const param = (name: string): number => {
    const value = params.get(name);
    if (value === undefined) throw malformed();
    return value;
  };
  const abortable = signal === undefined ? {} : { signal };
  if (id === "scrypt") {
    const [logN, r, p] = [param("ln"), param("r"), param("p")];
    const needed = 128 * r * (2 ** logN + p + 2);
    if (needed > limit) throw overLimit(needed, limit, "options.maxMemory");
    return scrypt(password, salt, hash.length, { N: 2 ** logN, r, p, maxmem: limit, ...abortable });
  }
  if (id.startsWith("pbkdf2-")) {
    return pbkdf2(password, salt, param("i"), hash.length, id.slice("pbkdf2-".length), abortable);
  }
  if (!ARGON2.includes(id as Argon2Algorithm) || (version !== VERSION && version !== 0x10)) throw malformed();
  const parameters = {
    message: password,
    nonce: salt,
    parallelism: param("p"),
    tagLength: hash.length,
    memory: param("m"),
    passes: param("t"),
  };
  return argon2Version(id, parameters, { maxMemory: limit, ...abortable }, version);
}

/** `hashPassword`. */
export async function hashPassword(password: unknown, options: unknown = {}): Promise<string> {
  const given = validObject(options, "options") as PasswordOptions & Record<string, number | undefined>;
  const { algorithm = "argon2id", signal } = given;
  validSignal(signal, "options.signal");
  const salt = randomBytes(validInteger(given.saltLength ?? 16, "options.saltLength", 8, 64));
  const number = (name: string, fallback: number, least: number, most: number): number =>
    validInteger(given[name] ?? fallback, `options.${name}`, least, most);
  const text = (id: string, params: string, hash: Uint8Array): string =>
    `$${id}$${params}$${unpadded(salt)}$${unpadded(hash)}`;
  const make = async (id: string, params: readonly [string, number][], prefix = ""): Promise<string> => {
    const parsed = { id, version: VERSION, params: new Map(params), salt, hash: Buffer.alloc(32) };
    const hash = await again(password, parsed, Number.MAX_SAFE_INTEGER, signal);
    return text(id, prefix + params.map((pair) => pair.join("=")).join(","), hash);
  };
  switch (algorithm) {
    case "argon2id": {
      const lanes = number("parallelism", 1, 1, 255);
      const memory = number("memory", 19_456, 8 * lanes, UINT32);
      const params: [string, number][] = [
        ["m", memory],
        ["t", number("passes", 2, 1, UINT32)],
        ["p", lanes],
      ];
      return make("argon2id", params, `v=${VERSION}$`);
    }
    case "scrypt": {
      const logN = Math.log2(number("cost", 131_072, 2, UINT32));
      if (!Number.isInteger(logN)) throw invalidValue("options.cost", given.cost, "must be a power of two");
      const [r, p] = [number("blockSize", 8, 1, 1024), number("parallelization", 1, 1, 1024)];
      return make("scrypt", [
        ["ln", logN],
        ["r", r],
        ["p", p],
      ]);
    }
    case "pbkdf2-sha256":
    case "pbkdf2-sha512": {
      const rounds = algorithm.endsWith("256") ? 600_000 : 210_000;
      return make(algorithm, [["i", number("iterations", rounds, 1, UINT31)]]);
    }
    default:
      throw invalidValue("options.algorithm", algorithm);
  }
}

/** `verifyPassword`. */
export async function verifyPassword(
  password: unknown,
  hash: unknown,
  options: unknown = {},
): Promise<boolean> {
  const { maxMemory, signal } = validObject(options, "options") as VerifyOptions;
  const limit = validInteger(maxMemory ?? MOST_MEMORY, "options.maxMemory", 0);
  const parsed = parse(hash);
  const key = await again(password, parsed, limit, validSignal(signal, "options.signal"));
  return timingSafeEqual(key, parsed.hash);
}
