/** Types of `maniac/timers`: a program that compiles against `node:timers/promises` compiles against it. */
import type * as node from "node:timers/promises";
import * as timers from "maniac/timers";
import { describe, expect, test } from "tstyche";

describe("drop-in", () => {
  test("every function can take the place of Node's", () => {
    expect<typeof timers>().type.toBeAssignableTo<
      Pick<typeof node, "setTimeout" | "setInterval" | "setImmediate" | "scheduler">
    >();
    expect(timers.default.setTimeout).type.toBe<typeof timers.setTimeout>();
  });

  test("values keep their types", () => {
    expect(timers.setTimeout(1)).type.toBe<Promise<void>>();
    expect(timers.setTimeout(1, "x" as const)).type.toBe<Promise<"x">>();
    expect(timers.setImmediate(5 as number)).type.toBe<Promise<number>>();
    expect(timers.setInterval(1, "x" as string)).type.toBe<AsyncGenerator<string, void, unknown>>();
    expect(timers.scheduler.wait(1)).type.toBe<Promise<void>>();
  });

  test("options are checked", () => {
    expect(timers.setTimeout).type.toBeCallableWith(1, "x", { signal: AbortSignal.abort(), ref: false });
    expect(timers.setTimeout).type.not.toBeCallableWith("1");
    expect(timers.setTimeout).type.not.toBeCallableWith(1, "x", { ref: 1 });
  });
});
