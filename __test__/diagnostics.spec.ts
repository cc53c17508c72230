/** What `node:diagnostics_channel` is told: by operations on files, by connections, on Node's own channels. */
import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe, tracingChannel, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import test from "ava";
import { type FsMessage, open, readFile, rename, stat } from "maniac/fs";
import * as net from "maniac/net";

type Told = [event: string, message: FsMessage & net.NetMessage];

/** Subscribes to a tracing channel; gives what is told, and the end of it. */
function listen(name: string): [told: Told[], end: () => void] {
  const told: Told[] = [];
  const take = (event: string) => (message: unknown) => void told.push([event, { ...(message as Told[1]) }]);
  const events = ["start", "end", "asyncStart", "asyncEnd", "error"] as const;
  const subscribers = Object.fromEntries(events.map((event) => [event, take(event)]));
  const channel = tracingChannel<Told[1], Told[1]>(name);
  channel.subscribe(subscribers as never);
  return [told, () => channel.unsubscribe(subscribers as never)];
}

const of = (told: Told[], operation: string): Told[] =>
  told.filter(([, message]) => message.operation === operation);

test.serial("an operation on a file: what it was asked, what came of it", async (t) => {
  const [told, end] = listen("maniac:fs");
  const text = await readFile("package.json", "utf8");
  end();
  await stat("package.json");
  const asked = { operation: "readFile", path: "package.json" };
  t.deepEqual(told, [
    ["start", asked],
    ["end", asked],
    ["asyncStart", { ...asked, result: text }],
    ["asyncEnd", { ...asked, result: text }],
  ]);
});

test.serial("a failure is told with its error, which the caller gets too", async (t) => {
  const [told, end] = listen("maniac:fs");
  const error = await t.throwsAsync(rename("target/none", "target/nothing"), { code: "ENOENT" });
  end();
  const [, message] = of(told, "rename").find(([event]) => event === "error") as Told;
  t.deepEqual([message.path, message.dest, message.error], ["target/none", "target/nothing", error]);
});

test.serial("a handle's operations carry its descriptor and lengths", async (t) => {
  const handle = await open("package.json");
  const [told, end] = listen("maniac:fs");
  await handle.read(Buffer.alloc(10), 0, 10, 0);
  const { fd } = handle;
  await handle.close();
  end();
  const starts = told.filter(([event]) => event === "start").map(([, message]) => message);
  t.deepEqual(starts, [
    { operation: "read", fd, length: 10 },
    { operation: "close", fd },
  ]);
});

test.serial("a store that is bound to the start is there when the operation has ended", async (t) => {
  const storage = new AsyncLocalStorage<string>();
  const channel = tracingChannel<FsMessage, FsMessage>("maniac:fs");
  channel.start.bindStore(storage as never, ((message: FsMessage) => message.operation) as never);
  const seen: unknown[] = [];
  const note = (): void => void seen.push(storage.getStore());
  channel.asyncEnd.subscribe(note);
  await stat("package.json");
  channel.start.unbindStore(storage as never);
  channel.asyncEnd.unsubscribe(note);
  t.deepEqual(seen, ["stat"]);
});

test.serial(
  "connections: listening, looking up, connecting, accepting; and Node's own channels",
  async (t) => {
    const [told, end] = listen("maniac:net");
    const sockets: string[] = [];
    const client = (): void => void sockets.push("client");
    const server = (): void => void sockets.push("server");
    subscribe("net.client.socket", client);
    subscribe("net.server.socket", server);
    const [listens, endListens] = listen("net.server.listen");
    const listener = net.createServer((socket) => socket.end("x"));
    listener.listen(0, "127.0.0.1");
    await once(listener, "listening");
    const { port } = listener.address() as { port: number };
    const socket = net.connect({ port, host: "localhost", family: 4 }).resume();
    await once(socket, "close");
    listener.close();
    await once(listener, "close");
    end();
    endListens();
    unsubscribe("net.client.socket", client);
    unsubscribe("net.server.socket", server);

    t.deepEqual(
      of(told, "listen").map(([event, message]) => [event, message.address, message.port, message.result]),
      [
        ["start", "127.0.0.1", 0, undefined],
        ["end", "127.0.0.1", 0, 0],
      ],
    );
    t.is(of(told, "lookup").at(0)?.[1].hostname, "localhost");
    t.deepEqual(
      of(told, "connect").map(([event, message]) => [event, message.address, message.port, message.result]),
      [
        ["start", "127.0.0.1", port, undefined],
        ["end", "127.0.0.1", port, undefined],
        ["asyncStart", "127.0.0.1", port, 0],
        ["asyncEnd", "127.0.0.1", port, 0],
      ],
    );
    t.deepEqual(
      of(told, "accept").map(([event, message]) => [event, message.address]),
      [
        ["start", "127.0.0.1"],
        ["end", "127.0.0.1"],
      ],
    );
    t.deepEqual(sockets.sort(), ["client", "server"]);
    t.deepEqual(
      listens.map(([event]) => event),
      ["asyncStart", "asyncEnd"],
    );
  },
);

test.serial("a connection that fails is told with its error", async (t) => {
  const listener = net.createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as { port: number };
  listener.close();
  await once(listener, "close");
  const [told, end] = listen("maniac:net");
  const [error] = await once(net.connect(port, "127.0.0.1"), "error");
  end();
  const events = of(told, "connect").map(([event, message]) => [
    event,
    (message.error as Error & { code: string })?.code,
  ]);
  t.like(error, { code: "ECONNREFUSED" });
  t.deepEqual(events, [
    ["start", undefined],
    ["end", undefined],
    ["error", "ECONNREFUSED"],
    ["asyncStart", "ECONNREFUSED"],
    ["asyncEnd", "ECONNREFUSED"],
  ]);
});

test.serial("a connection that is given up is told as such", async (t) => {
  const listener = net.createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as { port: number };
  const [told, end] = listen("maniac:net");
  const socket = net.connect(port, "127.0.0.1");
  // It has begun, and nothing has crossed yet.
  socket.once("connectionAttempt", () => process.nextTick(() => socket.destroy()));
  await once(socket, "close");
  listener.close();
  await once(listener, "close");
  end();
  t.deepEqual(
    of(told, "connect").map(([event, { error }]) => [event, (error as { code?: string } | undefined)?.code]),
    [
      ["start", undefined],
      ["end", undefined],
      ["error", "ECANCELED"],
      ["asyncStart", "ECANCELED"],
      ["asyncEnd", "ECANCELED"],
    ],
  );
});
