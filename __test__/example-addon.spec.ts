/** `examples/addon`, an addon on maniac-napi, built and run: what its functions do, and how its runtime ends and restarts. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import test from "ava";
import { packageRoot } from "./fakes/subprocess.js";

interface Addon {
  wait(milliseconds: number): Promise<void>;
  countWords(paths: string[]): Promise<number[]>;
  addUp(bytes: Uint8Array): Promise<number>;
  pass(values: number[]): Promise<number>;
  fail(reason: string): Promise<void>;
  breakDown(): Promise<void>;
  stop(): void;
  start(): void;
}

const libraries: Partial<Record<NodeJS.Platform, string>> = {
  darwin: "libmaniac_example_addon.dylib",
  win32: "maniac_example_addon.dll",
};
const library = libraries[process.platform] ?? "libmaniac_example_addon.so";
const scratch = mkdtempSync(path.join(tmpdir(), "maniac-addon-"));
const file = path.join(scratch, "words.node");
let addon: Addon;

test.before("builds", async (t) => {
  // Of the whole run: so long nobody hears of a test elsewhere that hangs.
  t.timeout(600_000);
  const args = ["build", "--release", "-p", "maniac-example-addon"];
  await promisify(execFile)("cargo", args, { cwd: packageRoot, maxBuffer: 1 << 26 });
  const target = process.env.CARGO_TARGET_DIR ?? path.join(packageRoot, "target");
  copyFileSync(path.join(target, "release", library), file);
  addon = createRequire(import.meta.url)(file) as Addon;
});

test.after.always(() => rmSync(scratch, { recursive: true }));

const words = (name: string): number =>
  readFileSync(name, "utf8")
    .split(/\s+/)
    .filter((word) => word !== "").length;

/** The names of this process's threads that are the addon's. */
function threads(): string[] {
  const names = readdirSync("/proc/self/task").map((task) => {
    try {
      return readFileSync(`/proc/self/task/${task}/comm`, "utf8");
    } catch {
      return "";
    }
  });
  return names.filter((name) => name.startsWith("words"));
}

/** Resolves when none is left: the system lists a thread for a moment after its last instruction. */
async function gone(): Promise<void> {
  while (threads().length > 0) await new Promise((resolve) => setImmediate(resolve));
}

const linux = process.platform === "linux" ? test.serial : test.serial.skip;

test.serial("its functions run on maniac", async (t) => {
  const files = ["README.md", "ARCHITECTURE.md", "package.json"].map((name) => path.join(packageRoot, name));
  t.deepEqual(await addon.countWords(files), files.map(words));
  const start = performance.now();
  await Promise.all(Array.from({ length: 1000 }, () => addon.wait(20)));
  t.true(performance.now() - start >= 20);
  const bytes = createHash("sha512").update("x").digest();
  t.is(
    await addon.addUp(bytes),
    bytes.reduce((sum, byte) => sum + byte, 0),
  );
  t.is(await addon.pass([1, 2, 3.5, 4, 5, 6]), 21.5);
});

test.serial("errors and panics reject, and leave the rest alone", async (t) => {
  await t.throwsAsync(addon.fail("why"), { message: /why/ });
  await t.throwsAsync(addon.countWords(["/no/such/file"]), { message: /^\/no\/such\/file: / });
  await t.throwsAsync(addon.breakDown());
  t.is(await addon.pass([1]), 1);
});

linux("its end is quiet, and may be asked for again; pending promises reject", async (t) => {
  await addon.wait(1);
  t.true(threads().length >= 2);
  const pending = Array.from({ length: 100 }, () => addon.wait(3_600_000));
  addon.stop();
  await gone();
  for (const { status } of await Promise.allSettled(pending)) t.is(status, "rejected");
  addon.stop();
});

linux("it starts again, by itself or by request", async (t) => {
  for (let round = 0; round < 20; round++) {
    if (round % 2 === 0) addon.start();
    addon.start();
    t.is(await addon.pass([round, 1]), round + 1);
    addon.stop();
    await gone();
  }
  addon.start();
});

/** Ends a Worker with calls in flight. */
async function busy(): Promise<void> {
  const source = `
    const { parentPort } = require("node:worker_threads");
    const addon = require(${JSON.stringify(file)});
    const forever = async () => {
      for (;;) await Promise.all([addon.wait(2), addon.pass([1, 2]), addon.countWords([__filename])].map((one) => one.catch(() => 0)));
    };
    for (let count = 0; count < 8; count++) void forever();
    void addon.wait(3_600_000).catch(() => 0);
    addon.pass([1]).then(() => parentPort.postMessage("busy"));
  `;
  const worker = new Worker(source, { eval: true });
  await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
  await worker.terminate();
}

test.serial("Workers end with calls in flight", async (t) => {
  for (let round = 0; round < 3; round++) await Promise.all(Array.from({ length: 8 }, busy));
  t.is(await addon.pass([7]), 7, "this environment's runtime goes on");
});

test.serial(
  "a process whose only environment of the addon is a Worker starts its runtime each time",
  async (t) => {
    const program = `
    const { Worker } = require("node:worker_threads");
    const source = 'require(' + ${JSON.stringify(JSON.stringify(file))} + ').pass([1, 2]).then(console.log)';
    (async () => {
      for (let count = 0; count < 3; count++) {
        await new Promise((resolve) => new Worker(source, { eval: true }).once("exit", resolve));
      }
    })();
  `;
    const { stdout } = await promisify(execFile)(process.execPath, ["-e", program], { timeout: 60_000 });
    t.is(stdout, "3\n3\n3\n");
  },
);

test.serial("a process ends by itself, with a call pending that nobody needs it for", async (t) => {
  const program = `require(${JSON.stringify(file)}).pass([1, 2]).then(console.log)`;
  const { stdout } = await promisify(execFile)(process.execPath, ["-e", program], { timeout: 60_000 });
  t.is(stdout, "3\n");
  const exits = `require(${JSON.stringify(file)}).wait(3_600_000); setTimeout(() => process.exit(0), 20);`;
  await t.notThrowsAsync(promisify(execFile)(process.execPath, ["-e", exits], { timeout: 60_000 }));
});
