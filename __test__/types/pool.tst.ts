/** Types of `maniac/pool` and `syncAwait`: tasks and results keep theirs. */

import type { Stats } from "node:fs";
import { syncAwait } from "maniac";
import { mpsc, type Receiver } from "maniac/channel";
import { readdir, stat } from "maniac/fs";
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
});
