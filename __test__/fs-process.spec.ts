/** The facade and its process: when it stays alive, Workers, the permission model, loading. */
import { readdirSync, rmSync } from "node:fs";
import test from "ava";
import { engineName } from "./fakes/install.js";
import { packageRoot, run, runScript } from "./fakes/subprocess.js";

test("the process stays while an operation is in flight and exits by itself after", async (t) => {
  const { code, stdout } = await runScript(`
    const file = await fs.open("package.json");
    file.read().then(({ bytesRead }) => console.log("read", bytesRead > 0)).then(() => file.close()).then(() => console.log("closed"));
    console.log("module done");
  `);
  t.is(stdout, "module done\nread true\nclosed\n");
  t.is(code, 0);
});

test("many operations of one turn all end before the process does", async (t) => {
  const { code, stdout } = await runScript(`
    let done = 0;
    for (let index = 0; index < 10_000; index++) fs.stat("package.json").then(() => { done++; });
    process.on("exit", () => console.log(done));
  `);
  t.is(stdout, "10000\n");
  t.is(code, 0);
});

test("an unhandled rejection of ours ends the process as one of Node's does", async (t) => {
  const ours = await runScript(`fs.stat("missing");`);
  const theirs = await runScript(`node.stat("missing");`);
  t.is(ours.code, theirs.code);
  t.regex(ours.stderr, /ENOENT: no such file or directory, stat 'missing'/);
});

test("each Worker has an engine of its own", async (t) => {
  const { code, stdout, stderr } = await runScript(`
    const { Worker } = await import("node:worker_threads");
    const source = \`
      import ${JSON.stringify(new URL("./fakes/install.js", import.meta.url).href)};
      import { parentPort } from "node:worker_threads";
      const fs = await import("maniac/fs");
      const texts = await Promise.all(Array.from({ length: 100 }, () => fs.readFile("package.json", "utf8")));
      parentPort.postMessage(new Set(texts).size);
    \`;
    const { writeFileSync, mkdtempSync, rmSync } = await import("node:fs");
    const directory = mkdtempSync(process.cwd() + "/target/worker-");
    try {
      writeFileSync(directory + "/worker.mjs", source);
      const workers = Array.from({ length: 4 }, () => new Worker(directory + "/worker.mjs", { execArgv: [] }));
      const answers = await Promise.all(workers.map((worker) => new Promise((resolve, reject) => {
        worker.on("message", resolve);
        worker.on("error", reject);
      })));
      console.log(answers.join());
    } finally {
      rmSync(directory, { recursive: true });
    }
  `);
  t.is(stdout, "1,1,1,1\n", stderr);
  t.is(code, 0);
});

test("where the file system does not tell the types of entries, they are looked up", async (t) => {
  const { stdout, stderr } = await runScript(
    `
    import { mkdtempSync, mkdirSync, writeFileSync, symlinkSync, existsSync } from "node:fs";
    const root = mkdtempSync("target/types-");
    mkdirSync(root + "/dir/below", { recursive: true });
    writeFileSync(root + "/dir/below/file", "x");
    symlinkSync("dir", root + "/link");
    const show = (entries) => entries.map((one) => [one.name, one.isFile(), one.isDirectory(), one.isSymbolicLink()].join()).sort().join(" ");
    console.log(show(await fs.readdir(root, { withFileTypes: true })) === show(await node.readdir(root, { withFileTypes: true })));
    console.log((await fs.readdir(root, { recursive: true })).join() === (await node.readdir(root, { recursive: true })).join());
    const found = [];
    for await (const one of await fs.opendir(root, { recursive: true })) found.push(one);
    console.log(show(found));
    const directory = await fs.opendir(root);
    console.log(show([directory.readSync(), directory.readSync()]));
    await directory.close();
    await fs.rm(root, { recursive: true });
    console.log(existsSync(root));
  `,
    [],
    { MANIAC_TEST_ENGINE: "fake", MANIAC_FAKE_HIDE_TYPES: "1" },
  );
  const two = "dir,false,true,false link,false,false,true";
  t.is(
    stdout,
    `true\ntrue\nbelow,false,true,false dir,false,true,false file,true,false,false link,false,false,true\n${two}\nfalse\n`,
    stderr,
  );
});

const permissionFlags = [
  Number.parseInt(process.versions.node, 10) < 22 ? "--experimental-permission" : "--permission",
  // One entry only: Node 20 loses what lies under an entry that begins with another.
  `--allow-fs-read=${packageRoot}/*`,
  `--allow-fs-write=${packageRoot}/target/permission-*`,
  ...(engineName === "native" ? ["--allow-addons"] : []),
];

const PERMISSION_CALLS = [
  `readFile("/etc/hostname")`,
  `readFile(Buffer.from("/etc/hostname"))`,
  `readFile("package.json", "utf8")`,
  `writeFile("/tmp/maniac-denied", "x")`,
  `writeFile("target/permission-a", "x")`,
  `readFile("target/permission-a", "utf8")`,
  `appendFile("/tmp/maniac-denied", "x")`,
  `open("/etc/hostname")`,
  `open("package.json", "r+")`,
  `open("/tmp/maniac-denied", "w")`,
  `stat("/etc/hostname")`,
  `stat("package.json")`,
  `lstat("/etc/hostname")`,
  `statfs("/etc")`,
  `access("/etc/hostname")`,
  `access("package.json")`,
  `readdir("/etc")`,
  `readdir("/etc", { recursive: true })`,
  `opendir("/etc")`,
  `readlink("/proc/self/exe")`,
  `realpath("/etc/hostname")`,
  `mkdir("/tmp/maniac-denied")`,
  `mkdtemp("/tmp/maniac-denied-")`,
  `mkdtemp("target/permission-dir-")`,
  `rm("/etc/hostname")`,
  `rmdir("/etc")`,
  `unlink("/etc/hostname")`,
  `unlink("target/permission-a")`,
  `rename("/etc/hostname", "target/permission-b")`,
  `rename("package.json", "target/permission-b")`,
  `copyFile("/etc/hostname", "target/permission-b")`,
  `copyFile("package.json", "/tmp/maniac-denied")`,
  `copyFile("package.json", "target/permission-c")`,
  `cp("/etc/hostname", "target/permission-d")`,
  `link("/etc/hostname", "target/permission-e")`,
  `symlink("/etc/hostname", "target/permission-f")`,
  `symlink("hostname", "target/permission-f")`,
  `chmod("/etc/hostname", 0o600)`,
  `chown("/etc/hostname", -1, -1)`,
  `lchown("/etc/hostname", -1, -1)`,
  `utimes("/etc/hostname", 1, 1)`,
  `lutimes("/etc/hostname", 1, 1)`,
  `truncate("/etc/hostname")`,
  `open("package.json").then((file) => file.chmod(0o644))`,
  `open("package.json").then((file) => file.chown(-1, -1))`,
  // Node 20 lets this one through; ours refuses it everywhere.
  ...(Number.parseInt(process.versions.node, 10) < 22
    ? []
    : [`open("package.json").then((file) => file.utimes(1, 1))`]),
];

test("under the permission model every call answers as Node's does", async (t) => {
  const script = (module: string): string => `
    const out = [];
    for (const call of ${JSON.stringify(PERMISSION_CALLS)}) {
      try {
        const value = await new Function(${JSON.stringify(module)}, "return " + ${JSON.stringify(`${module}.`)} + call)(${module});
        out.push(call + " -> " + (value === undefined || typeof value === "string" ? String(value).length : "an object"));
        await value?.close?.();
      } catch (error) {
        out.push(call + " -> " + JSON.stringify({ name: error.name, message: error.message, ...error }));
      }
    }
    console.log(out.join("\\n"));
  `;
  const clean = (): void => {
    for (const name of readdirSync(`${packageRoot}/target`)) {
      if (name.startsWith("permission-")) {
        rmSync(`${packageRoot}/target/${name}`, { recursive: true });
      }
    }
  };
  clean();
  const theirs = await runScript(script("node"), permissionFlags);
  clean();
  const ours = await runScript(script("fs"), permissionFlags);
  clean();
  t.is(theirs.code, 0, theirs.stderr);
  t.true(theirs.stdout.includes("ERR_ACCESS_DENIED"));
  t.deepEqual(ours.stdout.split("\n"), theirs.stdout.split("\n"), ours.stderr);
});

test("without the addon the error says what to do, and importing is no error", async (t) => {
  const { stdout, code } = await run([
    "--input-type=module",
    "--eval",
    `process.dlopen = () => { throw new Error("no addon here"); };
     const fs = await import("maniac/fs");
     for (const call of [() => fs.readFile("package.json"), () => fs.stat("."), () => fs.open("package.json"), () => fs.mkdir("x")]) {
       await call().catch((error) => console.log(error.name, error.code, error.cause instanceof Error));
     }`,
  ]);
  t.is(stdout, "ManiacError ERR_MANIAC_BINDING_MISSING true\n".repeat(4));
  t.is(code, 0);
});

/** Writes over files with both modules, where no file may become longer than 8 KiB; gives what is left, and the errors. */
const OVER = `
  import { statSync, writeFileSync, readFileSync, mkdtempSync, rmSync } from "node:fs";
  const place = mkdtempSync(process.cwd() + "/target/over-");
  const outcomes = [];
  for (const module of [fs, node]) {
    const file = place + "/file";
    const told = [];
    for (const [old, bytes, flag] of [[7000, 10, "w"], [7000, 8000, "w"], [7000, 0, "w"], [7000, 10, "w+"], [7000, 10, "r+"], [100, 10, "a"], [7000, 20000, "w"]]) {
      writeFileSync(file, "o".repeat(old));
      const failed = await module.writeFile(file, "n".repeat(bytes), { flag }).then(() => "", (error) => error.code + error.syscall);
      const text = readFileSync(file, "latin1");
      told.push([text.length, text.lastIndexOf("n"), text.indexOf("o"), failed]);
    }
    for (const odd of ["/dev/null", "/dev/full"]) {
      told.push(await module.writeFile(odd, "n").then(() => "", (error) => error.code + error.syscall));
    }
    outcomes.push(JSON.stringify(told));
  }
  rmSync(place, { recursive: true });
  console.log(outcomes.join("\\n"));
`;

test("a file that is written over holds what Node would leave, also when writing fails half-way", async (t) => {
  const limited = `trap "" XFSZ; ulimit -f 8; exec "$@"`;
  const { stdout, stderr, code } = await runScript(OVER, [], {}, ["bash", "-c", limited, "bash"]);
  t.is(code, 0, stderr);
  const [ours = "", theirs = ""] = stdout.trim().split("\n");
  t.is(ours, theirs);
  t.true(ours.includes("EFBIGwrite"), ours);
  t.true(ours.includes("ENOSPCwrite"), ours);
});
