/**
 * A disk that moves less than it is asked for, fails amid a transfer or is full there, at every length: the same bytes and the same errors as of
 * Node's own functions. The disk is `scripts/faulty-disk.mjs`; a file's name says what it does.
 */
import test, { type ExecutionContext } from "ava";
import { packageRoot, runScript } from "./fakes/subprocess.js";

const DISK = [process.execPath, `${packageRoot}/scripts/faulty-disk.mjs`];
/** The disk could not be had. */
const NOT_RUN = 2;

/** What the scripts share. A case takes the module, and a path of its own on the disk. */
const PRELUDE = `
  import assert from "node:assert/strict";
  import { finished, pipeline } from "node:stream/promises";
  import { buffer } from "node:stream/consumers";
  import * as nodeFs from "node:fs";
  const disk = process.env.MANIAC_FAULTY_DISK;
  const LEN = 19;
  const data = Buffer.from(Array.from({ length: 3 * LEN }, (_, at) => at * 7 + 1));
  const parts = (at) => [data.subarray(0, at), Buffer.alloc(0), data.subarray(at, at + 5), data.subarray(at + 5)];
  const modules = { ours: fs, theirs: { ...node, createReadStream: nodeFs.createReadStream, createWriteStream: nodeFs.createWriteStream } };
  const outcome = async (call) => {
    try {
      return await call();
    } catch ({ name, code, errno, syscall, message }) {
      return { name, code, errno, syscall, message };
    }
  };
  const withFile = async ({ open }, path, flags, use) => {
    const file = await open(path, flags);
    try {
      return await use(file);
    } finally {
      await file.close();
    }
  };
  const stream = async (sink, chunks) => {
    sink.cork();
    for (const chunk of chunks) sink.write(chunk);
    sink.uncork();
    sink.end();
    await finished(sink);
  };
  const WRITES = {
    writeFile: (m, path) => m.writeFile(path, data),
    "writeFile of text": (m, path) => m.writeFile(path, data.toString("latin1"), "latin1"),
    "writeFile of pieces": (m, path) => m.writeFile(path, parts(7)),
    appendFile: async (m, path) => {
      await m.writeFile(path, data.subarray(0, 5));
      await m.appendFile(path, data.subarray(5));
    },
    "handle.writeFile": (m, path) => withFile(m, path, "w", (file) => file.writeFile(data)),
    "handle.appendFile": (m, path) => withFile(m, path, "a", (file) => file.appendFile(data)),
    createWriteStream: (m, path) => stream(m.createWriteStream(path), parts(3)),
    "handle.createWriteStream": async (m, path) => stream((await m.open(path, "w")).createWriteStream(), [data]),
    copyFile: (m, path) => m.copyFile(disk + "/source", path),
    cp: (m, path) => m.cp(disk + "/source", path),
  };
  nodeFs.writeFileSync(disk + "/source", data);
`;

/** Runs a script on the disk; it prints nothing but what is wrong. */
async function onDisk(t: ExecutionContext, source: string): Promise<void> {
  t.timeout(200_000);
  const { code, stdout, stderr } = await runScript(PRELUDE + source, [], {}, DISK);
  if (code === NOT_RUN) {
    t.log(`not run: ${stderr}`);
    t.pass();
    return;
  }
  const [, short = "0", refused = "0"] = /did less (\d+) times and refused (\d+) times/.exec(stdout) ?? [];
  t.is(code, 0, stdout + stderr);
  t.true(Number(short) + Number(refused) > 100, stdout);
}

test("whatever is cut, all is written: in order, once", async (t) => {
  await onDisk(
    t,
    `
    for (let most = 1; most <= LEN; most++) {
      for (const [name, write] of Object.entries(WRITES)) {
        const path = disk + "/cut-" + most + "-" + name;
        await write(fs, path);
        assert.deepEqual(nodeFs.readFileSync(path), data, name + " of " + most);
      }
      const target = disk + "/cut-" + most + "-copyTo";
      await withFile(fs, target, "w", (to) => withFile(fs, disk + "/source", "r", async (from) => {
        assert.equal(await from.copyTo(to), data.length);
      }));
      assert.deepEqual(nodeFs.readFileSync(target), data, "copyTo of " + most);
    }
  `,
  );
});

test("whatever is cut, all is read", async (t) => {
  await onDisk(
    t,
    `
    for (let most = 1; most <= LEN; most++) {
      const path = disk + "/cut-" + most + "-read";
      nodeFs.writeFileSync(path, data);
      assert.deepEqual(await fs.readFile(path), data);
      assert.equal(await fs.readFile(path, "latin1"), data.toString("latin1"));
      assert.deepEqual(await withFile(fs, path, "r", (file) => file.readFile()), data);
      assert.deepEqual(await buffer(fs.createReadStream(path)), data);
      assert.deepEqual(await buffer(fs.createReadStream(path, { start: 2, end: 40 })), data.subarray(2, 41));
      assert.deepEqual(await withFile(fs, path, "r", (file) => buffer(file.readableWebStream())), data);
      for await (const entry of fs.readMany([path, path])) assert.deepEqual(entry.data, data);
      const lines = disk + "/cut-" + most + "-lines";
      nodeFs.writeFileSync(lines, "one\\ntwo, which is longer\\n\\nvier \\u{1f600}");
      const read = await withFile(fs, lines, "r", async (file) => { const all = []; for await (const line of file.readLines()) all.push(line); return all; });
      assert.deepEqual(read, ["one", "two, which is longer", "", "vier \\u{1f600}"]);
    }
  `,
  );
});

test("a single read or write says how much it was, as Node's does", async (t) => {
  await onDisk(
    t,
    `
    const single = (m, path) => withFile(m, path, "w+", async (file) => {
      const told = [];
      told.push((await file.write(data, 0, LEN)).bytesWritten);
      told.push((await file.write("text", 3)).bytesWritten);
      told.push((await file.writev(parts(4), 1)).bytesWritten, (await file.writev(parts(9))).bytesWritten);
      const into = Buffer.alloc(2 * LEN);
      told.push((await file.read(into, 0, LEN, 0)).bytesRead, into.toString("hex"));
      told.push((await file.readv([into.subarray(0, 3), into.subarray(3)], 1)).bytesRead, into.toString("hex"));
      told.push((await file.stat()).size);
      return [told, nodeFs.readFileSync(path)];
    });
    for (let most = 1; most <= LEN; most++) {
      const [ours, theirs] = await Promise.all(Object.entries(modules).map(([name, m]) => single(m, disk + "/cut-" + most + "-" + name)));
      assert.deepEqual(ours, theirs, String(most));
    }
  `,
  );
});

test("a disk that takes nothing and says nothing: an error, not a call that never ends", async (t) => {
  await onDisk(
    t,
    `
    const path = disk + "/none-file";
    const expected = { name: "Error", code: "EIO", errno: -5, syscall: "write", message: "EIO: i/o error, write" };
    const whole = Buffer.alloc(3 << 20);
    for (const content of [data, whole, [data, data]]) {
      assert.deepEqual(await outcome(() => fs.writeFile(path, content)), expected);
    }
    for (let round = 0; round < 100; round++) assert.deepEqual(await outcome(() => fs.appendFile(path, data)), expected);
    await withFile(fs, path, "w", async (file) => {
      assert.equal((await file.write(data)).bytesWritten, 0);
      assert.equal((await file.write(data, 0, 5, 7)).bytesWritten, 0);
      assert.deepEqual(await outcome(() => file.writeFile(data)), expected);
      assert.equal((await file.stat()).size, 0);
    });
    assert.equal((await outcome(() => fs.copyFile(disk + "/source", path))).code, "EIO");
  `,
  );
});

test("where the disk is bad or full: Node's error, and what had room stands there", async (t) => {
  await onDisk(
    t,
    `
    for (const kind of ["bad", "full"]) {
      for (const room of [0, 1, 4, 5, 6, LEN, data.length - 1]) {
        for (const [name, write] of Object.entries(WRITES)) {
          const both = [];
          for (const m of Object.values(modules)) {
            const path = disk + "/" + kind + "-" + room + "-" + name;
            const error = await outcome(() => write(m, path));
            assert.equal(error?.code, kind === "bad" ? "EIO" : "ENOSPC", name);
            const { size } = nodeFs.existsSync(path) ? nodeFs.statSync(path) : { size: -1 };
            both.push([error, size, size > 0 && nodeFs.readFileSync(path).equals(data.subarray(0, size))]);
            nodeFs.rmSync(path, { force: true });
          }
          assert.deepEqual(both[0], both[1], kind + " from " + room + ": " + name);
        }
      }
    }
  `,
  );
});

test("what cannot be read: Node's error, and the process goes on", async (t) => {
  await onDisk(
    t,
    `
    const reads = {
      readFile: (m, path) => m.readFile(path),
      "handle.readFile": (m, path) => withFile(m, path, "r", (file) => file.readFile()),
      "handle.read": (m, path) => withFile(m, path, "r", async (file) => (await file.read(Buffer.alloc(9), 0, 9, 3)).bytesRead),
      createReadStream: (m, path) => buffer(m.createReadStream(path)),
    };
    for (const good of [0, 1, 3, 4, LEN - 1]) {
      const path = disk + "/bad-" + good + "-read";
      nodeFs.writeFileSync(path, "");
      nodeFs.truncateSync(path, LEN);
      assert.equal((await outcome(() => fs.copyFile(path, disk + "/copied"))).code, "EIO");
      assert.ok(!nodeFs.existsSync(disk + "/copied"), "nothing half-copied stays");
      // Node's own takes what came back short for the end.
      for (const read of [reads.readFile, reads["handle.readFile"]]) {
        assert.deepEqual(await outcome(() => read(fs, path)), { name: "Error", code: "EIO", errno: -5, syscall: "read", message: "EIO: i/o error, read" });
      }
      for (const [name, read] of Object.entries(reads).slice(good === 0 ? 0 : 2)) {
        const ours = await outcome(() => read(fs, path));
        assert.deepEqual(ours, await outcome(() => read(modules.theirs, path)), name + " of " + good);
      }
      for (let round = 0; round < 20; round++) await outcome(() => fs.readFile(path));
    }
    assert.deepEqual(await fs.readFile(disk + "/source"), data);
  `,
  );
});
