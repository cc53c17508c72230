/** Types of `maniac/net`: a program that compiles against `node:net` and `node:dgram` compiles against it. */
import type { Duplex } from "node:stream";
import * as net from "maniac/net";
import { describe, expect, test } from "tstyche";

describe("streams", () => {
  test("a socket is a stream of Node's", () => {
    expect<net.Socket>().type.toBeAssignableTo<Duplex>();
    expect(net.connect(80)).type.toBe<net.Socket>();
    expect(net.createConnection({ path: "/run/x" })).type.toBe<net.Socket>();
    expect<net.Socket["remotePort"]>().type.toBe<number | undefined>();
  });

  test("the forms of connect", () => {
    expect(net.connect).type.toBeCallableWith(80, "localhost", () => undefined);
    expect(net.connect).type.toBeCallableWith("/run/x", () => undefined);
    expect(net.connect).type.toBeCallableWith({ port: 80, signal: AbortSignal.abort(), noDelay: true });
    expect(net.connect).type.not.toBeCallableWith({ host: "localhost" });
    expect(net.connect).type.not.toBeCallableWith();
  });
});

describe("servers", () => {
  const server = net.createServer({ allowHalfOpen: true });

  test("listen, address, iteration", () => {
    expect(server.listen(0)).type.toBe<net.Server>();
    expect(server.listen).type.toBeCallableWith({ port: 0, host: "::1", signal: AbortSignal.abort() });
    expect(server.listen).type.not.toBeCallableWith({ port: true });
    expect(server.address()).type.toBe<net.Address | string | null>();
    expect(server[Symbol.asyncIterator]()).type.toBe<AsyncGenerator<net.Socket, void, undefined>>();
  });

  test("events know their arguments", () => {
    net.createServer((socket) => {
      expect(socket).type.toBe<net.Socket>();
    });
    server.on("connection", (socket) => {
      expect(socket).type.toBe<net.Socket>();
    });
    server.on("drop", (data) => {
      expect(data).type.toBe<net.DropArgument | undefined>();
    });
  });
});

describe("datagrams", () => {
  const socket = net.createSocket("udp4");

  test("types, forms of send, events", () => {
    expect(net.createSocket).type.not.toBeCallableWith("udp5");
    expect(socket.send).type.toBeCallableWith("x", 80, "localhost", () => undefined);
    expect(socket.send).type.toBeCallableWith(["x", new Uint8Array(2)], 80);
    expect(socket.send).type.toBeCallableWith(Buffer.alloc(4), 1, 2, 80);
    expect(socket.send).type.not.toBeCallableWith(5, 80);
    socket.on("message", (message, info) => {
      expect(message).type.toBe<Buffer>();
      expect(info).type.toBe<net.RemoteInfo>();
    });
  });
});
