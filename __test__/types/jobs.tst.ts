/** Types of `maniac/jobs`: one input gives one result, many give many, and the encoding says what a digest is. */
import {
  argon2,
  createHash,
  gzip,
  type HashOptions,
  hash,
  hashFile,
  hashPassword,
  verifyPassword,
  zstdDecompress,
} from "maniac/jobs";
import { expect, test } from "tstyche";

test("hash gives text or Buffers, one or many", () => {
  expect(hash("sha256", "x")).type.toBe<Promise<string>>();
  expect(hash("sha256", ["x"])).type.toBe<Promise<string[]>>();
  expect(hash("blake3", Buffer.alloc(1), "buffer")).type.toBe<Promise<Buffer>>();
  expect(hash("xxh3", ["x"] as const, { outputEncoding: "buffer" })).type.toBe<Promise<Buffer[]>>();
  expect(hash("xxh3", "x", { outputLength: 8 })).type.toBe<Promise<string>>();
  const some: HashOptions = {};
  expect(hash("xxh3", "x", some)).type.toBe<Promise<string | Buffer>>();
  expect(hash).type.not.toBeCallableWith("sha256", "x", { outputEncoding: "utf8" });
  expect(hashFile("sha512", "path")).type.toBe<Promise<string>>();
  expect(hashFile("sha512", [new URL("file:///path")], "buffer")).type.toBe<Promise<Buffer[]>>();
  expect(createHash("sha256").update("x").digest("hex")).type.toBe<Promise<string>>();
  expect(createHash("sha256").digest()).type.toBe<Promise<Buffer>>();
  expect(hash).type.not.toBeCallableWith("md5", "x");
  expect(hash).type.not.toBeCallableWith("sha256", 5);
});

test("compression gives Buffers, one or many", () => {
  expect(gzip("x", { level: 9, signal: AbortSignal.timeout(1) })).type.toBe<Promise<Buffer>>();
  expect(zstdDecompress([Buffer.alloc(1)], { maxOutputLength: 1 })).type.toBe<Promise<Buffer[]>>();
  expect(gzip).type.not.toBeCallableWith("x", { level: "9" });
});

test("keys and hashes of passwords", () => {
  const costs = { parallelism: 1, tagLength: 32, memory: 64, passes: 1 };
  expect(argon2("argon2id", { message: "x", nonce: "y", ...costs })).type.toBe<Promise<Buffer>>();
  expect(argon2).type.not.toBeCallableWith("argon2id", { message: "x", nonce: "y" });
  expect(hashPassword("x", { algorithm: "scrypt", cost: 1024 })).type.toBe<Promise<string>>();
  expect(hashPassword).type.not.toBeCallableWith("x", { algorithm: "scrypt", iterations: 5 });
  expect(verifyPassword("x", "y")).type.toBe<Promise<boolean>>();
});
