/** Hashes of `maniac/jobs` beside `node:crypto`, published vectors, and what all jobs promise: copies, order, aborts, ends. */
import { AsyncLocalStorage } from "node:async_hooks";
import { execFileSync } from "node:child_process";
import crypto from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import test from "ava";
import { createHash, type HashAlgorithm, hash, hashFile } from "maniac/jobs";
import { packageRoot, run } from "./fakes/subprocess.js";

const odd = (value: unknown): never => value as never;
const SHA: readonly [HashAlgorithm, string][] = [
  ["sha224", "sha224"],
  ["sha256", "sha256"],
  ["sha384", "sha384"],
  ["sha512", "sha512"],
  ["sha512-224", "sha512-224"],
  ["sha512-256", "sha512-256"],
];
const sizes = [0, 1, 3, 63, 64, 65, 111, 112, 127, 128, 4096, 300_000, 1_000_003];
/** The bytes of BLAKE3's own test vectors. */
const counting = (length: number): Uint8Array => Uint8Array.from({ length }, (_, at) => at % 251);

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "maniac-jobs-"));
test.after.always(() => fs.rmSync(folder, { recursive: true }));

test("SHA-2 gives what node:crypto gives, whole and in pieces", async (t) => {
  for (const [ours, theirs] of SHA) {
    for (const size of sizes) {
      const data = counting(size);
      const wanted = crypto.createHash(theirs).update(data).digest("hex");
      t.is(await hash(ours, data), wanted, `${ours} of ${size}`);
      const pieces = createHash(ours);
      for (let at = 0; at < size; at += 70_001) pieces.update(data.subarray(at, at + 70_001));
      t.is(await pieces.digest("hex"), wanted, `${ours} of ${size} in pieces`);
    }
  }
});

test("published vectors", async (t) => {
  // FIPS 180-4, and the vectors that BLAKE3 and xxHash publish.
  t.is(await hash("sha256", "abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  t.is(await hash("blake3", ""), "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
  t.is(await hash("blake3", counting(1)), "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213");
  t.is(
    await hash("blake3", counting(1024)),
    "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
  );
  t.is(await hash("xxh3", ""), "2d06800538d394c2");
  t.is(await hash("xxh128", ""), "99aa06d3014798d86001c324468d497f");
});

test("BLAKE3 gives as many bytes as are asked for; the others give their own", async (t) => {
  const long = await hash("blake3", "abc", { outputLength: 131, outputEncoding: "buffer" });
  t.is(long.length, 131);
  t.is(long.toString("hex", 0, 32), await hash("blake3", "abc"));
  t.is((await createHash("blake3", { outputLength: 5 }).update("abc").digest()).length, 5);
  t.is(await hash("sha256", "abc", { outputLength: 32 }), await hash("sha256", "abc"));
  await t.throwsAsync(hash("sha256", "abc", { outputLength: 31 }), { code: "ERR_OUT_OF_RANGE" });
});

test("a batch gives its results in order, in every encoding, whatever the inputs' sizes", async (t) => {
  const inputs = Array.from({ length: 2000 }, (_, at) => counting((at * 7919) % 5000));
  const wanted = inputs.map((input) => crypto.createHash("sha256").update(input).digest("hex"));
  t.deepEqual(await hash("sha256", inputs), wanted);
  const buffers = await hash("sha256", inputs, "buffer");
  t.deepEqual(
    buffers.map((digest) => digest.toString("hex")),
    wanted,
  );
  t.not(buffers[0]?.buffer, buffers[1]?.buffer);
  t.deepEqual(await hash("sha256", []), []);
  const [base64] = await hash("sha256", ["abc"], "base64");
  t.is(base64, crypto.createHash("sha256").update("abc").digest("base64"));
});

test("every kind of input is taken, and copied before the call returns", async (t) => {
  const wanted = crypto.createHash("sha256").update("bytes!").digest("hex");
  const bytes = Buffer.from("bytes!");
  const memory = new ArrayBuffer(6);
  new Uint8Array(memory).set(bytes);
  const shared = new SharedArrayBuffer(6);
  new Uint8Array(shared).set(bytes);
  const kinds = [
    "bytes!",
    bytes,
    new Uint8Array(bytes),
    memory,
    shared,
    new DataView(memory),
    new Uint16Array(memory),
  ];
  t.deepEqual(await hash("sha256", kinds), Array(kinds.length).fill(wanted));
  const changed = hash("sha256", bytes);
  const gone = hash("sha256", memory);
  bytes.fill(0);
  structuredClone(memory, { transfer: [memory] });
  t.deepEqual([await changed, await gone], [wanted, wanted]);
  const piece = Buffer.from("bytes!");
  const pieces = createHash("sha256").update(piece);
  piece.fill(0);
  t.is(await pieces.digest("hex"), wanted);
});

test("wrong arguments reject with Node's codes", async (t) => {
  await t.throwsAsync(hash(odd("md0"), "x"), { code: "ERR_CRYPTO_INVALID_DIGEST" });
  await t.throwsAsync(hash(odd(5), "x"), { code: "ERR_INVALID_ARG_TYPE" });
  await t.throwsAsync(hash("sha256", odd(5)), { code: "ERR_INVALID_ARG_TYPE" });
  const [first] = [await t.throwsAsync(hash("sha256", odd(["x", null])), { code: "ERR_INVALID_ARG_TYPE" })];
  t.regex(first?.message ?? "", /data\[1\]/);
  await t.throwsAsync(hash("sha256", "x", odd("utf8")), { code: "ERR_INVALID_ARG_VALUE" });
  await t.throwsAsync(hash("sha256", "x", { signal: odd(1) }), { code: "ERR_INVALID_ARG_TYPE" });
  t.throws(() => createHash(odd("md0")), { code: "ERR_CRYPTO_INVALID_DIGEST" });
  const done = createHash("sha256");
  await done.digest();
  t.throws(() => done.update("x"), { code: "ERR_CRYPTO_HASH_FINALIZED" });
  await t.throwsAsync(done.digest(), { code: "ERR_CRYPTO_HASH_FINALIZED" });
});

test("files are hashed by path, alone and many, and a missing one is named", async (t) => {
  const names = sizes.map((size) => path.join(folder, `file ${size}`));
  for (const [at, name] of names.entries()) fs.writeFileSync(name, counting(sizes[at] as number));
  const wanted = sizes.map((size) => crypto.createHash("sha256").update(counting(size)).digest("hex"));
  t.deepEqual(await hashFile("sha256", names), wanted);
  t.is(await hashFile("sha256", new URL(`file://${folder}/file%204096`)), wanted[10] as string);
  const missing = path.join(folder, "missing");
  const error = (await t.throwsAsync(
    hashFile("sha256", [names[0] as string, missing]),
  )) as NodeJS.ErrnoException;
  t.deepEqual([error.code, error.syscall, error.path], ["ENOENT", "open", missing]);
  t.is((error as { index?: number }).index, 1);
  t.is(((await t.throwsAsync(hashFile("xxh3", folder))) as NodeJS.ErrnoException).code, "EISDIR");
});

// One processor has one lane.
(os.availableParallelism() > 1 ? test : test.skip)(
  "few files of one call are hashed by several threads",
  async (t) => {
    const pipes = ["first", "second"].map((name) => path.join(folder, name));
    for (const pipe of pipes) execFileSync("mkfifo", [pipe]);
    const digests = hashFile("sha256", pipes);
    // The second one's reader is there while the first still waits for a writer.
    for (const pipe of pipes.toReversed()) await fs.promises.writeFile(pipe, pipe);
    t.deepEqual(
      await digests,
      pipes.map((pipe) => crypto.createHash("sha256").update(pipe).digest("hex")),
    );
  },
);

test("a hash is a stream: data is piped through it", async (t) => {
  const chunks = Array.from({ length: 50 }, (_, at) => Buffer.from(counting(at * 997)));
  const wanted = crypto.createHash("sha512").update(Buffer.concat(chunks)).digest("hex");
  const found: Buffer[] = [];
  await pipeline(Readable.from(chunks), createHash("sha512"), async (digests) => {
    for await (const digest of digests) found.push(digest as Buffer);
  });
  t.is(Buffer.concat(found).toString("hex"), wanted);
});

test("an abort rejects, before, during and in a stream; the work ends at its next chunk", async (t) => {
  const reason = new Error("enough");
  const expected = { name: "AbortError", code: "ABORT_ERR" };
  const gone = await t.throwsAsync(hash("sha256", "x", { signal: AbortSignal.abort(reason) }), expected);
  t.is(gone?.cause, reason);
  const controller = new AbortController();
  const { signal } = controller;
  const large = Buffer.alloc(64 * 1024 * 1024);
  const working = [hash("sha512", large, { signal }), hash("sha512", [large, large], { signal })];
  const pieces = createHash("sha512", { signal }).update(large).digest();
  const flowing = pipeline(Readable.from([large]), createHash("sha512", { signal }), async (digests) => {
    for await (const _ of digests);
  });
  controller.abort(reason);
  for (const one of working) t.is((await t.throwsAsync(one, expected))?.cause, reason);
  t.is((await t.throwsAsync(pieces, expected))?.cause, reason);
  await t.throwsAsync(flowing, expected);
  // What was given up is out of the way of what comes now.
  t.is(await hash("sha256", "abc"), crypto.createHash("sha256").update("abc").digest("hex"));
});

test("AsyncLocalStorage reaches what follows", async (t) => {
  const storage = new AsyncLocalStorage<number>();
  const seen = await Promise.all(
    [1, 2, 3].map((value) => storage.run(value, () => hash("xxh3", "x").then(() => storage.getStore()))),
  );
  t.deepEqual(seen, [1, 2, 3]);
});

test("a process waits for its jobs, and for nothing after them", async (t) => {
  const source = `
    import { hash, createHash } from "maniac/jobs";
    createHash("sha256").update("never ended");
    void hash("sha256", Buffer.alloc(8 << 20)).then((digest) => console.log(digest.length));
  `;
  const { code, stdout, stderr } = await run(["--input-type=module", "--eval", source]);
  t.deepEqual({ code, stdout, stderr }, { code: 0, stdout: "64\n", stderr: "" });
});

test("Workers end with jobs under way, in any order", async (t) => {
  const source = `
    import { Worker } from "node:worker_threads";
    const source = \`
      const { parentPort } = require("node:worker_threads");
      import("maniac/jobs").then(async ({ hash, createHash }) => {
        const data = Buffer.alloc(4 << 20);
        const stream = createHash("sha256").update(data);
        for (let at = 0; at < 20; at++) void hash("sha512", [data, data]);
        void stream.digest();
        await hash("xxh3", "x");
        parentPort.postMessage("ready");
      });\`;
    const end = async () => {
      const worker = new Worker(source, { eval: true, execArgv: [] });
      await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
      return worker.terminate();
    };
    console.log((await Promise.all(Array.from({ length: 8 }, end))).join());
  `;
  const { code, stdout, stderr } = await run(["--input-type=module", "--eval", source]);
  t.deepEqual({ code, stdout, stderr }, { code: 0, stdout: "1,1,1,1,1,1,1,1\n", stderr: "" });
});

test("under the permission model only what may be read is hashed", async (t) => {
  const source = `
    import { hashFile } from "maniac/jobs";
    const outcome = (path) => hashFile("sha256", path).then((digest) => digest.length, (error) => error.code);
    console.log(await outcome("package.json"), await outcome(["package.json", "/etc/hostname"]));
  `;
  const model = process.allowedNodeEnvironmentFlags.has("--permission")
    ? "--permission"
    : "--experimental-permission";
  const flags = [model, "--allow-addons", `--allow-fs-read=${packageRoot}/*`, "--no-warnings"];
  const { stdout, stderr } = await run([...flags, "--input-type=module", "--eval", source]);
  t.is(stdout, "64 ERR_ACCESS_DENIED\n", stderr);
});
