/**
 * The facade's internals, for tests. The package does not export them, so they are loaded by their place in the build.
 */
import type * as Binding from "../../src/internal/binding.js";
import type * as EngineModule from "../../src/internal/engine.js";
import type * as Ops from "../../src/internal/ops.js";
import type * as PoolTask from "../../src/internal/pool-task.js";
import type * as QueueModule from "../../src/internal/queue.js";
import type * as RequestModule from "../../src/internal/request.js";

const manifest = import.meta.resolve("maniac/package.json");

function load<T>(name: string): Promise<T> {
  return import(new URL(`dist/internal/${name}.js`, manifest).href) as Promise<T>;
}

/** Operation codes and layouts. */
export const ops: typeof Ops = await load<typeof Ops>("ops");
/** Where the facade gets its native side from. */
export const binding: typeof Binding = await load<typeof Binding>("binding");
/** The crossing itself. */
export const engine: typeof EngineModule = await load<typeof EngineModule>("engine");
/** Requests. */
export const request: typeof RequestModule = await load<typeof RequestModule>("request");
/** The queue of requests. */
export const queue: typeof QueueModule = await load<typeof QueueModule>("queue");
/** A pool's tasks, and the line of those that wait. */
export const poolTask: typeof PoolTask = await load<typeof PoolTask>("pool-task");
