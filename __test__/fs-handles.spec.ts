/** Open files: how they end, what streams over them do, and what the package adds. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import nodeFs from "node:fs";
import nodePromises from "node:fs/promises";
import { Readable } from "node:stream";
import { finished, pipeline } from "node:stream/promises";
import test from "ava";
import * as fs from "maniac/fs";
import { fakeEngine } from "./fakes/install.js";
import { runScript } from "./fakes/subprocess.js";
import { makeTree, removeTree } from "./fixtures/fs-tree.js";

const root = makeTree();
const at = (name: string): string => `${root}/${name}`;
test.after.always(() => removeTree(root));

let names = 0;
const fresh = (): string => at(`fresh-${names++}`);

function descriptors(): number {
  return nodeFs.readdirSync("/proc/self/fd").length;
}

test.serial("close waits for the operations in flight, and they keep the descriptor", async (t) => {
  const file = await fs.open(at("big"));
  const buffers = Array.from({ length: 50 }, () => Buffer.alloc(4096));
  const reads = buffers.map((buffer, index) => file.read(buffer, 0, 4096, index * 4096));
  const closing = file.close();
  t.is(file.close(), closing, "the same promise while it closes");
  const results = await Promise.all(reads);
  await closing;
  t.is(file.fd, -1);
  const expected = nodeFs.readFileSync(at("big"));
  for (const [index, { bytesRead }] of results.entries()) {
    t.deepEqual(
      buffers[index]?.subarray(0, bytesRead),
      expected.subarray(index * 4096, index * 4096 + bytesRead),
    );
  }
  await file.close();
});

test.serial("a handle that is collected is closed with Node's warnings", async (t) => {
  const source = (module: string): string => `
    process.on("warning", ({ name, code, message }) => console.log(name, code, message.replace(/\\d+/, "N")));
    await (async () => { await ${module}.open("package.json"); })();
    for (let round = 0; round < 20; round++) { globalThis.gc(); await new Promise(setImmediate); }
  `;
  const ours = await runScript(source("fs"), ["--expose-gc", "--no-warnings"]);
  const theirs = await runScript(source("node"), ["--expose-gc", "--no-warnings"]);
  if (Number.parseInt(process.versions.node, 10) < 26) {
    t.is(ours.stdout, theirs.stdout);
  } else {
    t.not(theirs.code, 0, "Node 26 ends the process; ours goes on as before");
  }
  t.regex(ours.stdout, /DEP0137/);
  t.is(ours.code, 0);
});

test.serial("a directory that is collected is closed with Node's warning", async (t) => {
  const source = (module: string): string => `
    process.on("warning", ({ name, message }) => console.log(name, message));
    await (async () => { await ${module}.opendir("."); })();
    await (async () => { const closed = await ${module}.opendir("."); await closed.close(); })();
    for (let round = 0; round < 20; round++) { globalThis.gc(); await new Promise(setImmediate); }
  `;
  const ours = await runScript(source("fs"), ["--expose-gc", "--no-warnings"]);
  const theirs = await runScript(source("node"), ["--expose-gc", "--no-warnings"]);
  t.is(ours.stdout, theirs.stdout);
  t.regex(ours.stdout, /directory handle/);
});

test.serial("a handle that was closed is collected in silence", async (t) => {
  const { stdout, code } = await runScript(
    `process.on("warning", (warning) => console.log(warning.message));
     await (async () => { const file = await fs.open("package.json"); await file.read(); await file.close(); })();
     for (let round = 0; round < 20; round++) { globalThis.gc(); await new Promise(setImmediate); }`,
    ["--expose-gc"],
  );
  t.is(stdout, "");
  t.is(code, 0);
});

test.serial(
  "createReadStream of a handle is Node's own stream, and closes the handle at its end",
  async (t) => {
    const file = await fs.open(at("big"));
    const stream = file.createReadStream({ highWaterMark: 10_000, start: 5, end: 123_456 });
    t.true(stream instanceof nodeFs.ReadStream);
    const chunks: Buffer[] = [];
    let closed = 0;
    file.on("close", () => {
      closed++;
    });
    for await (const chunk of stream) {
      chunks.push(chunk as Buffer);
    }
    t.deepEqual(Buffer.concat(chunks), nodeFs.readFileSync(at("big")).subarray(5, 123_457));
    t.true(chunks.every(({ length }) => length <= 10_000));
    t.is(stream.bytesRead, 123_452);
    t.is(file.fd, -1);
    t.is(closed, 1);
  },
);

test.serial("a stream with autoClose off leaves the handle open", async (t) => {
  const file = await fs.open(at("a.txt"));
  const stream = file.createReadStream({ autoClose: false, encoding: "utf8" });
  const text = await Readable.from(stream).toArray();
  t.is(text.join(""), "hello world\n");
  t.true(file.fd > 0);
  await file.close();
  t.is(file.fd, -1);
});

test.serial("closing a handle ends its streams", async (t) => {
  const file = await fs.open(at("big"));
  const stream = file.createReadStream({ highWaterMark: 1024 });
  await once(stream, "readable");
  const ended = once(stream, "close");
  await file.close();
  await ended;
  t.true(stream.destroyed);
  t.is(file.fd, -1);
});

test.serial("a stream reads no further than its consumer wants", async (t) => {
  const file = await fs.open(at("big"));
  const stream = file.createReadStream({ highWaterMark: 1000 });
  await once(stream, "readable");
  for (let turn = 0; turn < 20; turn++) {
    await new Promise(setImmediate);
  }
  t.true(stream.bytesRead <= 2000, `${stream.bytesRead} bytes ahead`);
  stream.destroy();
  await once(stream, "close");
});

test.serial("createWriteStream writes in order, at its position, and flushes", async (t) => {
  const path = fresh();
  const file = await fs.open(path, "w");
  const stream = file.createWriteStream({ start: 3, flush: true, highWaterMark: 10 });
  const parts = Array.from({ length: 100 }, (_, index) => `line ${index}\n`);
  for (const part of parts) {
    if (!stream.write(part)) {
      await once(stream, "drain");
    }
  }
  stream.end();
  await finished(stream);
  t.is(nodeFs.readFileSync(path, "latin1"), `\0\0\0${parts.join("")}`);
  t.is(stream.bytesWritten, parts.join("").length);
});

test.serial("streams by path: a copy of a file, and of its first bytes", async (t) => {
  const path = fresh();
  const before = descriptors();
  await pipeline(fs.createReadStream(at("big")), fs.createWriteStream(path));
  t.deepEqual(nodeFs.readFileSync(path), nodeFs.readFileSync(at("big")));
  await pipeline(fs.createReadStream(at("big"), { end: 9 }), fs.createWriteStream(path, "utf8"));
  t.is(nodeFs.readFileSync(path, "utf8"), "0123456789");
  t.is(descriptors(), before);
});

test.serial("streams by path tell of a missing file, of opening and of being ready", async (t) => {
  const missing = fs.createReadStream(at("missing"));
  const [error] = (await once(missing, "error")) as [NodeJS.ErrnoException];
  t.is(error.code, "ENOENT");
  t.is(error.syscall, "open");
  const stream = fs.createReadStream(at("a.txt"));
  const [fd] = (await once(stream, "open")) as [number];
  t.true(fd > 0);
  stream.resume();
  await once(stream, "close");
  t.throws(() => fs.createReadStream(5 as never), { code: "ERR_INVALID_ARG_TYPE" });
});

test.serial("streams take a handle or a number, and another fs", async (t) => {
  const file = await fs.open(at("a.txt"));
  const text = await fs.createReadStream("", { fd: file as never, encoding: "utf8" }).toArray();
  t.deepEqual(text, ["hello world\n"]);
  const fd = nodeFs.openSync(at("a.txt"), "r");
  const more = await fs.createReadStream("", { fd, encoding: "utf8" }).toArray();
  t.deepEqual(more, ["hello world\n"]);
  t.throws(() => nodeFs.fstatSync(fd), { code: "EBADF" });
  let opened = 0;
  const custom = {
    ...nodeFs,
    open: (...args: unknown[]) => {
      opened++;
      return (nodeFs.open as (...list: unknown[]) => void)(...args);
    },
  };
  const third = await fs.createReadStream(at("a.txt"), { fs: custom as never, encoding: "utf8" }).toArray();
  t.deepEqual(third, ["hello world\n"]);
  t.is(opened, 1);
});

test.serial("a stream's number that the program has closed is not closed again", async (t) => {
  for (let round = 0; round < 20; round++) {
    const stream = fs.createReadStream(at("a.txt"), { autoClose: false });
    const [fd] = (await once(stream, "open")) as [number];
    stream.resume();
    await once(stream, "end");
    nodeFs.closeSync(fd);
    // The kernel gives the lowest number that is free: the same one, unless somebody was faster.
    await using file = await fs.open(at("a.txt"));
    t.is(await file.readFile("utf8"), "hello world\n");
  }
});

test.serial("the reader of a named pipe waits for a writer, and has all that it writes", async (t) => {
  const reads: [string, (pipe: string) => Promise<string>][] = [
    ["stream", async (pipe) => (await fs.createReadStream(pipe, "utf8").toArray()).join("")],
    ["readFile", (pipe) => fs.readFile(pipe, "utf8")],
    [
      "handle",
      async (pipe) => {
        await using file = await fs.open(pipe);
        return await file.readFile("utf8");
      },
    ],
  ];
  for (const [name, read] of reads) {
    for (const writerFirst of [true, false]) {
      const pipe = fresh();
      execFileSync("mkfifo", [pipe]);
      // Another process: whoever opens first waits for the other.
      const write = (): ChildProcess => spawn("sh", ["-c", `echo hello > ${pipe}`]);
      const early = writerFirst ? write() : undefined;
      const reading = read(pipe);
      await once(early ?? write(), "exit");
      t.is(await reading, "hello\n", `${name}, writer ${writerFirst ? "first" : "second"}`);
    }
  }
});

test.serial("an aborted stream closes its file", async (t) => {
  const controller = new AbortController();
  const stream = fs.createReadStream(at("big"), { signal: controller.signal, highWaterMark: 100 });
  await once(stream, "readable");
  const failed = once(stream, "error");
  controller.abort();
  const [error] = (await failed) as [Error];
  t.is(error.name, "AbortError");
  await finished(stream).catch(() => undefined);
  t.true(stream.closed);
});

test.serial("readLines gives the lines and closes the file", async (t) => {
  const path = fresh();
  nodeFs.writeFileSync(path, "one\ntwo\r\nthree");
  const file = await fs.open(path);
  const lines: string[] = [];
  for await (const line of file.readLines({ encoding: "utf8" })) {
    lines.push(line);
  }
  t.deepEqual(lines, ["one", "two", "three"]);
});

test.serial("readableWebStream gives the bytes, to readers with and without buffers", async (t) => {
  const expected = nodeFs.readFileSync(at("big"));
  const file = await fs.open(at("big"));
  const chunks: Uint8Array[] = [];
  for await (const chunk of file.readableWebStream()) {
    chunks.push(chunk as Uint8Array);
  }
  t.deepEqual(Buffer.concat(chunks), expected);
  t.throws(() => file.readableWebStream(), { code: "ERR_INVALID_STATE" }, "once only");
  await file.close();
  t.is(file.fd, -1);

  const second = await fs.open(at("big"));
  const stream = second.readableWebStream({ type: "bytes", autoClose: true });
  const reader = stream.getReader({ mode: "byob" });
  const parts: Buffer[] = [];
  for (;;) {
    const { done, value } = await reader.read(new Uint8Array(60_000));
    if (done) {
      break;
    }
    parts.push(Buffer.from(value));
  }
  t.deepEqual(Buffer.concat(parts), expected);
  for (let turn = 0; turn < 50 && second.fd !== -1; turn++) {
    await new Promise(setImmediate);
  }
  t.is(second.fd, -1, "autoClose");
});

test.serial("closing a handle ends its web stream", async (t) => {
  const file = await fs.open(at("a.txt"));
  const stream = file.readableWebStream();
  await file.close();
  t.is(file.fd, -1);
  await t.notThrowsAsync(stream.getReader().closed);
});

test.serial("readFile and writeFile take Node's own handles too", async (t) => {
  const path = fresh();
  await using file = await nodePromises.open(path, "w+");
  await fs.writeFile(file, "one ");
  await fs.appendFile(file, ["two"]);
  t.is(nodeFs.readFileSync(path, "utf8"), "one two");
  t.is(await fs.readFile(file, "utf8"), "");
});

test.serial("await using closes", async (t) => {
  let file: fs.FileHandle;
  {
    await using used = await fs.open(at("a.txt"));
    file = used;
    t.true(file.fd > 0);
  }
  t.is(file.fd, -1);
});

test.serial("copyTo copies ranges within the kernel and counts", async (t) => {
  const path = fresh();
  await using source = await fs.open(at("big"));
  await using target = await fs.open(path, "w+");
  t.is(await source.copyTo(target, { position: 10, length: 5000, targetPosition: 2 }), 5000);
  t.is(await source.copyTo(target, { position: 199_999, length: 50 }), 1);
  t.is(await source.copyTo(target, { position: 500_000 }), 0);
  t.is(await source.copyTo(target, { position: 0, length: 0 }), 0);
  const all = await source.copyTo(target, { targetPosition: 0 });
  t.is(all, 200_000);
  t.deepEqual(nodeFs.readFileSync(path), nodeFs.readFileSync(at("big")));
  await t.throwsAsync(() => source.copyTo(5 as never), { code: "ERR_INVALID_ARG_TYPE" });
  await t.throwsAsync(() => source.copyTo(target, { length: -1 }), { code: "ERR_OUT_OF_RANGE" });
  await t.throwsAsync(() => source.copyTo({ fd: 99_999 }, { position: 0 }), { code: "EBADF" });
});

test.serial("allocAligned: reads land in it, writes come from it, its arguments are checked", async (t) => {
  const path = fresh();
  const block = fs.allocAligned(8192, 4096);
  t.is(block.length, 8192);
  await using source = await fs.open(at("big"));
  const { bytesRead, buffer } = await source.read(block, 100, 5000, 7);
  t.is(buffer, block);
  t.is(bytesRead, 5000);
  t.deepEqual(block.subarray(100, 5100), nodeFs.readFileSync(at("big")).subarray(7, 5007));
  t.is(block[99], 0);
  await using target = await fs.open(path, "w");
  t.is((await target.write(block, 100, 5000, 0)).bytesWritten, 5000);
  t.is((await target.write(block.subarray(100, 103), { position: 0 })).bytesWritten, 3);
  t.deepEqual(nodeFs.readFileSync(path), nodeFs.readFileSync(at("big")).subarray(7, 5007));
  t.throws(() => fs.allocAligned(0), { code: "ERR_OUT_OF_RANGE" });
  t.throws(() => fs.allocAligned(10, 3), { code: "ERR_INVALID_ARG_VALUE" });
  t.throws(() => fs.allocAligned("x" as never), { code: "ERR_INVALID_ARG_TYPE" });
});

test.serial("no two results share memory", async (t) => {
  await using file = await fs.open(at("a.txt"));
  const results = await Promise.all([
    fs.readFile(at("a.txt")),
    fs.readFile(at("a.txt")),
    fs.readFile(at("big")),
    fs.readFile(at("empty")),
    file.readFile(),
    fs.readlink(at("link"), "buffer"),
  ]);
  t.is(new Set(results.map(({ buffer }) => buffer)).size, results.length);
  for (const one of results) {
    t.is(one.byteOffset, 0);
    t.is(one.buffer.byteLength, one.length);
  }
});

test.serial("a buffer that is detached or shrunk in flight gives an error, not a crash", async (t) => {
  await using file = await fs.open(at("a.txt"));
  const buffer = new Uint8Array(12);
  const read = file.read(buffer, 0, 12, 0);
  structuredClone(buffer.buffer, { transfer: [buffer.buffer] });
  await t.throwsAsync(read, { code: "ERR_INVALID_STATE" });
  const ResizableBuffer = ArrayBuffer as unknown as new (
    size: number,
    options: object,
  ) => ArrayBuffer & { resize(size: number): void };
  const resizable = new ResizableBuffer(12, { maxByteLength: 100 });
  const view = new Uint8Array(resizable);
  const second = file.read(view, 0, 12, 0);
  resizable.resize(5);
  await t.throwsAsync(second, { code: "ERR_INVALID_STATE" });
  const data = new Uint8Array(12).fill(65);
  const written = fresh();
  await using target = await fs.open(written, "w");
  const write = target.write(data);
  await write;
  t.is(nodeFs.readFileSync(written, "latin1"), "A".repeat(12));
});

test.serial("reads and writes may use shared memory", async (t) => {
  await using file = await fs.open(at("a.txt"));
  const shared = new Uint8Array(new SharedArrayBuffer(12));
  await file.read(shared, 0, 12, 0);
  t.is(Buffer.from(shared).toString(), "hello world\n");
});

test.serial("readMany gives every file in order, and errors beside the others", async (t) => {
  const paths = [at("a.txt"), at("missing"), at("big"), at("dir"), at("empty")];
  const seen: unknown[] = [];
  for await (const { index, path, data, error } of fs.readMany(paths, { concurrency: 2 })) {
    seen.push([index, path, data?.length, (error as NodeJS.ErrnoException | undefined)?.code]);
  }
  t.deepEqual(seen, [
    [0, paths[0], 12, undefined],
    [1, paths[1], undefined, "ENOENT"],
    [2, paths[2], 200_000, undefined],
    [3, paths[3], undefined, "EISDIR"],
    [4, paths[4], 0, undefined],
  ]);
  const texts: string[] = [];
  for await (const { data } of fs.readMany([at("a.txt")], { encoding: "utf8" })) {
    texts.push(data ?? "");
  }
  t.deepEqual(texts, ["hello world\n"]);
});

test.serial("readMany takes no more paths than it looks ahead, and stops when left", async (t) => {
  let taken = 0;
  let returned = false;
  async function* source(): AsyncGenerator<string> {
    try {
      for (;;) {
        taken++;
        yield at("a.txt");
      }
    } finally {
      returned = true;
    }
  }
  let count = 0;
  for await (const { data } of fs.readMany(source(), { concurrency: 8 })) {
    t.is(data?.length, 12);
    if (++count === 20) {
      break;
    }
  }
  t.true(taken <= 28, `${taken} paths taken`);
  t.true(returned);
  t.throws(() => fs.readMany([], { concurrency: 0 }), { code: "ERR_OUT_OF_RANGE" });
  const aborted = fs.readMany([at("a.txt")], { signal: AbortSignal.abort("enough") });
  await t.throwsAsync(() => aborted.next(), { name: "AbortError" });
});

test.after("nothing is left open or unspent", (t) => {
  const engine = fakeEngine();
  if (engine !== undefined) {
    t.is(engine.handed.size, 0);
    t.is(engine.staged.size, 0);
  }
});
