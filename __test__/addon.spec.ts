/**
 * The real engine in its environments: processes that end or stay, Workers that end with operations in flight, the driver
 * that was asked for.
 */
import { type ExecFileException, execFile } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import test from "ava";
import { metrics, probe, Runtime } from "maniac";
import * as fs from "maniac/fs";

const fsModule = pathToFileURL(createRequire(import.meta.url).resolve("maniac/fs")).href;
const mainModule = pathToFileURL(createRequire(import.meta.url).resolve("maniac")).href;
const PRELUDE = `import * as fs from ${JSON.stringify(fsModule)}; import * as maniac from ${JSON.stringify(mainModule)};`;

interface Ended {
  readonly code: number | string | null | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program in a process of its own, to its end. */
function run(program: string, env: Record<string, string> = {}): Promise<Ended> {
  const options = { env: { ...process.env, ...env }, timeout: 60_000 };
  return new Promise((resolve) => {
    const done = (error: ExecFileException | null, stdout: string, stderr: string): void => {
      resolve({ code: error === null ? 0 : (error.code ?? error.signal), stdout, stderr });
    };
    execFile(process.execPath, ["--input-type=module", "-e", PRELUDE + program], options, done);
  });
}

test("a process ends by itself once nothing is in flight", async (t) => {
  const program = `
    const text = await fs.readFile("/proc/self/comm", "utf8");
    const file = await fs.open(process.execPath);
    await file.read(Buffer.alloc(16), 0, 16, 0);
    console.log(text.length > 0, maniac.metrics().operations.inFlight);
  `;
  const { code, stdout, stderr } = await run(program);
  t.is(code, 0, stderr);
  t.is(stdout, "true 0\n");
});

test("a process stays while an operation is in flight that only the pool can do", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "maniac-"));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const path = join(directory, "file");
  const program = `fs.writeFile(${JSON.stringify(path)}, "x".repeat(1 << 20)).then(() => console.log("written"));`;
  const { code, stdout, stderr } = await run(program);
  t.is(code, 0, stderr);
  t.is(stdout, "written\n");
});

test("process.exit does not wait for a read that never ends", async (t) => {
  const program = `
    import { execFileSync } from "node:child_process";
    const path = process.env.FIFO;
    execFileSync("mkfifo", [path]);
    fs.readFile(path).catch(() => {});
    setTimeout(() => { console.log("leaving"); process.exit(7); }, 50);
  `;
  const directory = mkdtempSync(join(tmpdir(), "maniac-"));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const { code, stdout, stderr } = await run(program, { FIFO: join(directory, "fifo") });
  t.is(code, 7, stderr);
  t.is(stdout, "leaving\n");
});

test("a driver that does not exist is refused in words", async (t) => {
  const { code, stderr } = await run(`await fs.readFile("/etc/hostname");`, { MANIAC_DRIVER: "epol" });
  t.is(code, 1);
  t.regex(stderr, /is no driver; MANIAC_DRIVER must be auto, uring or poll/);
});

test("the driver is the one asked for, by the kernel's own count, and poll opens no io_uring", async (t) => {
  const program = `
    import { readFileSync, readdirSync, readlinkSync } from "node:fs";
    const name = (fd) => { try { return readlinkSync("/proc/self/fd/" + fd); } catch { return ""; } };
    const rings = () => new Set(readdirSync("/proc/self/fd").filter((fd) => name(fd).includes("io_uring")));
    const before = rings();
    // So much that some of it is not done on the spot.
    await Promise.all(Array.from({ length: 100 }, () => fs.readFile("/etc/passwd")));
    const handle = await fs.open(process.execPath);
    await handle.sync();
    await handle.close();
    const ours = [...rings()].filter((fd) => !before.has(fd));
    const taken = ours.map((fd) => Number(/^SqHead:\\s*(\\d+)/m.exec(readFileSync("/proc/self/fdinfo/" + fd, "utf8"))[1]));
    const { driver, uringRefusal } = maniac.probe();
    console.log(driver, taken.length, taken.every((entries) => entries > 1), uringRefusal === undefined);
  `;
  const poll = await run(program, { MANIAC_DRIVER: "poll" });
  t.regex(poll.stdout, /^poll 0 true (?:true|false)\n$/, poll.stderr);
  // Whether there is a ring to be had is that program's own to say: where locked memory is short, a user's processes share it.
  const auto = await run(program, { MANIAC_DRIVER: "auto" });
  t.regex(auto.stdout, /^(?:uring 1 true true|poll 0 true false)\n$/, auto.stderr);
  // What this very run asks for.
  const asked = process.env.MANIAC_DRIVER ?? "auto";
  if (asked !== "auto") t.is<string, string>(probe().driver, asked);
  if (asked === "uring") t.regex(auto.stdout, /^uring/, "what can be had when asked for is taken unasked");
});

test("what the operations did is counted", async (t) => {
  const before = metrics().operations;
  await Promise.all([fs.stat("/"), fs.stat("/tmp")]);
  const after = metrics().operations;
  t.is(after.completed - before.completed, 2);
  t.is(after.flushes - before.flushes, 1, "both crossed in one call");
  t.is(after.inFlight, 0);
});

test("configure refuses what it cannot do", (t) => {
  t.throws(() => Runtime.configure({ workers: 0 }), { code: "ERR_OUT_OF_RANGE" });
  t.throws(() => Runtime.configure({ workers: "2" as never }), { code: "ERR_INVALID_ARG_TYPE" });
  t.throws(() => Runtime.configure({ driver: "epoll" as never }), { code: "ERR_INVALID_ARG_VALUE" });
  t.throws(() => Runtime.configure({ quantum: 0 }), { code: "ERR_OUT_OF_RANGE" });
  t.throws(() => Runtime.configure(null as never), { code: "ERR_INVALID_ARG_TYPE" });
});

test("configure takes effect before the first operation, and is refused after", async (t) => {
  const program = `
    maniac.Runtime.configure({ driver: "poll", workers: 2, quantum: 5, hugePages: false, maxTasks: 1e5 });
    await fs.writeFile("/dev/null", "x");
    console.log(maniac.probe().driver, maniac.metrics().blocking.threads > 0);
    try { maniac.Runtime.configure({ workers: 1 }); } catch (error) { console.log(error.code); }
  `;
  const { stdout, stderr } = await run(program, { MANIAC_DRIVER: "auto" });
  t.is(stdout, "poll true\nERR_MANIAC_STARTED\n", stderr);
});

test("huge pages are there for the kernel to count, or probe says why not", async (t) => {
  if (process.platform !== "linux") return t.pass("the kernel's count is Linux's");
  const program = `
    import { readFileSync } from "node:fs";
    maniac.Runtime.configure({ hugePages: JSON.parse(process.env.HUGE) });
    console.log(maniac.probe().hugePages);
    await fs.writeFile("/dev/null", "x");
    console.log(maniac.probe().hugePages);
    // Of the mappings that were advised to be of such pages.
    const mappings = readFileSync("/proc/self/smaps", "utf8").split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
    const advised = mappings.filter((mapping) => /^VmFlags:.* hg\\b/m.test(mapping));
    const kibibytes = advised.map((mapping) => Number(/^AnonHugePages: +(\\d+)/m.exec(mapping)[1]));
    console.log(kibibytes.reduce((sum, one) => sum + one, 0));
  `;
  const huge = await run(program, { HUGE: "true" });
  const [before, outcome, kibibytes] = huge.stdout.split("\n");
  t.is(before, "undefined", huge.stderr);
  if (outcome === "advised") t.true(Number(kibibytes) >= 2048, `${kibibytes} KiB`);
  else t.regex(outcome ?? "", /^refused: \S/);
  const small = await run(program, { HUGE: "false" });
  t.is(small.stdout, "undefined\noff\n0\n", small.stderr);
});

const WORKER = `
  const { parentPort } = require("node:worker_threads");
  (async () => {
    const fs = await import(${JSON.stringify(fsModule)});
    const directory = process.env.SCRATCH;
    const forever = async (number) => {
      for (let turn = 0; ; turn++) {
        const file = await fs.open(process.execPath);
        const buffer = Buffer.alloc(300_000);
        const write = fs.writeFile(directory + "/" + process.pid + "-" + number, "x".repeat(200_000));
        await Promise.all([file.read(buffer, 0, buffer.length, turn * 4096), fs.readdir("/"), write]);
        if (turn % 2 === 0) await file.close();
        if (turn === 2 && number === 0) parentPort.postMessage("busy");
      }
    };
    for (let number = 0; number < 8; number++) void forever(number);
  })();
`;

/** Runs a Worker until it is well under way, and ends it with its operations in flight. */
async function busyWorker(scratch: string): Promise<number> {
  const worker = new Worker(WORKER, { eval: true, env: { ...process.env, SCRATCH: scratch } });
  await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
  for (let turn = Math.floor(Math.random() * 20); turn > 0; turn--) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  return worker.terminate();
}

const descriptors = (): number => readdirSync("/proc/self/fd").length;

test("Workers end in any order with operations in flight, and leave nothing behind", async (t) => {
  const scratch = mkdtempSync(join(tmpdir(), "maniac-"));
  t.teardown(() => rmSync(scratch, { recursive: true, force: true }));
  writeFileSync(join(scratch, "seen"), "");
  const deep = process.env.MANIAC_DEEP !== undefined;
  const [rounds, workers] = deep ? [100, 32] : [2, 16];
  const round = (): Promise<number[]> =>
    Promise.all(Array.from({ length: workers }, () => busyWorker(scratch)));
  await round();
  await settled();
  const [files, memory] = [descriptors(), process.memoryUsage.rss()];
  for (let count = 0; count < rounds; count++) await round();
  await settled();
  t.true(descriptors() <= files + 4, `${descriptors()} descriptors, ${files} after the first round`);
  const grown = process.memoryUsage.rss() - memory;
  t.true(grown < 256 * 1024 * 1024, `memory grew by ${grown} bytes`);
});

/** Waits until the pool's threads have ended what the Workers had begun. */
async function settled(): Promise<void> {
  for (;;) {
    const { threads, idle, queued } = metrics().blocking;
    if (threads === idle && queued === 0) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
