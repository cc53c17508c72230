/**
 * Workers that end in any order with operations of every kind in flight: a hundred, in crowds. Afterwards the process has no more
 * descriptors and threads than after the first crowd, and hardly more memory. `MANIAC_DEEP=1` runs a crowd of 100 first, then 100 of 32.
 */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import test from "ava";
import { metrics } from "maniac";
import { mpsc, type Receiver, type Sender } from "maniac/channel";
import * as fs from "maniac/fs";
import { createServer, type Socket } from "maniac/net";
import { setTimeout } from "maniac/timers";

const require = createRequire(import.meta.url);
const href = (name: string): string => JSON.stringify(pathToFileURL(require.resolve(name)).href);

/** What each Worker does until it is ended, from without or by itself. */
const WORKER = `
  const { parentPort, workerData: data } = require("node:worker_threads");
  (async () => {
    const fs = await import(${href("maniac/fs")});
    const timers = await import(${href("maniac/timers")});
    const channel = await import(${href("maniac/channel")});
    const net = await import(${href("maniac/net")});
    const { hashFile } = await import(${href("maniac/jobs")});
    const { syncAwait } = await import(${href("maniac")});
    const random = (most) => Math.floor(Math.random() * most);
    const sender = channel.Sender.from(data.sender);
    const receiver = channel.Receiver.from(data.receiver);
    const jobs = [
      async (turn) => {
        const file = await fs.open(process.execPath);
        await file.read(Buffer.alloc(300_000), 0, 300_000, turn * 4096);
        await file.close();
      },
      (turn) => fs.writeFile(data.scratch + "/" + data.number, "x".repeat(1000 * (turn % 200))),
      () => fs.readdir("/"),
      () => fs.readFile("/proc/self/status", { signal: AbortSignal.timeout(random(5)) }).catch(() => 0),
      async () => {
        for (let count = 0; count < 200; count++) void timers.setTimeout(random(20));
        void timers.setTimeout(3_600_000);
        await timers.setTimeout(random(3));
      },
      async () => { for await (const _ of timers.setInterval(1)) if (random(4) === 0) break; },
      (turn) => sender.send({ number: data.number, turn, bytes: new Uint8Array(random(2000)) }),
      () => receiver.recv(),
      async () => {
        const server = net.createServer((socket) => socket.on("error", () => 0).pipe(socket));
        await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
        const socket = net.connect(server.address().port, "127.0.0.1");
        socket.on("error", () => 0).write(Buffer.alloc(random(100_000)));
        await timers.setTimeout(random(10));
        socket.destroy();
        server.close();
      },
      async () => {
        const server = net.createSocket("udp4");
        await new Promise((resolve) => server.bind(0, "127.0.0.1", resolve));
        for (let count = 0; count < 20; count++) server.send(Buffer.alloc(random(2000)), server.address().port, "127.0.0.1");
        await timers.setTimeout(random(5));
        server.close();
      },
      () => hashFile("sha256", [process.execPath, data.scratch + "/none"]).catch(() => 0),
      async () => {
        const { sender, receiver } = channel.mpsc(1);
        const own = channel.Sender.from(sender.handle());
        sender.handle();
        void receiver.recv();
        await own.send(1);
      },
    ];
    const forever = async (job) => { for (let turn = 0; ; turn++) await job(turn); };
    for (const job of jobs) void forever(job);
    await timers.setTimeout(random(4));
    parentPort.postMessage("busy");
    if (data.how === "exit") timers.setTimeout(random(30)).then(() => process.exit());
    if (data.how === "throw") timers.setTimeout(random(30)).then(() => { throw new Error("on purpose"); });
    if (data.how === "sync") {
      await timers.setTimeout(random(10));
      const socket = syncAwait(net.connect, { path: data.silent });
      syncAwait({ on: socket }, socket.write, Buffer.alloc(random(10_000)));
      syncAwait({ on: socket }, socket.read);
    }
    if (data.how === "block") {
      const never = channel.mpsc(1);
      await timers.setTimeout(random(10));
      never.receiver.recvBlocking();
    }
  })();
`;

const HOWS = ["terminate", "exit", "throw", "block", "sync"] as const;

/** Runs a Worker, ends it as `how` says, and waits for that. */
async function busyWorker(number: number, scratch: string, silent: string): Promise<void> {
  const how = HOWS[number % HOWS.length] as (typeof HOWS)[number];
  const out = mpsc<{ number: number }>(4);
  const into = mpsc<number>(4);
  const data = {
    number,
    scratch,
    silent,
    how,
    sender: out.sender.handle(),
    receiver: into.receiver.handle(),
  };
  out.sender.close();
  const worker = new Worker(WORKER, { eval: true, workerData: data });
  const ended = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
  const thrown: Error[] = [];
  worker.on("error", (error) => thrown.push(error as Error));
  const busy = new Promise((resolve) => worker.once("message", resolve));
  const ends = [receiveAll(out.receiver, number), sendAll(into.sender)];
  await Promise.race([busy, ended]);
  await setTimeout(Math.random() * 30);
  if (how !== "exit" && how !== "throw") await worker.terminate();
  await ended;
  // Both ends here learn that the Worker's are gone.
  await Promise.all(ends);
  const unexpected = thrown.filter(({ message }) => message !== "on purpose");
  if (unexpected.length > 0) throw unexpected[0] as Error;
}

async function receiveAll(receiver: Receiver<{ number: number }>, from: number): Promise<void> {
  for await (const { number } of receiver) if (number !== from) throw new Error("of another Worker");
}

async function sendAll(sender: Sender<number>): Promise<void> {
  for (let value = 0; ; value++) {
    try {
      await sender.send(value);
    } catch {
      return;
    }
  }
}

/** Waits until the threads of the pool have ended what the Workers had begun. */
async function settled(): Promise<void> {
  for (;;) {
    const { threads, idle, queued } = metrics().blocking;
    if (threads === idle && queued === 0) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const count = (folder: string): number => readdirSync(folder).length;

/** Threads that are not of the pool, which keeps some for later. */
const threads = (): number => count("/proc/self/task") - metrics().blocking.threads;

test("Workers end in any order with operations in flight, and leave nothing behind", async (t) => {
  t.timeout(process.env.MANIAC_DEEP === undefined ? 600_000 : 3_600_000);
  const scratch = mkdtempSync(join(tmpdir(), "maniac-workers-"));
  t.teardown(() => rmSync(scratch, { recursive: true, force: true }));
  // The heaps of ended Workers are used again, so memory levels off after some rounds.
  const short = { first: 40, warm: 1, rounds: 3, workers: 20, most: 256 };
  const deep = { first: 100, warm: 8, rounds: 100, workers: 32, most: 192 };
  const { first, warm, rounds, workers, most } = process.env.MANIAC_DEEP === undefined ? short : deep;
  const silent = join(scratch, "silent");
  const peers = new Set<Socket>();
  const server = createServer((peer) => {
    peers.add(peer.on("error", () => undefined).on("close", () => peers.delete(peer)));
    peer.resume();
  });
  await new Promise<void>((resolve) => server.listen(silent, resolve));
  t.teardown(() => server.close());
  const round = async (crowd = workers): Promise<void> => {
    await Promise.all(Array.from({ length: crowd }, (_, number) => busyWorker(number, scratch, silent)));
    await settled();
    while (peers.size > 0) await new Promise((resolve) => setImmediate(resolve));
  };
  await fs.stat(scratch);
  for (let turn = 0; turn < warm; turn++) await round(turn === 0 ? first : workers);
  const before = { files: count("/proc/self/fd"), threads: threads(), memory: process.memoryUsage.rss() };
  for (let turn = 0; turn < rounds; turn++) await round();
  t.true(
    count("/proc/self/fd") <= before.files + 4,
    `${count("/proc/self/fd")} descriptors, ${before.files} before`,
  );
  t.true(threads() <= before.threads, `${threads()} threads, ${before.threads} before`);
  const grown = (process.memoryUsage.rss() - before.memory) / 2 ** 20;
  t.true(grown < most, `memory grew by ${grown} MiB`);
  t.log(
    `${first} at once, ${rounds} rounds of ${workers}: ${grown.toFixed(0)} MiB more, ${count("/proc/self/fd")} descriptors, ${threads()} threads`,
  );
  const { inFlight, queued } = metrics().operations;
  t.deepEqual([inFlight, queued], [0, 0]);
});
