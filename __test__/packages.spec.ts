/**
 * Well-known packages over `maniac/net`, where they take a stream or a socket factory: `ws`, `pg`, `ioredis`, and `node:http` below the first.
 *
 * Where a package wants a server that is not here, a fake one of a few lines speaks its protocol, over `maniac/net` too.
 */
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import test from "ava";
import { AbstractConnector, Redis } from "ioredis";
import * as net from "maniac/net";
import pg from "pg";
import { WebSocket, WebSocketServer } from "ws";

/** A server of sockets; gives its port. */
async function listening(listener: (socket: net.Socket) => void): Promise<[net.Server, number]> {
  const server = net.createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  return [server, (server.address() as AddressInfo).port];
}

async function closed(server: net.Server): Promise<void> {
  server.close();
  await once(server, "close");
}

test("ws: both sides over maniac/net, through node:http's upgrade", async (t) => {
  const upgrades = http.createServer();
  const sockets = new WebSocketServer({ server: upgrades });
  sockets.on("connection", (socket) => {
    socket.on("message", (message, isBinary) => socket.send(message, { binary: isBinary }));
  });
  const [server, port] = await listening((socket) => upgrades.emit("connection", socket));
  const clients = await Promise.all(
    Array.from({ length: 20 }, async (_, number) => {
      const client = new WebSocket(`ws://127.0.0.1:${port}/`, {
        createConnection: ((options: object) => net.connect(options as net.ConnectOptions)) as never,
      });
      await once(client, "open");
      const large = Buffer.alloc(300_000, number);
      client.send(large);
      const [echoed] = (await once(client, "message")) as [Buffer];
      t.true(large.equals(echoed));
      client.send(`text ${number}`);
      const [text] = (await once(client, "message")) as [Buffer];
      t.is(text.toString(), `text ${number}`);
      return client;
    }),
  );
  await Promise.all(
    clients.map(async (client) => {
      client.close(1000, "done");
      t.is((await once(client, "close"))[0], 1000);
    }),
  );
  sockets.close();
  await closed(server);
});

/** A message of PostgreSQL's protocol: a letter, a length that counts itself, the rest. */
function message(letter: string, ...parts: (Buffer | string)[]): Buffer {
  const body = Buffer.concat(
    parts.map((part) => (typeof part === "string" ? Buffer.from(`${part}\0`) : part)),
  );
  const head = Buffer.alloc(5);
  head.write(letter, "latin1");
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

const READY = message("Z", Buffer.from("I"));

/** Answers each simple query with one row that holds the query's length, and knows nothing else of SQL. */
function fakePostgres(socket: net.Socket): void {
  let started = false;
  let bytes = Buffer.alloc(0);
  socket.on("error", () => socket.destroy());
  socket.on("data", (data: Buffer) => {
    bytes = Buffer.concat([bytes, data]);
    for (;;) {
      const head = started ? 1 : 0;
      if (bytes.length < head + 4) return;
      const end = head + bytes.readInt32BE(head);
      if (bytes.length < end) return;
      const letter = started ? String.fromCharCode(bytes[0] as number) : "startup";
      const body = bytes.subarray(head + 4, end);
      bytes = bytes.subarray(end);
      started = true;
      if (letter === "startup") {
        socket.write(Buffer.concat([message("R", int32(0)), READY]));
      } else if (letter === "Q") {
        const value = String(body.length - 1);
        const column = [int32(0), int16(0), int32(23), int16(4), int32(-1), int16(0)];
        socket.write(message("T", int16(1), "length", ...column));
        socket.write(message("D", int16(1), int32(value.length), Buffer.from(value)));
        socket.write(Buffer.concat([message("C", "SELECT 1"), READY]));
      } else if (letter === "X") {
        socket.end();
      }
    }
  });
}

test("pg: a client whose stream is a socket of maniac/net", async (t) => {
  const [server, port] = await listening(fakePostgres);
  const client = new pg.Client({
    host: "127.0.0.1",
    port,
    user: "nobody",
    stream: () => new net.Socket() as never,
  });
  await client.connect();
  for (const length of [8, 100, 100_000]) {
    const { rows } = await client.query(`SELECT ${"x".repeat(length - 7)}`);
    t.deepEqual(rows, [{ length }]);
  }
  await client.end();
  await closed(server);
});

/** The commands that a buffer holds whole, in Redis' protocol, and how many bytes they took. */
function commandsIn(bytes: Buffer): [commands: string[][], used: number] {
  const commands: string[][] = [];
  let used = 0;
  for (;;) {
    let at = used;
    const line = (): string | undefined => {
      const end = bytes.indexOf("\r\n", at);
      if (end === -1) return undefined;
      const text = bytes.toString("utf8", at, end);
      at = end + 2;
      return text;
    };
    const words: string[] = [];
    const count = Number(line()?.slice(1) ?? Number.NaN);
    while (words.length < count) {
      const length = Number(line()?.slice(1) ?? Number.NaN);
      if (!(at + length + 2 <= bytes.length)) return [commands, used];
      words.push(bytes.toString("utf8", at, at + length));
      at += length + 2;
    }
    if (Number.isNaN(count)) return [commands, used];
    commands.push(words);
    used = at;
  }
}

/** Keeps values by key, and answers what else it is asked with "OK". */
function fakeRedis(socket: net.Socket): void {
  const values = new Map<string, string>();
  let bytes = Buffer.alloc(0);
  socket.on("error", () => socket.destroy());
  socket.on("data", (data: Buffer) => {
    bytes = Buffer.concat([bytes, data]);
    const [commands, used] = commandsIn(bytes);
    bytes = bytes.subarray(used);
    for (const [name = "", key = "", value = ""] of commands) {
      const kept = values.get(key);
      switch (name.toLowerCase()) {
        case "set":
          values.set(key, value);
          socket.write("+OK\r\n");
          break;
        case "get":
          socket.write(kept === undefined ? "$-1\r\n" : `$${Buffer.byteLength(kept)}\r\n${kept}\r\n`);
          break;
        default:
          socket.write("+OK\r\n");
      }
    }
  });
}

/** Gives ioredis its sockets. */
class Connector extends AbstractConnector {
  readonly #port: number;

  constructor({ port }: { port: number }) {
    super(0);
    this.#port = port;
  }

  connect(): Promise<never> {
    this.connecting = true;
    const socket = net.connect(this.#port, "127.0.0.1");
    this.stream = socket as never;
    return Promise.resolve(socket as never);
  }
}

test("ioredis: a connector that gives sockets of maniac/net", async (t) => {
  const [server, port] = await listening(fakeRedis);
  const client = new Redis({ port, Connector: Connector as never, enableReadyCheck: false });
  const names = Array.from({ length: 200 }, (_, number) => `key-${number}`);
  await Promise.all(names.map((name) => client.set(name, `${name} ✓`)));
  const values = await Promise.all(names.map((name) => client.get(name)));
  t.deepEqual(
    values,
    names.map((name) => `${name} ✓`),
  );
  t.is(await client.get("none"), null);
  const ended = once(client, "end");
  client.disconnect();
  await ended;
  await closed(server);
});
