/** AbortSignal on every call, and cancellation at random points without loss. */
import nodeFs from "node:fs";
import test from "ava";
import * as fs from "maniac/fs";
import { fakeEngine } from "./fakes/install.js";
import { makeTree, removeTree } from "./fixtures/fs-tree.js";

const root = makeTree();
const at = (name: string): string => `${root}/${name}`;
test.after.always(() => removeTree(root));

type Call = (signal: AbortSignal) => Promise<unknown>;

const PATH_CALLS: Record<string, Call> = {
  access: (signal) => fs.access(at("a.txt"), 0, { signal }),
  appendFile: (signal) => fs.appendFile(at("appended"), "x", { signal }),
  chmod: (signal) => fs.chmod(at("a.txt"), 0o644, { signal }),
  chown: (signal) => fs.chown(at("a.txt"), -1, -1, { signal }),
  copyFile: (signal) => fs.copyFile(at("a.txt"), at("copied"), 0, { signal }),
  cp: (signal) => fs.cp(at("dir"), at("copied-dir"), { recursive: true, signal }),
  lchown: (signal) => fs.lchown(at("a.txt"), -1, -1, { signal }),
  link: (signal) => fs.link(at("a.txt"), at("linked"), { signal }),
  lstat: (signal) => fs.lstat(at("a.txt"), { signal }),
  lutimes: (signal) => fs.lutimes(at("a.txt"), 1, 1, { signal }),
  mkdir: (signal) => fs.mkdir(at("made"), { signal }),
  mkdtemp: (signal) => fs.mkdtemp(at("void/"), { signal }),
  open: (signal) => fs.open(at("a.txt"), "r", 0o666, { signal }),
  opendir: (signal) => fs.opendir(at("dir"), { signal }),
  readFile: (signal) => fs.readFile(at("big"), { signal }),
  readdir: (signal) => fs.readdir(at("dir"), { signal }),
  "readdir recursive": (signal) => fs.readdir(root, { signal, recursive: true }),
  readlink: (signal) => fs.readlink(at("link"), { signal }),
  realpath: (signal) => fs.realpath(at("link"), { signal }),
  rename: (signal) => fs.rename(at("empty"), at("empty"), { signal }),
  rm: (signal) => fs.rm(at("not-there"), { force: true, signal }),
  rmdir: (signal) => fs.rmdir(at("not-there"), { signal }),
  stat: (signal) => fs.stat(at("a.txt"), { signal }),
  statfs: (signal) => fs.statfs(root, { signal }),
  symlink: (signal) => fs.symlink("a.txt", at("symlinked"), null, { signal }),
  truncate: (signal) => fs.truncate(at("appended"), 0, { signal }),
  unlink: (signal) => fs.unlink(at("not-there"), { signal }),
  utimes: (signal) => fs.utimes(at("a.txt"), 1, 1, { signal }),
  writeFile: (signal) => fs.writeFile(at("written"), Buffer.alloc(1000), { signal }),
  "writeFile large": (signal) => fs.writeFile(at("written"), Buffer.alloc(700_000), { signal }),
  "writeFile chunks": (signal) => fs.writeFile(at("written"), ["a", "b", Buffer.alloc(70_000)], { signal }),
};

let file: fs.FileHandle;
let other: fs.FileHandle;

const HANDLE_CALLS: Record<string, Call> = {
  "FileHandle.read": (signal) => file.read(Buffer.alloc(100), { position: 0, signal }),
  "FileHandle.read large": (signal) => file.read(Buffer.alloc(150_000), { position: 0, signal }),
  "FileHandle.write": (signal) => file.write(Buffer.alloc(100), { position: 0, signal }),
  "FileHandle.readv": (signal) => file.readv([Buffer.alloc(10), Buffer.alloc(5)], 0, { signal }),
  "FileHandle.writev": (signal) => other.writev([Buffer.alloc(10), Buffer.alloc(5)], 0, { signal }),
  "FileHandle.write text": (signal) => other.write("text", 0, "utf8", { signal }),
  "FileHandle.readFile": (signal) => file.readFile({ signal }),
  "FileHandle.writeFile": (signal) => other.writeFile("text", { signal }),
  "FileHandle.stat": (signal) => file.stat({ signal }),
  "FileHandle.truncate": (signal) => other.truncate(10, { signal }),
  "FileHandle.sync": (signal) => file.sync({ signal }),
  "FileHandle.datasync": (signal) => file.datasync({ signal }),
  "FileHandle.chmod": (signal) => file.chmod(0o644, { signal }),
  "FileHandle.chown": (signal) => file.chown(-1, -1, { signal }),
  "FileHandle.utimes": (signal) => file.utimes(1, 1, { signal }),
  "FileHandle.copyTo": (signal) =>
    file.copyTo(other, { position: 0, targetPosition: 0, length: 100, signal }),
};

test.before(async () => {
  file = await fs.open(at("big"), "r+");
  other = await fs.open(at("other"), "w+");
});

test.after.always(async () => {
  await file.close();
  await other.close();
});

/** Closes what a call has opened. */
async function dispose(value: unknown): Promise<void> {
  if (value instanceof fs.FileHandle || value instanceof fs.Dir) {
    await value.close();
  }
}

const isAbort = (error: unknown, cause: unknown): boolean => {
  const { name, code, cause: found } = error as Error & { code?: unknown };
  return name === "AbortError" && code === "ABORT_ERR" && found === cause;
};

const calls = Object.entries({ ...PATH_CALLS, ...HANDLE_CALLS });

for (const [name, call] of calls) {
  test.serial(`${name}: aborted before, it does nothing`, async (t) => {
    const before = nodeFs.readdirSync(root);
    const reason = new Error("reason");
    const error = await t.throwsAsync(async () => await dispose(await call(AbortSignal.abort(reason))));
    t.true(isAbort(error, reason), error?.message);
    t.deepEqual(nodeFs.readdirSync(root), before);
  });

  test.serial(`${name}: aborted at once, it rejects at once`, async (t) => {
    const controller = new AbortController();
    const pending = call(controller.signal);
    const reason = new Error("reason");
    controller.abort(reason);
    const error = await t.throwsAsync(async () => await dispose(await pending));
    t.true(isAbort(error, reason), error?.message);
  });

  test.serial(`${name}: a signal that stays silent changes nothing, and keeps no listener`, async (t) => {
    const { signal } = new AbortController();
    const added: unknown[] = [];
    const listen = signal.addEventListener.bind(signal);
    const forget = signal.removeEventListener.bind(signal);
    signal.addEventListener = (type: string, listener: never, options?: never) => {
      added.push(listener);
      listen(type, listener, options);
    };
    signal.removeEventListener = (type: string, listener: never, options?: never) => {
      added.splice(added.indexOf(listener), 1);
      forget(type, listener, options);
    };
    await call(signal).then(dispose, (error: unknown) => t.false(isAbort(error, undefined)));
    t.is(added.length, 0);
  });

  test.serial(`${name}: what is no signal is refused`, async (t) => {
    for (const signal of [null, 5, "abort", {}, []]) {
      await t.throwsAsync(async () => await dispose(await call(signal as never)), {
        code: "ERR_INVALID_ARG_TYPE",
      });
    }
  });
}

test.serial("an abort put off to the next tick still counts", async (t) => {
  for (const call of [
    PATH_CALLS.readFile,
    PATH_CALLS.open,
    PATH_CALLS.rmdir,
    HANDLE_CALLS["FileHandle.read"],
  ]) {
    const controller = new AbortController();
    process.nextTick(() => controller.abort());
    await t.throwsAsync((call as Call)(controller.signal), { name: "AbortError" });
  }
});

test.serial("an operation with a signal fails with the caller's stack too", async (t) => {
  async function somebody(): Promise<unknown> {
    return await fs.stat(at("missing"), { signal: new AbortController().signal });
  }
  const error = await t.throwsAsync(somebody, { code: "ENOENT" });
  t.regex(error?.stack ?? "", /at async somebody /);
});

test.serial("what has only `aborted` passes for a signal, and is asked at the end", async (t) => {
  const signal = { aborted: false, reason: "late" };
  const pending = fs.stat(at("a.txt"), { signal: signal as AbortSignal });
  signal.aborted = true;
  await t.throwsAsync(pending, { name: "AbortError" });
  t.true((await fs.stat(at("a.txt"), { signal: { aborted: false } as AbortSignal })).isFile());
});

test.serial("a signal that many operations share has one listener, and ends them all", async (t) => {
  const warnings: Error[] = [];
  const note = (warning: Error): void => {
    warnings.push(warning);
  };
  process.on("warning", note);
  const controller = new AbortController();
  const reads = Array.from({ length: 100 }, () => fs.readFile(at("big"), { signal: controller.signal }));
  const done = Array.from({ length: 100 }, () =>
    fs.stat(at("a.txt"), { signal: new AbortController().signal }),
  );
  controller.abort();
  const outcomes = await Promise.allSettled(reads);
  t.true(outcomes.every(({ status }) => status === "rejected"));
  await Promise.all(done);
  await new Promise(setImmediate);
  process.off("warning", note);
  t.deepEqual(warnings, []);
});

/** A small generator of random numbers from a seed (xorshift32). */
function random(seed: number): () => number {
  let state = seed || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 4294967296;
  };
}

test.serial("cancelled at random points: no descriptor, buffer or hand-over is lost", async (t) => {
  const seed = Number(process.env.MANIAC_SEED ?? Date.now() % 1_000_000);
  t.log(`MANIAC_SEED=${seed}`);
  const rounds = process.env.MANIAC_DEEP === "1" ? 100_000 : 5_000;
  const next = random(seed);
  const descriptors = (): number => nodeFs.readdirSync("/proc/self/fd").length;
  await new Promise(setImmediate);
  const before = descriptors();
  let aborted = 0;
  let done = 0;
  const one = async (): Promise<void> => {
    const [, call] = calls[Math.floor(next() * calls.length)] as [string, Call];
    const controller = new AbortController();
    const turns = Math.floor(next() * 5);
    const pending = call(controller.signal).then(
      async (value) => {
        done++;
        await dispose(value);
      },
      (error: unknown) => {
        aborted += Number((error as Error).name === "AbortError");
      },
    );
    for (let turn = 0; turn < turns; turn++) {
      await (next() < 0.7 ? null : new Promise(setImmediate));
    }
    controller.abort();
    await pending;
  };
  let left = rounds;
  const worker = async (): Promise<void> => {
    while (left-- > 0) {
      await one();
    }
  };
  await Promise.all(Array.from({ length: 32 }, worker));
  // What was aborted in flight still comes to its end.
  for (let turn = 0; turn < 1000 && descriptors() !== before; turn++) {
    await new Promise(setImmediate);
  }
  t.log(`${aborted} aborted, ${done} done`);
  t.true(aborted > rounds / 20 && done > rounds / 20);
  t.is(descriptors(), before);
  const engine = fakeEngine();
  if (engine !== undefined) {
    t.is(engine.handed.size, 0);
    t.is(engine.staged.size, 0);
    t.is(engine.directories.size, 0);
    t.true(engine.cancelled > 0, "some cancellations found their operation");
  }
});
