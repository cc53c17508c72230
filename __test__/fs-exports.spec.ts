/** The module's face: names, lengths, classes, `default`, `promises`, `constants`. */
import * as nodeFs from "node:fs";
import fsp from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import "./fakes/install.js";
import * as maniac from "maniac/fs";
import fsDefault, { promises } from "maniac/fs";

type Loose = Record<string, unknown>;
const ours = maniac as unknown as Loose;

test("every export of node:fs/promises is there, with its name and length", (t) => {
  // promisify and the wrapper of watch give Node's own these names and lengths.
  const odd: Record<string, [string, number]> = { opendir: ["opendir", 2] };
  for (const [name, theirs] of Object.entries(fsp)) {
    const mine = ours[name];
    t.is(typeof mine, typeof theirs, name);
    if (typeof theirs === "function" && typeof mine === "function") {
      t.deepEqual([mine.name, mine.length], odd[name] ?? [theirs.name, theirs.length], name);
    }
  }
});

test("glob is Node's own, where Node has it", async (t) => {
  if ("glob" in fsp) {
    const found: string[] = [];
    for await (const path of maniac.glob("package*.json")) {
      found.push(path);
    }
    t.true(found.includes("package.json"));
  } else {
    t.throws(() => maniac.glob("*"), { code: "ERR_MANIAC_UNSUPPORTED" });
  }
});

test.serial("a temporary directory goes away with its block, and is the same one after chdir", async (t) => {
  let made = "";
  {
    await using directory = await maniac.mkdtempDisposable(join(tmpdir(), "maniac-disposable-"));
    made = directory.path;
    nodeFs.mkdirSync(join(made, "below"));
    nodeFs.writeFileSync(join(made, "below", "file"), "text");
    t.true(nodeFs.existsSync(made));
  }
  t.false(nodeFs.existsSync(made));

  const before = process.cwd();
  process.chdir(tmpdir());
  try {
    const relative = await maniac.mkdtempDisposable("maniac-disposable-");
    process.chdir("/");
    t.true(nodeFs.existsSync(join(tmpdir(), relative.path)));
    await relative.remove();
    t.false(nodeFs.existsSync(join(tmpdir(), relative.path)));
    await relative.remove();
  } finally {
    process.chdir(before);
  }
  await t.throwsAsync(maniac.mkdtempDisposable("/missing/x-"), { code: "ENOENT" });

  for (const encoding of ["hex", "latin1", "buffer"] as const) {
    const { path, remove } = await maniac.mkdtempDisposable(join(tmpdir(), "maniac-disposable-é-"), {
      encoding: encoding as "buffer",
    });
    const named = Buffer.isBuffer(path) ? path : Buffer.from(path as string, encoding as BufferEncoding);
    t.true(nodeFs.existsSync(named), encoding);
    await remove();
    t.false(nodeFs.existsSync(named), encoding);
  }
});

test("the default export and promises are the module", (t) => {
  t.is(fsDefault, promises);
  const { default: _default, promises: _promises, ...named } = ours;
  t.deepEqual(Object.keys(fsDefault).sort(), Object.keys(named).sort());
  for (const [name, value] of Object.entries(named)) {
    t.is((fsDefault as Loose)[name], value, name);
  }
});

test("constants are Node's, O_DIRECT among them on Linux", (t) => {
  t.is(maniac.constants, nodeFs.constants);
  if (process.platform === "linux") {
    t.is(typeof maniac.constants.O_DIRECT, "number");
  }
});

test("results are instances of Node's classes", async (t) => {
  const stats = await maniac.stat(".");
  t.true(stats instanceof nodeFs.Stats);
  t.is(Object.getPrototypeOf(stats), nodeFs.Stats.prototype);
  const bigint = await maniac.stat(".", { bigint: true });
  t.is(Object.getPrototypeOf(bigint), Object.getPrototypeOf(await fsp.stat(".", { bigint: true })));
  const statfs = await maniac.statfs(".");
  t.is(Object.getPrototypeOf(statfs), Object.getPrototypeOf(await fsp.statfs(".")));
  const [entry] = await maniac.readdir(".", { withFileTypes: true });
  t.true(entry instanceof nodeFs.Dirent);
  await using directory = await maniac.opendir(".");
  t.true(directory instanceof nodeFs.Dir);
  t.true(directory instanceof maniac.Dir);
  await using file = await maniac.open("package.json");
  t.true(file instanceof maniac.FileHandle);
});

test("a FileHandle has every method of Node's", async (t) => {
  await using theirs = await fsp.open("package.json");
  await using mine = await maniac.open("package.json");
  const names = Object.getOwnPropertyNames(Object.getPrototypeOf(theirs)).filter(
    (name) => name !== "getAsyncId",
  );
  for (const name of [...names, "close"]) {
    const expected = (theirs as unknown as Loose)[name];
    t.is(typeof (mine as unknown as Loose)[name], typeof expected, name);
    if (typeof expected === "function" && name !== "constructor") {
      t.is((mine as unknown as Record<string, { length: number }>)[name]?.length, expected.length, name);
    }
  }
  t.is(typeof mine[Symbol.asyncDispose], "function");
});

test("watch is there and tells of a change", async (t) => {
  const directory = await maniac.mkdtemp(`${process.env.TMPDIR ?? "/tmp"}/maniac-watch-`);
  const controller = new AbortController();
  const changes = maniac.watch(directory, { signal: controller.signal })[Symbol.asyncIterator]();
  const change = changes.next();
  await maniac.writeFile(`${directory}/new`, "x");
  const { value } = await change;
  t.like(value, { filename: "new" });
  controller.abort();
  await t.throwsAsync(async () => await changes.next(), { name: "AbortError" });
  await maniac.rm(directory, { recursive: true });
});
