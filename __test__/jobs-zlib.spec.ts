/** Compression of `maniac/jobs` beside `node:zlib`, both ways, and its limits. */
import { once } from "node:events";
import { Readable, Writable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import zlib from "node:zlib";
import test from "ava";
import * as jobs from "maniac/jobs";

type OneShot = (data: Uint8Array, options?: object) => Promise<Buffer>;

interface Case {
  readonly compress: OneShot;
  readonly decompress: OneShot;
  readonly compressor: (options?: object) => jobs.Coder;
  readonly decompressor: (options?: object) => jobs.Coder;
  /** Node's own, where it has the format. */
  readonly node?: readonly [compress: (data: Uint8Array) => Buffer, decompress: (data: Uint8Array) => Buffer];
}

const cases: Record<string, Case> = {
  gzip: {
    compress: jobs.gzip,
    decompress: jobs.gunzip,
    compressor: jobs.createGzip,
    decompressor: jobs.createGunzip,
    node: [zlib.gzipSync, zlib.gunzipSync],
  },
  deflate: {
    compress: jobs.deflate,
    decompress: jobs.inflate,
    compressor: jobs.createDeflate,
    decompressor: jobs.createInflate,
    node: [zlib.deflateSync, zlib.inflateSync],
  },
  deflateRaw: {
    compress: jobs.deflateRaw,
    decompress: jobs.inflateRaw,
    compressor: jobs.createDeflateRaw,
    decompressor: jobs.createInflateRaw,
    node: [zlib.deflateRawSync, zlib.inflateRawSync],
  },
  brotli: {
    compress: (data, options) => jobs.brotliCompress(data, { level: 5, ...options }),
    decompress: jobs.brotliDecompress,
    compressor: (options) => jobs.createBrotliCompress({ level: 5, ...options }),
    decompressor: jobs.createBrotliDecompress,
    node: [zlib.brotliCompressSync, zlib.brotliDecompressSync],
  },
  zstd: {
    compress: jobs.zstdCompress,
    decompress: jobs.zstdDecompress,
    compressor: jobs.createZstdCompress,
    decompressor: jobs.createZstdDecompress,
  },
};
const names = Object.keys(cases);
const all = Object.entries(cases);

/** Bytes that compress a little, the same each time. */
function noisy(length: number): Buffer {
  const block = Buffer.alloc(Math.min(length, 1024 * 1024));
  let state = 1;
  for (let at = 0; at < block.length; at++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    block[at] = state >> 20;
  }
  return Buffer.alloc(length, block);
}

const payloads = [
  Buffer.alloc(0),
  Buffer.from("x"),
  Buffer.from("again and again ".repeat(5000)),
  noisy(65_536),
  noisy(700_001),
  Buffer.alloc(3_000_000),
];

/** What a call came to. */
async function outcome(run: () => unknown): Promise<unknown> {
  try {
    return ((await run()) as Buffer).toString("latin1");
  } catch (error) {
    return (error as { code?: string }).code;
  }
}

for (const [name, { compress, decompress, compressor, decompressor, node }] of all) {
  test(`${name}: both ways, whole and as streams, and as node:zlib reads and writes it`, async (t) => {
    for (const data of payloads) {
      const packed = await compress(data);
      t.true(data.equals(await decompress(packed)));
      const flowing = Readable.from([data.subarray(0, 1000), data.subarray(1000)]);
      t.true(data.equals(await buffer(flowing.pipe(compressor()).pipe(decompressor()))));
      if (node !== undefined) {
        t.true(data.equals(node[1](packed)));
        t.true(data.equals(await decompress(node[0](data))));
      }
    }
  });

  test(`${name}: a stream reads its input byte by byte`, async (t) => {
    const data = noisy(3000);
    const packed = await compress(data);
    const bytes = Readable.from(Array.from(packed, (byte) => Buffer.of(byte)));
    t.true(data.equals(await buffer(bytes.pipe(decompressor()))));
  });

  test(`${name}: many at once, in order`, async (t) => {
    const inputs = Array.from({ length: 300 }, (_, at) => noisy(at * 37));
    const many = compress as unknown as (data: readonly Buffer[]) => Promise<Buffer[]>;
    const back = decompress as unknown as typeof many;
    const found = await back(await many(inputs));
    t.true(found.length === 300 && found.every((one, at) => one.equals(inputs[at] as Buffer)));
    t.deepEqual(await many([]), []);
  });

  test(`${name}: a bomb is refused, whole and as a stream`, async (t) => {
    const bomb = await compress(Buffer.alloc(32 * 1024 * 1024));
    t.true(bomb.length < 100_000);
    const limited = { maxOutputLength: 1024 * 1024 };
    const error = await t.throwsAsync(decompress(bomb, limited), { code: "ERR_BUFFER_TOO_LARGE" });
    t.true(error instanceof RangeError);
    t.is((await decompress(bomb, { maxOutputLength: 32 * 1024 * 1024 })).length, 32 * 1024 * 1024);
    const flowing = Readable.from([bomb]).pipe(decompressor(limited));
    await t.throwsAsync(buffer(flowing), { code: "ERR_BUFFER_TOO_LARGE" });
  });

  test(`${name}: a stream makes no more than its reader takes`, async (t) => {
    const bomb = await compress(Buffer.alloc(32 * 1024 * 1024));
    const stream = decompressor();
    stream.end(bomb);
    await once(stream, "readable");
    let seen = 0;
    let most = 0;
    const slow = new Writable({
      highWaterMark: 1,
      write(chunk: Buffer, _encoding, callback) {
        seen += chunk.length;
        most = Math.max(most, stream.readableLength);
        setImmediate(callback);
      },
    });
    await pipeline(stream, slow);
    t.is(seen, 32 * 1024 * 1024);
    t.true(most <= 4 * 1024 * 1024, `${most} bytes waited`);
  });

  test(`${name}: what is cut off or damaged is told`, async (t) => {
    const packed = await compress(noisy(10_000));
    for (const length of [0, 1, 5, packed.length >> 1, packed.length - 1]) {
      const cut = packed.subarray(0, length);
      await t.throwsAsync(decompress(cut), { code: "Z_BUF_ERROR" }, `${length} bytes`);
      await t.throwsAsync(buffer(Readable.from([cut]).pipe(decompressor())), { code: "Z_BUF_ERROR" });
    }
    const code = ["brotli", "zstd"].includes(name) ? "ERR_MANIAC_CORRUPT" : "Z_DATA_ERROR";
    await t.throwsAsync(decompress(Buffer.alloc(100, 0xff)), { code });
    await t.throwsAsync(buffer(Readable.from([Buffer.alloc(100, 0xff)]).pipe(decompressor())), { code });
  });

  test(`${name}: an abort rejects, and ends a stream`, async (t) => {
    const controller = new AbortController();
    const { signal } = controller;
    const large = noisy(16 * 1024 * 1024);
    const whole = compress(large, { signal });
    const flowing = pipeline(
      Readable.from([large]),
      compressor({ signal }),
      new Writable({ write: () => undefined }),
    );
    controller.abort("enough");
    const error = await t.throwsAsync(whole, { name: "AbortError", code: "ABORT_ERR" });
    t.is(error?.cause, "enough");
    await t.throwsAsync(flowing, { name: "AbortError" });
  });
}

test("gunzip takes members and padding as node:zlib does", async (t) => {
  const [abc, def] = [zlib.gzipSync("abc"), zlib.gzipSync("def")];
  const inputs = [
    [abc, def],
    [abc, Buffer.alloc(10)],
    [abc, def, Buffer.alloc(1)],
    [abc, Buffer.from([0x1f, 0x8b, 0xff, 0xff]), Buffer.alloc(10)],
    [abc, Buffer.from("trailing text")],
    [abc, def.subarray(0, 12)],
  ];
  for (const [at, input] of inputs.entries()) {
    const data = Buffer.concat(input);
    const wanted = await outcome(() => zlib.gunzipSync(data));
    t.is(await outcome(() => jobs.gunzip(data)), wanted, `input ${at}`);
    t.is(await outcome(() => buffer(Readable.from(input).pipe(jobs.createGunzip()))), wanted, `stream ${at}`);
  }
});

test("what follows the end is ignored where node:zlib ignores it", async (t) => {
  const rest = Buffer.from("rest");
  t.is((await jobs.inflate(Buffer.concat([zlib.deflateSync("abc"), rest]))).toString(), "abc");
  t.is((await jobs.inflateRaw(Buffer.concat([zlib.deflateRawSync("abc"), rest]))).toString(), "abc");
  t.is(
    (await jobs.brotliDecompress(Buffer.concat([zlib.brotliCompressSync("abc"), rest]))).toString(),
    "abc",
  );
});

test("zstd: frames behind one another, checksums, and a window too large", async (t) => {
  const [abc, def] = await jobs.zstdCompress(["abc", "def"], { checksum: true });
  t.is((await jobs.zstdDecompress(Buffer.concat([abc as Buffer, def as Buffer]))).toString(), "abcdef");
  const damaged = Buffer.from(abc as Buffer);
  damaged[damaged.length - 1] = (damaged.at(-1) as number) ^ 1;
  await t.throwsAsync(jobs.zstdDecompress(damaged), { code: "ERR_MANIAC_CORRUPT" });
  // A stream does not know how long it will be, so its frame needs the whole window.
  const stream = jobs.createZstdCompress({ windowLog: 24 });
  stream.end(noisy(3_000_000));
  const wide = await buffer(stream);
  await t.throwsAsync(jobs.zstdDecompress(wide, { windowLog: 20 }), { code: "ERR_MANIAC_LIMIT" });
  t.is((await jobs.zstdDecompress(wide, { windowLog: 24 })).length, 3_000_000);
  // The magic number, a raw block of the published format: RFC 8878.
  const frame = Buffer.from("28b52ffd2003190000616263", "hex");
  t.is((await jobs.zstdDecompress(frame)).toString(), "abc");
});

test("levels count", async (t) => {
  const data = Buffer.from(Array.from({ length: 4000 }, (_, at) => `line ${at * at}\n`).join(""));
  const { params } = { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 } };
  const pairs = await Promise.all([
    Promise.all([jobs.gzip(data, { level: 1 }), jobs.gzip(data, { level: 9 })]),
    Promise.all([jobs.zstdCompress(data, { level: 1 }), jobs.zstdCompress(data, { level: 19 })]),
    Promise.all([jobs.brotliCompress(data, { params }), jobs.brotliCompress(data)]),
  ]);
  for (const [quick, small] of pairs) t.true(small.length < quick.length);
  t.is((await jobs.gzip(data, { level: 0 })).length > data.length, true);
});

test("wrong options reject with Node's codes", async (t) => {
  const wrong = (options: object): object => options;
  const range = { code: "ERR_OUT_OF_RANGE" };
  await t.throwsAsync(jobs.gzip("x", { level: 10 }), range);
  await t.throwsAsync(jobs.gzip("x", { windowBits: 8 }), range);
  await t.throwsAsync(jobs.zstdCompress("x", { level: 23 }), range);
  await t.throwsAsync(jobs.zstdDecompress("x", { windowLog: 32 }), range);
  await t.throwsAsync(jobs.brotliCompress("x", { level: 12 }), range);
  await t.throwsAsync(jobs.brotliCompress("x", { params: { 99: 1 } }), { code: "ERR_BROTLI_INVALID_PARAM" });
  await t.throwsAsync(jobs.gunzip("x", { maxOutputLength: 0 }), range);
  await t.throwsAsync(jobs.gunzip("x", wrong({ signal: 5 })), { code: "ERR_INVALID_ARG_TYPE" });
  t.throws(() => jobs.createGzip({ level: 10 }), range);
  t.deepEqual(names.length, 5);
});
