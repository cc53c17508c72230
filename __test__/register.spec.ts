/** `maniac/register`: programs that do not know of it give the same output with it and without, and their files run on maniac. */
import { execFile } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import test from "ava";
import { packageRoot } from "./fakes/subprocess.js";

const hook = import.meta.resolve("maniac/register");
const registered = ["--import", hook];
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "maniac-register-"));
test.after.always(() => fs.rmSync(folder, { recursive: true }));

interface Ended {
  readonly code: number | string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs Node in a folder of the test's own. */
function node(args: readonly string[], env: NodeJS.ProcessEnv = {}, cwd = folder): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { cwd, env: { ...process.env, NODE_OPTIONS: "", ...env }, maxBuffer: 1 << 26 };
    execFile(process.execPath, [...args], options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : ((error as { code?: number }).code ?? null), stdout, stderr });
    });
  });
}

interface Report {
  readonly intercepted: Readonly<Record<string, number>>;
  readonly passed: Readonly<Record<string, number>>;
}

/** Runs a program with a report; gives that of its first process too. */
async function reported(args: readonly string[], cwd = folder): Promise<{ ended: Ended; report: Report }> {
  const file = path.join(fs.mkdtempSync(path.join(folder, "report-")), "report");
  const env = { MANIAC_REGISTER: "report", MANIAC_REGISTER_FILE: file };
  const ended = await node([...registered, ...args], env, cwd);
  const [line = "{}"] = fs.readFileSync(file, "utf8").split("\n");
  return { ended, report: JSON.parse(line) as Report };
}

function script(name: string, source: string): string {
  const file = path.join(folder, name);
  fs.writeFileSync(file, source);
  return file;
}

/** Calls of every callback form, each told of what it gave. It has a folder of its own, and makes it anew. */
const CALLBACKS = `
const fs = require("node:fs");
const path = require("node:path");
const util = require("node:util");
const dir = path.join(__dirname, "callbacks");
fs.rmSync(dir, { recursive: true, force: true });
fs.mkdirSync(dir);
process.chdir(dir);
const show = (value) => {
  if (value instanceof Error) return [value.name, value.code, value.syscall, value.message];
  if (Buffer.isBuffer(value)) return value.toString();
  if (value instanceof fs.Stats) return [value.size, value.mode, value.isFile(), value.isDirectory()];
  if (value && value.constructor && value.constructor.name === "Dir") return value.closeSync() || value.path;
  return value;
};
const call = (name, ...values) => new Promise((resolve) => {
  const [target, last] = name.includes(".") ? [fs[name.split(".")[0]], name.split(".")[1]] : [fs, name];
  try {
    let here = true;
    target[last](...values, (...given) => {
      console.log(name, here, JSON.stringify(given.map(show)));
      resolve();
    });
    here = false;
  } catch (error) {
    console.log(name, "throws", JSON.stringify(show(error)));
    resolve();
  }
});
(async () => {
  await call("writeFile", "a", "text");
  await call("writeFile", "b", Buffer.from("bytes"), { flag: "wx" });
  await call("writeFile", "b", "again", { flag: "wx" });
  await call("appendFile", "a", "+", "utf8");
  await call("readFile", "a");
  await call("readFile", "a", "utf8");
  await call("readFile", Buffer.from("a"), { encoding: "hex" });
  await call("readFile", require("node:url").pathToFileURL("a"));
  await call("readFile", "missing");
  await call("readFile", "a", "no-encoding");
  await call("readFile", "");
  await call("readFile", "a\\0");
  await call("readFile", 77777);
  await call("readFile", {});
  await call("stat", "a");
  await call("stat", "missing", { throwIfNoEntry: false });
  await call("lstat", "a", {});
  await call("access", "a");
  await call("access", "missing", fs.constants.R_OK);
  await call("exists", "a");
  await call("exists", "missing");
  await call("exists", {});
  await call("mkdir", "d");
  await call("mkdir", "d");
  await call("mkdir", "d/e/f", { recursive: true });
  await call("mkdir", "d/e/f", { recursive: true });
  await call("readdir", ".");
  await call("readdir", ".", { withFileTypes: false });
  await call("readdir", "missing");
  await call("opendir", "d");
  await call("symlink", "a", "link");
  await call("readlink", "link");
  await call("realpath", "link");
  await call("realpath", "missing");
  await call("realpath.native", "link");
  await call("realpath.native", "missing");
  await call("link", "a", "hard");
  await call("copyFile", "a", "copy");
  await call("cp", "d", "d2", { recursive: true });
  await call("rename", "copy", "moved");
  await call("chmod", "moved", 0o600);
  await call("utimes", "moved", 1, 2);
  await call("truncate", "moved", 2);
  await call("readFile", "moved", "latin1");
  await call("unlink", "moved");
  await call("unlink", "moved");
  await call("rmdir", "d");
  await call("rm", "d", { recursive: true });
  await call("rm", "d");
  await call("mkdtemp", "tmp-").catch(() => undefined);
  const fd = fs.openSync("a", "r+");
  await call("read", fd, Buffer.alloc(3), 0, 3, 1);
  await call("read", fd, Buffer.alloc(3));
  await call("read", fd, { buffer: Buffer.alloc(2), position: 0 });
  await call("read", fd, Buffer.alloc(3), 0, 9, 0);
  await call("readv", fd, [Buffer.alloc(1), Buffer.alloc(2)], 0);
  await call("write", fd, Buffer.from("XY"), 0, 2, 0);
  await call("write", fd, "text", 0, "utf8");
  await call("writev", fd, [Buffer.from("1"), Buffer.from("23")], 0);
  await call("fstat", fd);
  await call("fsync", fd);
  await call("fdatasync", fd);
  await call("ftruncate", fd, 1);
  await call("fchmod", fd, 0o644);
  await call("futimes", fd, 1, 2);
  await call("readFile", fd, "utf8");
  await call("close", fd);
  await call("fstat", fd);
  console.log(await util.promisify(fs.exists)("a"), (await util.promisify(fs.readFile)("a")).toString());
  const opened = fs.openSync("b");
  console.log(await util.promisify(fs.read)(opened, Buffer.alloc(2), 0, 2, 0));
  fs.closeSync(opened);
  for await (const chunk of fs.createReadStream("b", { start: 1, encoding: "utf8" })) console.log(chunk);
  fs.createWriteStream("streamed").end("streamed", async () => {
    console.log(fs.readFileSync("streamed", "utf8"), await fs.promises.readFile("streamed", "utf8"));
  });
  console.log(fs.readFile.name, fs.readFile.length, fs.readFile(__filename, () => console.log("called")));
  try { fs.readFile("a"); } catch (error) { console.log(error.code); }
})();
`;

const stable = (text: string): string => text.replace(/tmp-\w{6}/g, "tmp-");

test.serial("callback forms and streams give the same with it and without", async (t) => {
  const file = script("callbacks.cjs", CALLBACKS);
  const plain = await node([file]);
  const { ended, report } = await reported([file]);
  t.deepEqual(stable(ended.stdout).split("\n"), stable(plain.stdout).split("\n"));
  t.deepEqual([ended.code, ended.stderr], [plain.code, plain.stderr]);
  t.true(plain.stdout.split("\n").length > 60);
  for (const name of [
    "readFile",
    "stat",
    "read",
    "write",
    "fstat",
    "cp",
    "realpath.native",
    "createReadStream",
  ]) {
    t.true((report.intercepted[name] ?? 0) > 0, name);
  }
  t.true(
    (report.passed.realpath ?? 0) > 0 &&
      (report.passed.readFileSync ?? 0) > 0 &&
      (report.passed.close ?? 0) > 0,
  );
});

test("promises are intercepted in ES modules and CommonJS, however they are imported", async (t) => {
  const module = script(
    "module.mjs",
    `import { readFile } from "node:fs/promises";
     import * as all from "fs/promises";
     import fs, { promises, stat } from "node:fs";
     import { createRequire } from "node:module";
     import { registerReport } from ${JSON.stringify(hook)};
     const required = createRequire(import.meta.url);
     // Node 20's loader reads ES modules by the same function.
     const loaded = registerReport().intercepted["promises.readFile"] ?? 0;
     await readFile("module.mjs");
     await all.readFile("module.mjs");
     await promises.readFile("module.mjs");
     await fs.promises.readFile("module.mjs");
     await required("fs").promises.readFile("module.mjs");
     await required("node:fs/promises").readFile("module.mjs");
     await new Promise((done) => stat("module.mjs", done));
     const handle = await fs.promises.open("module.mjs");
     console.log((await handle.readFile("utf8")).length > 0);
     await handle.close();
     const { intercepted } = registerReport();
     console.log(intercepted["promises.readFile"] - loaded, intercepted["promises.open"], intercepted.stat);`,
  );
  const { ended } = await reported([module]);
  t.deepEqual(ended.stdout.split("\n"), ["true", "6 1 1", ""]);
  t.is(ended.stderr, "");
});

test("the report goes to standard error; off leaves the program alone; what is no mode is told", async (t) => {
  const file = script(
    "one.mjs",
    `import fs from "node:fs/promises"; await fs.readFile("one.mjs"); console.log(fs.readFile.toString().includes("[native"))`,
  );
  const report = await node([...registered, file], { MANIAC_REGISTER: "report" });
  t.regex(
    report.stderr,
    /^maniac\/register: \d+ calls intercepted\n +\d+ {2}promises\.readFile\nmaniac\/register: \d+ calls passed/,
  );
  const silent = await node([...registered, file]);
  t.deepEqual([silent.code, silent.stderr], [0, ""]);
  const off = await node([...registered, file], { MANIAC_REGISTER: "off" });
  t.deepEqual([off.code, off.stderr], [0, ""]);
  const odd = await node([...registered, file], { MANIAC_REGISTER: "odd" });
  t.is(odd.code, 0);
  t.regex(odd.stderr, /MANIAC_REGISTER is odd/);
});

test("observing counts the same calls, and leaves them to Node", async (t) => {
  const file = script(
    "observed.mjs",
    `import fs from "node:fs"; await fs.promises.readFile("observed.mjs"); fs.readFile("observed.mjs", (_, data) => console.log(data.length > 0));`,
  );
  const report = path.join(folder, "observed");
  const ended = await node([...registered, file], {
    MANIAC_REGISTER: "observe",
    MANIAC_REGISTER_FILE: report,
  });
  t.is(ended.stdout, "true\n");
  const { intercepted, reads } = JSON.parse(fs.readFileSync(report, "utf8")) as Report & { reads: number[] };
  t.true((intercepted["promises.readFile"] ?? 0) >= 1);
  t.true((intercepted.readFile ?? 0) >= 1 && reads.length >= 2);
});

test("Workers and forked processes have it too", async (t) => {
  const file = script(
    "children.cjs",
    `const { Worker, isMainThread } = require("node:worker_threads");
     const { fork } = require("node:child_process");
     const fs = require("node:fs");
     const child = process.argv[2] === "child";
     fs.promises.readFile(__filename).then(async () => {
       if (isMainThread && !child) {
         const exited = (one) => new Promise((done) => one.once("exit", done));
         console.log(await exited(new Worker(__filename)), await exited(fork(__filename, ["child"])));
       }
     });`,
  );
  const report = path.join(folder, "children");
  const ended = await node([...registered, file], {
    MANIAC_REGISTER: "report",
    MANIAC_REGISTER_FILE: report,
  });
  t.deepEqual([ended.stdout, ended.stderr], ["0 0\n", ""]);
  const counts = fs.readFileSync(report, "utf8").trim().split("\n");
  t.deepEqual(
    counts.map((line) => (JSON.parse(line) as Report).intercepted["promises.readFile"]),
    [1, 1, 1],
  );
});

test("what a callback throws is an uncaught exception, as ever", async (t) => {
  const file = script(
    "throws.cjs",
    `process.on("uncaughtException", (error, origin) => console.log(error.message, origin));
     require("node:fs").readFile(__filename, () => { throw new Error("mine"); });`,
  );
  t.is((await node([...registered, file])).stdout, "mine uncaughtException\n");
});

test("streams call what the program has put into node:fs, and else this package", async (t) => {
  const file = script(
    "replaced.cjs",
    `const fs = require("node:fs");
     const seen = [];
     const { fsync, open, close } = fs;
     fs.fsync = (fd, callback) => { seen.push("fsync", typeof fd); fsync(fd, callback); };
     fs.writeFile(__filename + ".whole", "text", { flush: true }, () => {
     fs.createWriteStream(__filename + ".out", { flush: true }).end("text").on("close", () => {
       fs.open = (...values) => { seen.push("open"); open(...values); };
       fs.close = (fd, callback) => { seen.push("close"); close(fd, callback); };
       const stream = new fs.createReadStream(__filename + ".out", "utf8");
       stream.on("data", (data) => seen.push(data)).on("close", () => console.log(seen.join(" ")));
     })});`,
  );
  const { ended, report } = await reported([file]);
  t.is(ended.stdout, "fsync number fsync number open text close\n", ended.stderr);
  t.is(report.intercepted.createReadStream, 1);
});

test("callback forms throw at once what Node throws at once", async (t) => {
  const file = script(
    "throws-at-once.cjs",
    `const fs = require("node:fs");
     const told = (call) => { try { call(); console.log("nothing"); } catch (error) { console.log(error.code); } };
     const never = () => console.log("called");
     told(() => fs.readFile(__filename, { signal: "no" }, never));
     told(() => fs.write(9, Buffer.alloc(1), 0, 2 ** 31, 0, never));`,
  );
  t.is((await node([...registered, file])).stdout, (await node([file])).stdout);
});

test("where no addon may be loaded the program runs on Node's own, with a warning", async (t) => {
  const file = script(
    "restricted.mjs",
    `import fs from "node:fs/promises"; console.log((await fs.readFile(process.argv[1])).length > 0)`,
  );
  const model = process.allowedNodeEnvironmentFlags.has("--permission")
    ? "--permission"
    : "--experimental-permission";
  const { code, stdout, stderr } = await node([model, "--allow-fs-read=*", ...registered, file]);
  t.deepEqual([code, stdout], [0, "true\n"], stderr);
  t.regex(stderr, /maniac\/register: the program runs on Node's own file system/);
});

/** A folder with many small sources, some of them wrong. */
function sources(count: number): string {
  const place = fs.mkdtempSync(path.join(folder, "sources-"));
  for (let at = 0; at < count; at++) {
    const below = path.join(place, `part${at % 20}`);
    fs.mkdirSync(below, { recursive: true });
    const text = at % 100 === 7 ? `var x = ${at}\n` : `export const value${at} = ${at};\n`;
    fs.writeFileSync(path.join(below, `file${at}.js`), text);
  }
  fs.writeFileSync(
    path.join(place, "eslint.config.mjs"),
    `export default [{ rules: { "no-var": "error", "no-unused-vars": "error" } }];\n`,
  );
  return place;
}

const TOOLS = {
  "prettier --check": ["prettier/bin/prettier.cjs", "--check", "."],
  eslint: ["eslint/bin/eslint.js", "."],
};

for (const [name, [program = "", ...words]] of Object.entries(TOOLS)) {
  test(`${name} runs unchanged: the same output, at least a thousand calls on maniac`, async (t) => {
    const place = sources(800);
    const command = [path.join(packageRoot, "node_modules", program), ...words];
    const plain = await node(command, {}, place);
    t.is(plain.code, 1);
    t.regex(plain.stdout + plain.stderr, /file7\.js/);
    const { ended, report } = await reported(command, place);
    t.deepEqual(ended, plain);
    const calls = Object.values(report.intercepted).reduce((sum, count) => sum + count, 0);
    t.true(calls >= 1000, `${calls} calls`);
  });
}
