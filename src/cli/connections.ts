/** The tour's third stop: a TCP echo with 1,000 connections open, each of which asks and waits for its answer. */
import { once } from "node:events";
import nodeNet from "node:net";
import * as maniacNet from "../net.js";
import { ask, connectAll, type Socket } from "./exchange.js";
import { bar, milliseconds, type Screen } from "./screen.js";

/** Connections open at once. */
const CONNECTIONS = 1000;
/** Questions that each of them asks. */
const ROUNDS = 60;
/** Connections that are begun at once: fewer than a listener lets wait. */
const AT_ONCE = 200;

/** What one module came to. */
export interface Echo {
  readonly connections: number;
  readonly answers: number;
  readonly seconds: number;
  /** Of the process, which has both sides. */
  readonly cpuMicroseconds: number;
  /** Milliseconds between question and answer. */
  readonly p50: number;
  readonly p99: number;
}

/** What is the same of both modules. */
interface Net {
  createServer(listener: (socket: Socket) => void): {
    listen(port: number, host: string): unknown;
    address(): unknown;
    close(): unknown;
  };
  connect(port: number, host: string): Socket;
}

/** Closes both sides, and waits for that. */
async function closeAll(server: ReturnType<Net["createServer"]>, sockets: readonly Socket[]): Promise<void> {
  const open = sockets.filter((socket) => !socket.closed);
  const ends = open.map((socket) => new Promise((done) => socket.once("close", done)));
  for (const socket of open) socket.destroy();
  const closed = once(server as unknown as maniacNet.Server, "close");
  server.close();
  await Promise.all([...ends, closed]);
}

async function run(name: string, net: Net, rounds: number, screen: Screen): Promise<Echo> {
  const server = net.createServer((socket) => {
    socket.on("data", (question: Buffer) => socket.write(question));
    socket.on("error", () => socket.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server as unknown as maniacNet.Server, "listening");
  const { port } = server.address() as { port: number };
  const sockets: Socket[] = [];
  const times: number[] = [];
  const all = CONNECTIONS * rounds;
  const told = (took: number): void => {
    times.push(took);
    screen.live(() => `  ${name.padEnd(18)}${bar(times.length / all)} ${times.length} answers`);
  };
  let [seconds, cpuMicroseconds] = [0, 0];
  try {
    await connectAll(() => net.connect(port, "127.0.0.1"), CONNECTIONS, AT_ONCE, sockets);
    const cpu = process.cpuUsage();
    const start = performance.now();
    await Promise.all(sockets.map((socket) => ask(socket, rounds, told)));
    seconds = (performance.now() - start) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    cpuMicroseconds = user + system;
  } finally {
    for (const socket of sockets) socket.on("error", () => undefined);
    await closeAll(server, sockets);
  }
  times.sort((a, b) => a - b);
  const at = (share: number): number => times[Math.floor(times.length * share)] ?? Number.NaN;
  const [p50, p99] = [at(0.5), at(0.99)];
  const text = `${Math.round(all / seconds)} answers a second, ${milliseconds(p50)} p50, ${milliseconds(p99)} p99`;
  screen.line(`  ${name.padEnd(18)}${bar(1)} ${text}`);
  return { connections: CONNECTIONS, answers: all, seconds, cpuMicroseconds, p50, p99 };
}

/** Runs the echo with both modules in turn, each on both sides, with a share of the usual questions. */
export async function connections(share: number, screen: Screen): Promise<{ node: Echo; maniac: Echo }> {
  const rounds = ROUNDS * share;
  screen.line(screen.bold(`3. A TCP echo with ${CONNECTIONS} connections, ${rounds} questions each`));
  const node = await run("node:net", nodeNet as unknown as Net, rounds, screen);
  const maniac = await run("maniac/net", maniacNet as unknown as Net, rounds, screen);
  screen.line();
  return { node, maniac };
}
