/**
 * `maniac bench`: a TCP echo server on `maniac/net`, on `node:net` and on Bun's. The same program, in a process of its own, whose processor
 * time alone counts; the client, the same for all of them, is another one.
 *
 * Those processes run this file: `--serve MODULE`, and `--exchange-with=ADDRESS CONNECTIONS EACH`.
 */
import type nodeNet from "node:net";
import { type AddressInfo, connect } from "node:net";
import { fileURLToPath } from "node:url";
import { answer, type Contestant, Other } from "./contest.js";
import { ask, BYTES, connectAll, type Socket } from "./exchange.js";

const REQUESTS = 64_000;
const CONNECTIONS = [64, 1024];
/** Connections that are begun at once: fewer than a listener lets wait. */
const AT_ONCE = 128;

const nameOf = (connections: number): string => `TCP echo of ${BYTES} B, ${connections} connections`;

/** The names of the benches. */
export const NAMES: readonly string[] = CONNECTIONS.map(nameOf);

const SELF = fileURLToPath(import.meta.url);

/** A server and the client that is connected to it. */
async function contestant(
  name: string,
  [program, module]: readonly [string, string],
  client: readonly [string, ...string[]],
  connections: number,
  share: number,
): Promise<Contestant> {
  const server = new Other(program, [SELF, "--serve", module]);
  const each = Math.ceil((REQUESTS * share) / connections);
  const [other, ...words] = client;
  let asking: Other;
  try {
    const address = `127.0.0.1:${await server.line()}`;
    asking = new Other(other, [...words, `--exchange-with=${address}`, String(connections), String(each)]);
    try {
      await asking.line();
    } catch (error) {
      asking.end();
      throw error;
    }
  } catch (error) {
    // A server that lives on would keep this process.
    server.end();
    throw error;
  }
  return {
    name,
    round: async () => {
      const before = Number(await server.ask("cpu"));
      await asking.ask("exchange");
      const cpu = Number(await server.ask("cpu")) - before;
      return { "thousands in a server's CPU second": (each * connections * 1000) / cpu };
    },
    end: () => {
      asking.end();
      server.end();
    },
  };
}

/** Gives those who compete in `bench` to `use`. `client`: another client's program, which takes the same words as this file. */
export async function withContestants(
  bench: string,
  share: number,
  bun: string | undefined,
  client: string | undefined,
  use: (contestants: readonly Contestant[]) => Promise<void>,
): Promise<void> {
  const connections = CONNECTIONS[NAMES.indexOf(bench)] as number;
  const servers: [string, string, string][] = [
    ["maniac/net", process.execPath, "../net.js"],
    ["node:net", process.execPath, "node:net"],
  ];
  if (bun !== undefined) servers.push(["bun's node:net", bun, "node:net"]);
  const asking: readonly [string, ...string[]] = client === undefined ? [process.execPath, SELF] : [client];
  const contestants: Contestant[] = [];
  try {
    for (const [name, program, module] of servers) {
      contestants.push(await contestant(name, [program, module], asking, connections, share));
    }
    await use(contestants);
  } finally {
    for (const each of contestants) each.end?.();
  }
}

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

/** The client's process: says when it is connected, and when all connections have had their answers, each time it is asked to. */
async function exchange(address: string, connections: number, each: number): Promise<void> {
  const [host = "", port = ""] = address.split(":");
  const sockets: Socket[] = [];
  const begin = (): Socket => connect({ host, port: Number(port), noDelay: true });
  await connectAll(begin, connections, AT_ONCE, sockets);
  process.stdout.write("connected\n");
  await answer(async () => {
    await Promise.all(sockets.map((socket) => ask(socket, each)));
    return "done";
  });
  process.exit(0);
}

const [mode = "", ...words] = process.argv.slice(2);
if (mode === "--serve") {
  await serve(words[0] as string);
} else if (mode.startsWith("--exchange-with=")) {
  await exchange(mode.slice("--exchange-with=".length), Number(words[0]), Number(words[1]));
}
