/** Pools and the process: when it exits by itself, pools within Workers, ends in the midst of tasks. */
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import test from "ava";
import { run } from "./fakes/subprocess.js";

const tasks = JSON.stringify(new URL("./fixtures/pool-tasks.js", import.meta.url).href);
const href = JSON.stringify(pathToFileURL(createRequire(import.meta.url).resolve("maniac/pool")).href);

const script = (source: string): Promise<Awaited<ReturnType<typeof run>>> =>
  run(["--input-type=module", "--eval", `import { Pool } from "maniac/pool";\n${source}`]);

test("a process with an idle pool exits by itself, one with tasks when they have ended", async (t) => {
  const idle = await script(`
    const pool = new Pool({ filename: ${tasks}, minThreads: 2 });
    await pool.run({ a: 1, b: 1 });
    process.on("exit", () => console.log("idle", pool.threads.length));`);
  // Two, and a spare one.
  t.deepEqual([idle.code, idle.stdout.trim(), idle.stderr], [0, "idle 3", ""]);
  const busy = await script(`
    const pool = new Pool({ filename: ${tasks}, minThreads: 0 });
    const words = new Int32Array(new SharedArrayBuffer(16));
    const said = (value) => console.log(value);
    pool.run(words, { name: "waitUntil" }).then(said);
    pool.run({ a: 1, b: 1 }).then((value) => { said(value); Atomics.store(words, 0, 1); });`);
  t.deepEqual([busy.code, busy.stdout.trim(), busy.stderr], [0, "2\nwaited", ""]);
});

test("flags that Node takes for the whole process keep no thread from starting", async (t) => {
  const source = `import("maniac/pool").then(async ({ Pool }) => {
    console.log(await new Pool({ filename: ${tasks} }).run({ a: 1, b: 1 }));
  });`;
  const ended = await run(["--stack-size=900", "--eval", source]);
  t.deepEqual([ended.code, ended.stdout.trim(), ended.stderr], [0, "2", ""]);
});

test("process.exit ends a process whose tasks compute for ever", async (t) => {
  const ended = await script(`
    const pool = new Pool({ filename: ${tasks}, minThreads: 1 });
    const words = new Int32Array(new SharedArrayBuffer(16));
    for (let n = 0; n < 4; n++) void pool.run(words, { name: "spinMarked" });
    while (Atomics.load(words, 1) < 2) await new Promise((resolve) => setImmediate(resolve));
    process.exit(3);`);
  t.deepEqual([ended.code, ended.stderr], [3, ""]);
});

test("a Worker has pools of its own, and may be ended with them", async (t) => {
  const source = `
    const { parentPort } = require("node:worker_threads");
    import(${href}).then(async ({ Pool }) => {
      const pool = new Pool({ filename: ${tasks}, minThreads: 1 });
      const words = new Int32Array(new SharedArrayBuffer(16));
      parentPort.postMessage(await pool.run({ a: 1, b: 1 }));
      void pool.run(words, { name: "spinMarked" });
    });`;
  for (let turn = 0; turn < 3; turn++) {
    const worker = new Worker(source, { eval: true });
    t.is(await new Promise((resolve) => worker.once("message", resolve)), 2);
    await worker.terminate();
  }
});
