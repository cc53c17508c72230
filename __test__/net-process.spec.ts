/** Sockets and their process: when it stays, errors of listeners, Workers that end with sockets in flight. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { type Ended, run } from "./fakes/subprocess.js";

/** Runs `source` as a module, with so many descriptors at most. */
function script(source: string, descriptors?: number): Promise<Ended> {
  const prelude = 'import * as net from "maniac/net";\nimport { once } from "node:events";\n';
  const args = ["--input-type=module", "--eval", prelude + source];
  if (descriptors === undefined) {
    return run(args);
  }
  // The shell's own limit holds for what it becomes.
  const limited = `
    import { execFileSync } from "node:child_process";
    const become = 'ulimit -n ${descriptors}; exec "$0" "$@"';
    const args = ["-c", become, process.execPath, ...${JSON.stringify(args)}];
    process.stdout.write(execFileSync("sh", args, { stdio: ["ignore", "pipe", "inherit"] }));
  `;
  return run(["--input-type=module", "--eval", limited]);
}

test("a server and a socket that receive keep the process; without them it ends by itself", async (t) => {
  const { code, stdout, stderr } = await script(`
    const server = net.createServer((socket) => socket.end("bye")).listen(0, "127.0.0.1");
    await once(server, "listening");
    setImmediate(() => setImmediate(() => {
      const socket = net.connect(server.address().port, "127.0.0.1");
      socket.on("data", (data) => console.log(String(data)));
      socket.on("close", () => server.close(() => console.log("closed")));
    }));
  `);
  t.is(stdout, "bye\nclosed\n", stderr);
  t.is(code, 0);
});

test("what is unreferenced does not keep the process", async (t) => {
  const { code, stdout, stderr } = await script(`
    const server = net.createServer((socket) => socket.unref()).listen(0, "127.0.0.1");
    server.unref();
    await new Promise((done) => server.on("listening", done));
    const socket = net.connect(server.address().port, "127.0.0.1");
    await once(socket, "connect");
    socket.unref();
    const datagrams = net.createSocket("udp4").bind(0);
    await new Promise((done) => datagrams.on("listening", done));
    datagrams.unref();
    process.on("exit", () => console.log("exit"));
  `);
  t.is(stdout, "exit\n", stderr);
  t.is(code, 0);
});

test("a paused socket does not keep the process, as in Node", async (t) => {
  const source = (module: string): string => `
    const { connect, createServer } = await import("${module}");
    const server = createServer((socket) => { socket.unref(); }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const socket = connect(server.address().port, "127.0.0.1");
    socket.pause();
    await once(socket, "connect");
    server.unref();
    process.on("exit", () => console.log("exit"));
  `;
  const theirs = await script(source("node:net"));
  const ours = await script(source("maniac/net"));
  t.is(theirs.stdout, "exit\n");
  t.deepEqual(ours, theirs);
});

test("a listener that throws ends the process, or is caught as any exception, and the others have their events", async (t) => {
  const { code, stdout, stderr } = await script(`
    process.on("uncaughtException", (error) => console.log("caught", error.message));
    const server = net.createServer((socket) => socket.end("x")).listen(0, "127.0.0.1");
    await once(server, "listening");
    let left = 4;
    for (let index = 0; index < left; index++) {
      const socket = net.connect(server.address().port, "127.0.0.1");
      socket.on("data", () => { throw new Error("listener"); });
      socket.on("close", () => { if (--left === 0) server.close(() => console.log("closed")); });
    }
  `);
  t.is(stdout, `${"caught listener\n".repeat(4)}closed\n`, stderr);
  t.is(code, 0);
});

test("with no descriptor left connections are turned away, and the server goes on", async (t) => {
  const { code, stdout, stderr } = await script(
    `
    import nodeNet from "node:net";
    import { openSync, closeSync } from "node:fs";
    const server = net.createServer((socket) => socket.end("served")).listen(0, "127.0.0.1");
    await once(server, "listening");
    const client = nodeNet.connect(server.address().port, "127.0.0.1");
    client.resume();
    await once(client, "close");
    const { Worker } = await import("node:worker_threads");
    const worker = new Worker("const net = require('node:net'); require('node:worker_threads').parentPort.on('message', (port) => { const s = net.connect(port, '127.0.0.1'); s.on('error', () => {}); s.resume(); s.on('close', () => require('node:worker_threads').parentPort.postMessage('closed')); });", { eval: true, execArgv: [] });
    await once(worker, "online");
    // One for the client's side, none for the server's.
    const held = [];
    try { for (;;) held.push(openSync("/dev/null")); } catch {}
    closeSync(held.pop());
    worker.postMessage(server.address().port);
    await once(worker, "message");
    console.log("turned away");
    held.forEach((fd) => closeSync(fd));
    const again = net.connect(server.address().port, "127.0.0.1");
    again.on("data", (data) => console.log(String(data)));
    await once(again, "close");
    server.close();
    await worker.terminate();
    `,
    200,
  );
  t.is(stdout, "turned away\nserved\n", stderr);
  t.is(code, 0);
});

test("Workers that end with sockets in flight, in any order", async (t) => {
  const { code, stdout, stderr } = await script(`
    import { Worker } from "node:worker_threads";
    import { readdirSync } from "node:fs";
    import nodeNet from "node:net";
    const source = \`
      import { parentPort, workerData } from "node:worker_threads";
      import * as net from "maniac/net";
      const server = net.createServer((socket) => { socket.on("error", () => {}); socket.pipe(socket); }).listen(0, "127.0.0.1");
      server.on("listening", () => {
        for (let index = 0; index < 20; index++) {
          const socket = net.connect(index % 2 ? workerData : server.address().port, "127.0.0.1");
          socket.on("error", () => {});
          socket.on("data", (data) => socket.write(data));
          socket.write(Buffer.alloc(1000 * index));
        }
        const datagrams = net.createSocket("udp4").bind(0, "127.0.0.1");
        datagrams.on("listening", () => datagrams.send("x", datagrams.address().port, "127.0.0.1"));
        datagrams.on("message", (data) => datagrams.send(data, datagrams.address().port, "127.0.0.1"));
        parentPort.postMessage("up");
      });
    \`;
    const url = new URL("data:text/javascript," + encodeURIComponent(source.replaceAll("maniac/net", import.meta.resolve("maniac/net"))));
    const server = nodeNet.createServer((socket) => { socket.on("error", () => {}); socket.pipe(socket); }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const round = async (count) => {
      const workers = await Promise.all(Array.from({ length: count }, async () => {
        const worker = new Worker(url, { workerData: server.address().port });
        await once(worker, "message");
        return worker;
      }));
      workers.sort(() => Math.random() - 0.5);
      await Promise.all(workers.map((worker) => worker.terminate()));
    };
    const settle = async (most) => {
      // The server's own ends close when they hear of it.
      for (let left = 5000; left > 0 && readdirSync("/proc/self/fd").length > most; left--) {
        await new Promise((next) => setImmediate(next));
      }
      return readdirSync("/proc/self/fd").length;
    };
    await round(8);
    const before = await settle(0);
    for (let index = 0; index < 3; index++) await round(8);
    console.log((await settle(before)) <= before);
    server.close();
  `);
  t.is(stdout, "true\n", stderr);
  t.is(code, 0);
});

test("names that take long to resolve, looked up by many Workers, keep no file waiting", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "maniac-names-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  // The file of aliases that the resolver reads for each name: a named pipe here, so that it takes until somebody writes.
  const aliases = join(folder, "aliases");
  execFileSync("mkfifo", [aliases]);
  const { code, stdout, stderr } = await run(
    [
      "--input-type=module",
      "--eval",
      `
      import * as fs from "maniac/fs";
      import { lookup } from "maniac/net";
      import { constants, openSync } from "node:fs";
      import { Worker } from "node:worker_threads";
      let ended = 0;
      const lookUp = () => lookup("maniac-nowhere").catch(() => undefined).then(() => { ended++; });
      const source = 'import { lookup } from "maniac/net"; import { parentPort } from "node:worker_threads";'
        + 'for (let count = 0; count < 64; count++) lookup("maniac-nowhere").catch(() => undefined).then(() => parentPort.postMessage("ended"));'
        + 'setImmediate(() => parentPort.postMessage("begun")); setInterval(() => undefined, 1e6);';
      // Together more than there are threads.
      await Promise.all(Array.from({ length: 5 }, () => new Promise((resolve, reject) => {
        const worker = new Worker(source, { eval: true });
        worker.on("error", reject).on("message", (what) => (what === "begun" ? resolve() : ended++));
      })));
      for (let count = 0; count < 64; count++) lookUp();
      // A writer is let in if somebody reads: a resolver that waits.
      for (let writer; writer === undefined && ended < 6 * 64; await new Promise(setImmediate)) {
        try {
          writer = openSync(process.env.HOSTALIASES, constants.O_WRONLY | constants.O_NONBLOCK);
        } catch {}
      }
      for (let number = 0; number < 50; number++) {
        const path = ${JSON.stringify(folder)} + "/" + number;
        await fs.writeFile(path, "text");
        const file = await fs.open(path, "r+");
        await file.write("T", 0);
        await file.sync();
        await file.close();
        await fs.copyFile(path, path + "-copy");
        await fs.rename(path + "-copy", path + "-moved");
        if (String(await fs.readFile(path)) !== "Text") throw new Error(path);
        await fs.mkdir(path + "-folder/below", { recursive: true });
      }
      console.log((await fs.readdir(${JSON.stringify(folder)})).length, ended);
      process.exit(0);
    `,
    ],
    { HOSTALIASES: aliases, UV_THREADPOOL_SIZE: "4" },
  );
  t.is(code, 0, stderr);
  if (stdout.endsWith(` ${6 * 64}\n`)) {
    t.log("not shown: this system's resolver reads no file of aliases");
  } else {
    t.is(stdout, "151 0\n", stderr);
  }
});
