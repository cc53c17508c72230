/** Many operations that begin in the same turn: two threads share the cached reads, one does the short calls that may wait. */
import { execFileSync } from "node:child_process";
import nodeFs, { readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import path from "node:path";
import { setImmediate } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import * as fs from "maniac/fs";
import { engineName } from "./fakes/install.js";
import { runScript } from "./fakes/subprocess.js";
import { makeTree, removeTree } from "./fixtures/fs-tree.js";

const root = makeTree();
test.after.always(() => removeTree(root));

/** Around what is read on the spot, what fits the slab, and none. */
const SIZES = [0, 1, 4095, 4096, 16_384, 65_535, 65_536, 65_537, 200_000];

const content = (size: number): Buffer =>
  Buffer.from(Uint8Array.from({ length: size }, (_, at) => (at * 7 + size) & 0xff));

function folder(name: string): string {
  const made = path.join(root, name);
  nodeFs.mkdirSync(made);
  return made;
}

const fifo = (at: string): string => {
  execFileSync("mkfifo", [at]);
  return at;
};

/** What a call comes to, so that it can be compared. */
async function outcome(call: Promise<unknown>): Promise<unknown> {
  return await call.then(
    (value) => (value instanceof Buffer ? value.toString("latin1") : (value as nodeFs.Stats).size),
    (error: NodeJS.ErrnoException) => ({ code: error.code, message: error.message, path: error.path }),
  );
}

test("a long batch of reads and stats gives what each gives alone", async (t) => {
  const place = folder("long");
  for (const size of SIZES) nodeFs.writeFileSync(path.join(place, `${size}`), content(size));
  nodeFs.symlinkSync("4096", path.join(place, "link"));
  const names = [...SIZES.map(String), "link", "missing", ".", "4096/below"];
  const paths = [...names.map((name) => path.join(place, name)), "/proc/self/limits", "/dev/null"];
  const expected = await Promise.all(
    paths.map(async (at) => [
      await outcome(nodeFs.promises.readFile(at)),
      await outcome(nodeFs.promises.lstat(at)),
    ]),
  );
  for (const times of [1, 10, 40]) {
    const asked = Array.from({ length: times }, () =>
      paths.map((at) => Promise.all([outcome(fs.readFile(at)), outcome(fs.lstat(at))])),
    );
    for (const round of asked) t.deepEqual(await Promise.all(round), expected);
  }
});

test("a pipe that is read amid a long batch waits for its writer, and nobody waits for it", async (t) => {
  const place = folder("pipes");
  const file = path.join(place, "file");
  nodeFs.writeFileSync(file, content(5000));
  const pipes = Array.from({ length: 9 }, (_, n) => fifo(path.join(place, `pipe-${n}`)));
  let ended = 0;
  const fromPipes: Promise<string>[] = [];
  const fromFiles: Promise<Buffer>[] = [];
  // At the front, where this thread begins, in the middle, and at the back, where the other one does.
  for (const part of [0, 3, 6]) {
    if (part > 0) for (let n = 0; n < 100; n++) fromFiles.push(fs.readFile(file));
    for (const at of pipes.slice(part, part + 3))
      fromPipes.push(fs.readFile(at, "utf8").finally(() => ended++));
  }
  const files = await Promise.all(fromFiles);
  t.true(files.every((one) => one.equals(content(5000))));
  t.is(ended, 0);
  await Promise.all(pipes.map((at) => nodeFs.promises.writeFile(at, "through")));
  t.deepEqual(new Set(await Promise.all(fromPipes)), new Set(["through"]));
});

test.serial("of a long batch those end early that are aborted, and the others do not", async (t) => {
  const file = path.join(folder("aborted"), "file");
  // By a thread of the pool, which has some descriptors of its own.
  await fs.writeFile(file, content(4096));
  const before = readdirSync("/proc/self/fd").length;
  for (let round = 0; round < 20; round++) {
    const controller = new AbortController();
    const { signal } = controller;
    const calls = Array.from({ length: 200 }, (_, n) => fs.readFile(file, n % 2 === 0 ? { signal } : {}));
    // They have crossed by then, and many have been read: an abort in the turn that started them counts all the same.
    queueMicrotask(() => controller.abort());
    for (const [n, result] of (await Promise.allSettled(calls)).entries()) {
      if (result.status === "fulfilled") t.true(n % 2 === 1 && result.value.equals(content(4096)));
      else t.deepEqual([n % 2, (result.reason as Error).name], [0, "AbortError"]);
    }
  }
  // What was aborted may have been begun, and is over a little later.
  while (readdirSync("/proc/self/fd").length !== before) await setImmediate();
});

test("what makes and removes files in one turn is done, whatever else waits for ever", async (t) => {
  const place = folder("stuck");
  const pipes = Array.from({ length: 40 }, (_, n) => fifo(path.join(place, `pipe-${n}`)));
  let ended = 0;
  const stuck = pipes.map((at) => fs.writeFile(at, at).finally(() => ended++));
  const numbers = Array.from({ length: 100 }, (_, n) => n);
  await Promise.all(numbers.map((n) => fs.mkdir(path.join(place, `made-${n}`))));
  await Promise.all(numbers.map((n) => fs.writeFile(path.join(place, `made-${n}`, "file"), content(n))));
  await Promise.all(
    numbers.map((n) => fs.rename(path.join(place, `made-${n}`, "file"), path.join(place, `file-${n}`))),
  );
  await Promise.all(numbers.map((n) => fs.rmdir(path.join(place, `made-${n}`))));
  await Promise.all(numbers.filter((n) => n % 2 === 0).map((n) => fs.unlink(path.join(place, `file-${n}`))));
  for (const n of numbers) {
    const at = path.join(place, `file-${n}`);
    t.is(nodeFs.existsSync(at), n % 2 === 1);
    if (n % 2 === 1) t.deepEqual(nodeFs.readFileSync(at), content(n));
  }
  t.is(ended, 0);
  const read = await Promise.all(pipes.map((at) => nodeFs.promises.readFile(at, "utf8")));
  t.deepEqual(read, pipes);
  await Promise.all(stuck);
});

const READ_MANY = `
  const threads = () => readdirSync("/proc/self/task").filter((id) => readFileSync("/proc/self/task/" + id + "/comm", "utf8").startsWith("maniac"));
  const { readFileSync, readdirSync } = await import("node:fs");
  const expected = readFileSync("package.json", "utf8");
  let right = 0;
  for (let round = 0; round < 50; round++) {
    const texts = await Promise.all(Array.from({ length: COUNT }, () => fs.readFile("package.json", "utf8")));
    right += texts.filter((text) => text === expected).length;
  }
  console.log(right, threads().length > 0);
`;

const real = engineName === "native" ? test : test.skip;

/** What the script says in one of a few runs: now and then the kernel's cache of paths does not answer, and a thread of the pool asks again. */
async function says(
  t: ExecutionContext,
  wanted: string,
  count: number,
  before: string[] = [],
): Promise<void> {
  let said = "";
  for (let run = 0; run < 6 && said !== wanted; run++) {
    const ended = await runScript(READ_MANY.replace("COUNT", String(count)), [], {}, before);
    said = ended.stdout + ended.stderr;
  }
  t.is(said, wanted);
}

real("a thread of the pool takes part in long batches, and in no short ones", async (t) => {
  await says(t, "400 false\n", 8);
  await says(t, `10000 ${availableParallelism() > 1}\n`, 200);
  // The first of "1,3-5".
  const [, processor = ""] =
    /^Cpus_allowed_list:\s*(\d+)/m.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
  await says(t, "1600 false\n", 32, ["taskset", "-c", processor]);
});

test.serial("what is read and looked at first is not changed by what is asked for behind it", async (t) => {
  const place = folder("order");
  for (const count of [1, 20, 100]) {
    const files = Array.from({ length: count }, (_, n) => path.join(place, `file-${n}`));
    let kept = 0;
    for (let round = 0; round < 10; round++) {
      for (const at of files) nodeFs.writeFileSync(at, content(100));
      const looked = files.map((at) => fs.stat(at));
      const read = files.map((at) => fs.readFile(at));
      const removed = files.map((at) => fs.unlink(at));
      const ends = await Promise.allSettled([...looked, ...read]);
      await Promise.all(removed);
      if (ends.every(({ status }) => status === "fulfilled")) kept++;
    }
    // What the kernel's cache of paths does not answer goes to the pool, as Node's calls do, and may come too late.
    t.true(kept >= 5, `${count} files: in ${kept} of 10 rounds`);
  }
});

test("while one call waits for ever, short ones go on as if it did not", async (t) => {
  const place = folder("one-stuck");
  const pipe = fifo(path.join(place, "pipe"));
  const stuck = fs.writeFile(pipe, "through");
  for (let n = 0; n < 50; n++) {
    await fs.mkdir(path.join(place, "made"));
    await fs.rmdir(path.join(place, "made"));
  }
  t.is(nodeFs.readFileSync(pipe, "utf8"), "through");
  await stuck;
});
