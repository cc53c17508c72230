/** What `maniac/net` does beyond Node's table: many connections, back-pressure, leaks, iterators, contexts, names. */
import { AsyncLocalStorage } from "node:async_hooks";
import { once } from "node:events";
import { closeSync, openSync, readdirSync } from "node:fs";
import http from "node:http";
import nodeNet from "node:net";
import { text } from "node:stream/consumers";
import { setImmediate as turn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import test from "ava";
import * as fs from "maniac/fs";
import * as net from "maniac/net";

type Either = net.Socket | nodeNet.Socket;

const descriptors = (): number => readdirSync("/proc/self/fd").length;
const closed = (one: { once(event: "close", listener: () => void): unknown }): Promise<void> =>
  new Promise((done) => one.once("close", done));

async function listening(onConnection: (socket: net.Socket) => void): Promise<[net.Server, number]> {
  const server = net.createServer(onConnection).listen(0, "127.0.0.1");
  await once(server, "listening");
  return [server, (server.address() as net.Address).port];
}

async function open(count: number, port: number, connect: (port: number) => Either): Promise<Either[]> {
  const sockets: Either[] = [];
  while (sockets.length < count) {
    const some = Array.from({ length: Math.min(200, count - sockets.length) }, () => connect(port));
    await Promise.all(some.map((socket) => once(socket, "connect")));
    sockets.push(...some);
  }
  return sockets;
}

async function echo(sockets: Either[], rounds: number): Promise<number> {
  let bytes = 0;
  await Promise.all(
    sockets.map(async (socket, index) => {
      for (let round = 0; round < rounds; round++) {
        const text = `${index}:${round}`;
        socket.write(text);
        const [answer] = (await once(socket, "data")) as [Buffer];
        if (String(answer) !== text) {
          throw new Error(`${answer} instead of ${text}`);
        }
        bytes += answer.length;
      }
    }),
  );
  return bytes;
}

for (const [name, connect] of [
  ["maniac's", (port: number) => net.connect(port, "127.0.0.1")],
  ["Node's", (port: number) => nodeNet.connect(port, "127.0.0.1")],
] as const) {
  test.serial(`1,000 connections of ${name} client echo at once, and leave no descriptor`, async (t) => {
    const [warm] = await listening((socket) => socket.pipe(socket));
    warm.close();
    await closed(warm);
    const before = descriptors();
    const [server, port] = await listening((socket) => socket.pipe(socket));
    const sockets = await open(1000, port, connect);
    t.true((await echo(sockets, 3)) > 0);
    const ends = sockets.map((socket) => closed(socket));
    for (const socket of sockets) {
      socket.end();
    }
    await Promise.all(ends);
    server.close();
    await closed(server);
    t.is(descriptors(), before);
  });
}

test.serial("idle connections are not limited by the operations in flight, nor limit them", async (t) => {
  // Two descriptors each; more than 4,096 sockets receive at once.
  const count = 2_100;
  const accepted: net.Socket[] = [];
  const [server, port] = await listening((socket) => {
    accepted.push(socket);
    socket.pipe(socket);
  });
  const sockets = await open(count, port, (at) => net.connect(at, "127.0.0.1"));
  for (const socket of sockets) {
    socket.resume();
  }
  while (accepted.length < count) {
    await turn();
  }
  const texts = await Promise.all(Array.from({ length: 200 }, () => fs.readFile("package.json", "utf8")));
  t.is(new Set(texts).size, 1);
  t.true((await echo(sockets.slice(-10), 1)) > 0);
  const ends = [...sockets, ...accepted].map((socket) => closed(socket));
  for (const socket of sockets) {
    socket.destroy();
  }
  await Promise.all(ends);
  server.close();
  await closed(server);
});

test.serial("back-pressure: what nobody reads is not received", async (t) => {
  let peer: net.Socket | undefined;
  const [server, port] = await listening((socket) => {
    peer = socket;
    socket.pause();
  });
  const socket = net.connect(port, "127.0.0.1");
  await once(socket, "connect");
  const chunk = Buffer.alloc(256 * 1024);
  let sent = 0;
  // Until the buffers of the kernel and of both streams are full.
  for (let idle = 0; idle < 50; ) {
    if (socket.writableLength < 4 * chunk.length) {
      socket.write(chunk);
      sent += chunk.length;
      idle = 0;
    } else {
      idle++;
      await turn();
    }
  }
  t.true((peer?.bytesRead ?? 0) < 1024 * 1024, `${peer?.bytesRead} bytes received`);
  let received = 0;
  peer?.on("data", (data: Buffer) => {
    received += data.length;
  });
  const ended = Promise.all([once(peer as net.Socket, "end"), closed(socket)]);
  peer?.resume();
  socket.end();
  await ended;
  t.is(received, sent);
  server.close();
  await closed(server);
});

test.serial(
  "writes of one turn over many connections: all bytes, in order, also where there is no room",
  async (t) => {
    const CONNECTIONS = 24;
    const ROUNDS = 40;
    const SIZES = [1, 64, 4096, 16_384, 16_385, 40_000];
    const received: Buffer[][] = [];
    const ends: Promise<unknown>[] = [];
    const peers: net.Socket[] = [];
    const [server, port] = await listening((peer) => {
      peers.push(peer.pause());
    });
    const sockets = (await open(CONNECTIONS, port, (at) => net.connect(at, "127.0.0.1"))) as net.Socket[];
    while (peers.length < CONNECTIONS) await turn();
    const sent = sockets.map(() => [] as Buffer[]);
    const put = (index: number, round: number): void => {
      const bytes = Buffer.alloc(SIZES[(round + index) % SIZES.length] as number, `${index}:${round};`);
      sent[index]?.push(bytes);
      sockets[index]?.write(bytes);
    };
    let round = 0;
    for (; round < ROUNDS; round++) {
      for (const index of sockets.keys()) put(index, round);
      if (round % 3 !== 0) await turn();
    }
    // Some, each at another length, until none of them has room, and waiting does not give it any: megabytes each.
    const some = sockets.slice(0, SIZES.length);
    const full = (): boolean => some.every(({ writableLength }) => writableLength > 0);
    for (let idle = 0; idle < 10; idle = full() ? idle + 1 : 0, round++) {
      for (const [index, { writableLength }] of some.entries()) if (writableLength === 0) put(index, round);
      await turn();
    }
    const ports = new Map(sockets.map(({ localPort }, index) => [localPort, index]));
    for (const peer of peers) {
      const chunks: Buffer[] = [];
      received[ports.get(peer.remotePort) as number] = chunks;
      peer.on("data", (chunk: Buffer) => chunks.push(chunk)).resume();
      ends.push(once(peer, "end"));
    }
    for (const socket of sockets) socket.end();
    await Promise.all(ends);
    for (const [index, chunks] of received.entries()) {
      t.true(Buffer.concat(chunks).equals(Buffer.concat(sent[index] as Buffer[])), `connection ${index}`);
    }
    server.close();
    await closed(server);
  },
);

test.serial("writes of one turn: destroyed right behind them, and to peers that are gone", async (t) => {
  const CONNECTIONS = 16;
  const got: Promise<string>[] = [];
  const peers: net.Socket[] = [];
  const [server, port] = await listening((peer) => {
    peers.push(peer);
    got.push(text(peer));
  });
  const sockets = (await open(CONNECTIONS, port, (at) => net.connect(at, "127.0.0.1"))) as net.Socket[];
  for (const socket of sockets) {
    socket.write("all of it");
    socket.destroy();
  }
  await Promise.all(sockets.map(closed));
  while (peers.length < CONNECTIONS) await turn();
  t.deepEqual(new Set(await Promise.all(got)), new Set(["all of it"]));
  const more = (await open(CONNECTIONS, port, (at) => net.connect(at, "127.0.0.1"))) as net.Socket[];
  while (peers.length < 2 * CONNECTIONS) await turn();
  for (const result of got.splice(CONNECTIONS)) result.catch(() => undefined);
  const ends = more.map(
    (socket) =>
      new Promise<string | undefined>((done) =>
        socket.on("error", ({ code }: NodeJS.ErrnoException) => done(code)),
      ),
  );
  for (const peer of peers.splice(CONNECTIONS)) peer.resetAndDestroy();
  // Until the reset is seen, by a write or by a receive.
  let over = false;
  const codes = Promise.all(ends).finally(() => {
    over = true;
  });
  while (!over) {
    for (const socket of more) if (!socket.destroyed) socket.write("anybody?");
    await turn();
  }
  for (const code of await codes) t.regex(code ?? "", /^(ECONNRESET|EPIPE)$/);
  server.close();
  await closed(server);
});

test.serial("a signal that is aborted already: no connection is begun", async (t) => {
  const [server, port] = await listening(() => t.fail());
  const socket = net.connect({ port, host: "127.0.0.1", signal: AbortSignal.abort("why") }, () => t.fail());
  const [error] = (await once(socket, "error")) as [Error & { code: string }];
  t.is(error.code, "ABORT_ERR");
  t.is(error.cause, "why");
  server.close();
  await closed(server);
});

test.serial("for await over a server's connections", async (t) => {
  const [server, port] = await listening(() => undefined);
  const served: string[] = [];
  const serving = (async () => {
    for await (const socket of server) {
      for await (const chunk of socket) {
        served.push(String(chunk));
      }
      if (served.length === 3) {
        server.close();
      }
    }
  })();
  for (const text of ["a", "b", "c"]) {
    const socket = net.connect(port, "127.0.0.1").end(text).resume();
    await closed(socket);
  }
  await serving;
  t.deepEqual(served.sort(), ["a", "b", "c"]);
});

test.serial("for await over datagrams, and Symbol.asyncDispose", async (t) => {
  const socket = net.createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  const seen: string[] = [];
  const reading = (async () => {
    for await (const [message, info] of socket) {
      seen.push(`${message} ${info.size}`);
      if (seen.length === 2) {
        break;
      }
    }
  })();
  socket.send("one", port, "127.0.0.1");
  socket.send("three", port, "127.0.0.1");
  await reading;
  t.deepEqual(seen, ["one 3", "three 5"]);
  await socket[Symbol.asyncDispose]();
  await socket[Symbol.asyncDispose]();
  t.throws(() => socket.address(), { code: "ERR_SOCKET_DGRAM_NOT_RUNNING" });
});

test.serial("many datagrams at once arrive or are dropped by the kernel, in order", async (t) => {
  const socket = net.createSocket({ type: "udp4", recvBufferSize: 1 << 20 }).bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  const seen: number[] = [];
  socket.on("message", (message) => seen.push(message.readUInt32LE()));
  let sent = 0;
  for (let index = 0; index < 500; index++) {
    const message = Buffer.alloc(1000);
    message.writeUInt32LE(index);
    socket.send(message, port, "127.0.0.1", (error, bytes) => {
      t.is(error, null);
      sent += bytes;
    });
  }
  while (sent < 500_000 || seen[seen.length - 1] !== 499) {
    await turn();
  }
  t.deepEqual(
    seen,
    [...seen].sort((a, b) => a - b),
  );
  socket.close();
  await closed(socket);
});

test("sockets share their hidden class, so that inline caches hold", (t) => {
  setFlagsFromString("--allow-natives-syntax");
  const sameMap = new Function("one", "other", "return %HaveSameMap(one, other)") as (
    one: unknown,
    other: unknown,
  ) => boolean;
  class Own extends net.Socket {}
  const Called = net.Socket as unknown as () => net.Socket;
  t.true(sameMap(new net.Socket(), new net.Socket()));
  t.true(sameMap(new net.Socket(), Called()));
  t.true(sameMap(new Own(), new Own()));
  t.true(new Own() instanceof Own);
});

test.serial("AsyncLocalStorage survives every event of a socket", async (t) => {
  const storage = new AsyncLocalStorage<string>();
  const [server, port] = await listening((socket) => socket.pipe(socket));
  const seen = await Promise.all(
    ["first", "second"].map((name) =>
      storage.run(
        name,
        () =>
          new Promise<(string | undefined)[]>((give) => {
            const stores: (string | undefined)[] = [];
            const socket = net.connect(port, "127.0.0.1");
            for (const event of ["connect", "data", "end"]) {
              socket.on(event, () => stores.push(storage.getStore()));
            }
            socket.on("close", () => give([...stores, storage.getStore()]));
            socket.end("x");
          }),
      ),
    ),
  );
  t.deepEqual(seen, [
    ["first", "first", "first", "first"],
    ["second", "second", "second", "second"],
  ]);
  server.close();
  await closed(server);
});

test.serial("a descriptor that is no socket's", (t) => {
  const file = openSync("/dev/null", "r");
  t.throws(() => new net.Socket({ fd: file }), { code: "ERR_INVALID_FD_TYPE" });
  closeSync(file);
  t.throws(() => new net.Socket({ fd: file }), { code: "EBADF" });
});

test.serial("names: localhost, a literal, and more of them than go at once", async (t) => {
  const [server, port] = await listening((socket) => socket.end());
  const sockets = Array.from({ length: 100 }, () =>
    net.connect({ port, host: "localhost", family: 4 }).resume(),
  );
  await Promise.all(sockets.map((socket) => closed(socket)));
  t.pass();
  server.close();
  await closed(server);
});

test.serial("a path of a listener is free again when it was closed", async (t) => {
  const at = `/tmp/maniac-net-own-${process.pid}.sock`;
  for (let round = 0; round < 3; round++) {
    const server = net.createServer((socket) => socket.pipe(socket)).listen({ path: at, readableAll: true });
    await once(server, "listening");
    const socket = net.connect(at).end("x").resume();
    await closed(socket);
    server.close();
    await closed(server);
  }
  const both = net.createServer().listen(at);
  await once(both, "listening");
  t.is(both.address(), at);
  both.close();
  await closed(both);
  both.listen(0, "127.0.0.1");
  await once(both, "listening");
  t.is((both.address() as net.Address).address, "127.0.0.1");
  both.close();
  await closed(both);
  const server = net.createServer().listen(`\0maniac-net-own-${process.pid}`);
  await once(server, "listening");
  const [error] = (await once(net.createServer().listen(`\0maniac-net-own-${process.pid}`), "error")) as [
    NodeJS.ErrnoException,
  ];
  t.is(error.code, "EADDRINUSE");
  server.close();
  await closed(server);
});

test.serial("destroying sockets at random moments leaves nothing behind", async (t) => {
  const [server, port] = await listening((socket) => {
    socket.on("error", () => undefined);
    socket.pipe(socket);
  });
  const before = descriptors();
  let seed = 12345;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  for (let round = 0; round < 10; round++) {
    await Promise.all(
      Array.from({ length: 100 }, async () => {
        const controller = new AbortController();
        const socket = net.connect({ port, host: "127.0.0.1", signal: controller.signal });
        socket.on("error", () => undefined);
        socket.resume();
        const end = closed(socket);
        socket.write(Buffer.alloc(random(100_000)));
        for (let turns = random(6); turns > 0; turns--) {
          await turn();
        }
        const acts = [
          () => socket.destroy(),
          () => socket.end(),
          () => socket.resetAndDestroy(),
          () => controller.abort(),
        ];
        acts[random(acts.length)]?.();
        await end;
      }),
    );
  }
  server.close();
  await closed(server);
  t.true(descriptors() <= before, `${descriptors()} descriptors, ${before} before`);
});

test.serial("Node's http runs over the package's sockets, on either side", async (t) => {
  const answering = http.createServer((request, response) => {
    request.pipe(response);
  });
  const [server, port] = await listening((socket) => answering.emit("connection", socket));
  const body = "x".repeat(200_000);
  for (let round = 0; round < 3; round++) {
    const request = http.request({
      method: "POST",
      createConnection: () => net.connect(port, "127.0.0.1") as unknown as nodeNet.Socket,
    });
    request.end(body);
    const [response] = (await once(request, "response")) as [http.IncomingMessage];
    t.is(await text(response), body);
  }
  server.close();
  answering.closeAllConnections();
  await closed(server);
});
