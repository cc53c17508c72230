/** Types of `maniac/pool` and `syncAwait`: tasks and results keep theirs. */

import type { Stats } from "node:fs";
import { syncAwait } from "maniac";
import { mpsc, type Receiver } from "maniac/channel";
import { readdir, stat } from "maniac/fs";
import { connect, createServer, type Found, lookup, type Socket } from "maniac/net";
import { move, Pool, type RunOptions, type TaskContext } from "maniac/pool";
import { describe, expect, test } from "tstyche";

interface Job {
  readonly id: number;
}

describe("pools", () => {
  test("tasks and results have the pool's types", () => {
    const pool = new Pool<Job, string>({ filename: "/task.js", maxThreads: 2, maxQueue: "auto" });
    expect(pool.run({ id: 1 })).type.toBe<Promise<string>>();
    expect(pool.run).type.not.toBeCallableWith("job");
    expect(pool.run).type.toBeCallableWith({ id: 1 }, { signal: AbortSignal.timeout(1), name: "other" });
    expect(new Pool().run("anything")).type.toBe<Promise<unknown>>();
    expect<RunOptions>().type.toBeAssignableFrom({ transferList: [new ArrayBuffer(1)] });
    expect(Pool).type.not.toBeConstructableWith({ maxThreads: "2" });
    expect<Pool>().type.toBeAssignableTo<AsyncDisposable>();
    expect<TaskContext["signal"]>().type.toBe<AbortSignal>();
    expect(move(new Uint8Array(1))).type.toBe<Uint8Array<ArrayBuffer>>();
  });
});

describe("syncAwait", () => {
  test("it gives what the promise would give", () => {
    const receiver = mpsc<Job>(1).receiver as Receiver<Job>;
    expect(syncAwait({ on: receiver, timeout: 5 }, receiver.recv)).type.toBe<Job>();
    expect(syncAwait(stat, "/")).type.toBeAssignableTo<Stats | object>();
    expect(syncAwait).type.not.toBeCallableWith(readdir("/"));
    expect(syncAwait).type.not.toBeCallableWith(stat, true);
  });

  test("of sockets, what their events would tell", () => {
    const socket = syncAwait(connect, 80, "localhost");
    expect(socket).type.toBe<Socket>();
    expect(syncAwait({ timeout: 5 }, connect, { path: "/run/x" })).type.toBe<Socket>();
    expect(syncAwait({ on: socket }, socket.read, 4)).type.toBe<Buffer | string | null>();
    expect(syncAwait({ on: socket }, socket.write, "text", "latin1")).type.toBe<boolean>();
    expect(syncAwait({ on: socket, timeout: 5 }, socket.end)).type.toBe<Socket>();
    expect(syncAwait(lookup, "localhost")).type.toBe<Found>();
    expect(syncAwait).type.not.toBeCallableWith({ on: socket }, socket.write, 7);
    expect(syncAwait).type.not.toBeCallableWith(connect, true);
    expect(syncAwait).type.not.toBeCallableWith(createServer);
  });
});
