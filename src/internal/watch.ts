/**
 * Watching for changes. This is Node's own watcher: it waits in libuv's event loop and takes no thread of any pool, so
 * there is nothing for the runtime to improve.
 */
import type fsp from "node:fs/promises";
import { node } from "./permission.js";

/**
 * Watches a file or directory; gives a change at a time, until it is aborted.
 *
 * @param filename - what to watch.
 * @param options - an encoding of the names, or `encoding`, `persistent`, `recursive`, `signal`, as in Node.
 *
 * @example
 * ```ts
 * import { watch } from "maniac/fs";
 *
 * const changes = watch("src", { signal: AbortSignal.timeout(100) });
 * try {
 *   for await (const { eventType, filename } of changes) console.log(eventType, filename);
 * } catch (error) {
 *   if (!(error instanceof Error && error.name === "AbortError")) throw error;
 * }
 * ```
 */
export const watch: typeof fsp.watch = node.watch;
