/**
 * A disk that moves less than it is asked for, fails amid a transfer or is full there, at every length: the same bytes and the same errors as of
 * Node's own functions. The disk is `scripts/faulty-disk.mjs`; a file's name says what it does.
 */
import test, { type ExecutionContext } from "ava";
import { engineName } from "./fakes/install.js";
import { packageRoot, runScript } from "./fakes/subprocess.js";

const DISK = [process.execPath, `${packageRoot}/scripts/faulty-disk.mjs`];
/** The disk could not be had. */
const NOT_RUN = 77;

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

/** Runs a script on the disk, which must do less than it is asked for, or refuse, so many times at least. */
async function onDisk(t: ExecutionContext, source: string, least = 50): Promise<void> {
  if (engineName === "fake") {
    t.log("not run: the fake has a disk of its own");
    t.pass();
    return;
  }
  t.timeout(200_000);
  const { code, stdout, stderr } = await runScript(PRELUDE + source, [], {}, DISK);
  if (code === NOT_RUN) {
    t.log(`not run: ${stderr}`);
    t.pass();
    return;
  }
  const [, short = "0", refused = "0"] = /did less (\d+) times and refused (\d+) times/.exec(stdout) ?? [];
  t.is(code, 0, stdout + stderr);
  t.true(Number(short) + Number(refused) >= least, stdout);
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
    // From version 26 on Node says whose reading failed, but of a handle.
    const told = (path) => "EIO: i/o error, read" + (path === undefined || Number.parseInt(process.versions.node, 10) < 26 ? "" : " '" + path + "'");
    for (const good of [0, 1, 3, 4, LEN - 1]) {
      const path = disk + "/bad-" + good + "-read";
      nodeFs.writeFileSync(path, "");
      nodeFs.truncateSync(path, LEN);
      assert.equal((await outcome(() => fs.copyFile(path, disk + "/copied"))).code, "EIO");
      assert.ok(!nodeFs.existsSync(disk + "/copied"), "nothing half-copied stays");
      // Node's own takes what came back short for the end.
      for (const [read, whose] of [[reads.readFile, path], [reads["handle.readFile"]]]) {
        assert.deepEqual(await outcome(() => read(fs, path)), { name: "Error", code: "EIO", errno: -5, syscall: "read", message: told(whose) });
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

test("no descriptor for the process or for the system, and a device that fails, as a file is opened: Node's error", async (t) => {
  await onDisk(
    t,
    `
    const kept = disk + "/kept";
    nodeFs.writeFileSync(kept, data);
    const file = await fs.open(kept);
    for (const [code, errno] of [["ENFILE", 23], ["EMFILE", 24], ["EIO", 5]]) {
      const calls = {
        ...WRITES,
        open: (m, path) => m.open(path, "wx"),
        readFile: (m, path) => m.readFile(path),
        truncate: (m, path) => m.truncate(path, 1),
        createReadStream: (m, path) => buffer(m.createReadStream(path)),
        "copyFile from": (m, path) => m.copyFile(path, disk + "/copied"),
      };
      for (const there of [false, true]) {
        const path = disk + "/closed-" + errno + "-" + there;
        const again = () => {
          nodeFs.writeFileSync(disk + "/moved", data);
          if (there) nodeFs.renameSync(disk + "/moved", path);
        };
        for (const [name, call] of Object.entries(calls)) {
          const results = [];
          for (const m of Object.values(modules)) {
            again();
            results.push([await outcome(() => call(m, path)), nodeFs.existsSync(path)]);
          }
          assert.deepEqual(results[0], results[1], name);
          assert.ok([code, there ? "EEXIST" : "ENOENT"].includes(results[0][0].code), name);
        }
        again();
        for await (const { error } of fs.readMany(there ? [path, path] : [])) assert.equal(error.code, code);
      }
    }
    assert.deepEqual(await file.readFile(), data, "what is open stays so");
    await file.close();
  `,
  );
});

test("a full file system: Node's errors, and all goes on when there is room", async (t) => {
  await onDisk(
    t,
    `
    const [path, other, room] = [disk + "/../small/file", disk + "/../small/other", 64 << 10];
    const much = Buffer.alloc(room + 5000, "maniac");
    nodeFs.writeFileSync(disk + "/source", much);
    for (let round = 0; round < 3; round++) {
      for (const [name, write] of Object.entries({
        writeFile: (m) => m.writeFile(path, much),
        "writeFile of pieces": (m) => m.writeFile(path, [much.subarray(0, 100), much.subarray(100)]),
        appendFile: (m) => m.appendFile(path, much),
        "handle.write": (m) => withFile(m, path, "w", async (file) => [(await file.write(much)).bytesWritten, await outcome(() => file.write(much))]),
        "handle.write at a position": (m) => withFile(m, path, "w", async (file) => (await file.write(much, 0, much.length, 0)).bytesWritten),
        "handle.writev": (m) => withFile(m, path, "w", async (file) => (await file.writev([much.subarray(0, 9), much.subarray(9)], 0)).bytesWritten),
        createWriteStream: (m) => stream(m.createWriteStream(path), [much]),
        copyFile: (m) => m.copyFile(disk + "/source", path),
        cp: (m) => m.cp(disk + "/source", path),
      })) {
        const results = [];
        for (const m of Object.values(modules)) {
          const result = await outcome(() => write(m));
          const left = nodeFs.existsSync(path) ? nodeFs.readFileSync(path) : undefined;
          assert.ok(left === undefined || left.equals(much.subarray(0, left.length)), name);
          results.push([result, left?.length, left === undefined ? undefined : await outcome(() => m.writeFile(other, "more"))]);
          nodeFs.rmSync(path, { force: true });
          nodeFs.rmSync(other, { force: true });
        }
        assert.deepEqual(results[0], results[1], name);
      }
      await fs.writeFile(path, much.subarray(0, room - 4096));
      await fs.rm(path);
    }
    for (let at = 0; at < 50; at++) await outcome(() => fs.writeFile(disk + "/full-0-file", data));
  `,
  );
});

test("a file system that is read only: Node's errors", async (t) => {
  await onDisk(
    t,
    `
    const place = disk + "/../read-only";
    const [file, none] = [place + "/file", place + "/other"];
    for (const [name, call] of Object.entries({
      writeFile: (m) => m.writeFile(file, "lost"),
      "writeFile of a new file": (m) => m.writeFile(none, "lost"),
      appendFile: (m) => m.appendFile(file, "lost"),
      open: (m) => m.open(file, "r+"),
      mkdir: (m) => m.mkdir(none),
      mkdtemp: async (m) => ({ code: (await outcome(() => m.mkdtemp(none))).code }),
      unlink: (m) => m.unlink(file),
      rm: (m) => m.rm(file),
      rmdir: (m) => m.rmdir(file),
      rename: (m) => m.rename(file, none),
      link: (m) => m.link(file, none),
      symlink: (m) => m.symlink("file", none),
      truncate: (m) => m.truncate(file, 1),
      chmod: (m) => m.chmod(file, 0o600),
      utimes: (m) => m.utimes(file, 1, 2),
      copyFile: (m) => m.copyFile(disk + "/source", none),
      cp: (m) => m.cp(disk + "/source", none),
      createWriteStream: (m) => stream(m.createWriteStream(none), [data]),
    })) {
      const ours = await outcome(() => call(fs));
      assert.deepEqual(ours, await outcome(() => call(modules.theirs)), name);
      assert.match(ours.code, /EROFS|ENOTDIR/, name);
    }
    // Node's own says ENOENT.
    assert.equal((await outcome(() => fs.mkdir(none + "/below", { recursive: true }))).code, "EROFS");
    assert.equal(await fs.readFile(file, "utf8"), "0123456789");
    for (let at = 0; at < 50; at++) await outcome(() => fs.writeFile(disk + "/full-0-file", data));
  `,
  );
});
