/**
 * A TCP echo server on `maniac/net`, on `node:net` and on Bun's: the same program, in a process of its own, whose processor time alone
 * counts. The client is that of `benches/rust`. `npm run bench` runs it and writes `benches/RESULTS.md`.
 *
 * Run: `node target/js/benches/node-net.js --client PROGRAM [--rounds N] [--only WORD] [--bun PROGRAM]`
 */
import type nodeNet from "node:net";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { answer, type Contestant, inTurn, Other, options } from "./rounds.js";

const REQUESTS = 64_000;
const CONNECTIONS = [64, 1024];

/** The server's process: says its port, then its processor time, in microseconds, whenever it is asked. */
async function serve(module: string): Promise<void> {
  const { createServer } = (await import(module)) as typeof nodeNet;
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on("data", (data) => socket.write(data));
    // A client that is killed resets its connections.
    socket.on("error", () => socket.destroy());
  });
  server.listen(0, "127.0.0.1", 4096, () => {
    process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
  });
  await answer(() => {
    const { user, system } = process.cpuUsage();
    return String(user + system);
  });
  process.exit(0);
}

/** A server and the client that is connected to it. */
async function contestant(
  name: string,
  program: string,
  module: string,
  clientProgram: string,
  connections: number,
): Promise<Contestant> {
  const server = new Other(program, [fileURLToPath(import.meta.url), "--serve", module]);
  const address = `127.0.0.1:${await server.line()}`;
  const each = Math.floor(REQUESTS / connections);
  const client = new Other(clientProgram, [`--exchange-with=${address}`, String(connections), String(each)]);
  await client.line();
  return {
    name,
    round: async () => {
      const before = Number(await server.ask("cpu"));
      await client.ask("exchange");
      const cpu = Number(await server.ask("cpu")) - before;
      return { "thousands in a server's CPU second": (each * connections * 1000) / cpu };
    },
    end: () => {
      client.end();
      server.end();
    },
  };
}

async function main(): Promise<void> {
  const { rounds, only = "", bun, client } = options({ client: { type: "string" } });
  if (client === undefined) throw new Error("--client is missing: the program of benches/rust");
  for (const connections of CONNECTIONS) {
    const bench = `TCP echo of 64 B, ${connections} connections`;
    if (!bench.includes(only)) continue;
    const servers: [string, string, string][] = [
      ["maniac/net", process.execPath, "maniac/net"],
      ["node:net", process.execPath, "node:net"],
    ];
    if (bun !== undefined) servers.push(["bun's node:net", bun, "node:net"]);
    const contestants: Contestant[] = [];
    try {
      for (const [name, program, module] of servers) {
        contestants.push(await contestant(name, program, module, client, connections));
      }
      await inTurn("Node: net", bench, rounds, contestants);
    } finally {
      for (const each of contestants) each.end?.();
    }
  }
}

if (process.argv[2] === "--serve") await serve(process.argv[3] as string);
else await main();
