/**
 * The border to the native side: what a binding must offer, and the one place that loads it.
 *
 * The contract in full (byte layouts, ownership, re-entrancy) is `CROSSING.md`.
 */
import { createRequire } from "node:module";
import { ManiacError } from "../errors.js";

/** Memory from {@link NativeEngine.allocRegion}: the runtime's own, lent to JavaScript as an ArrayBuffer. */
export interface NativeRegion {
  /** Names the memory in entries whose data is `DATA_REGION`. */
  readonly region: number;
  /** The memory itself; its first byte has the alignment asked for. */
  readonly memory: ArrayBuffer;
}

/** One environment's engine, as the native side offers it. All calls are made on the environment's own thread. */
export interface NativeEngine {
  /** The runtime's memory in which small results land. Never resized, never detached. */
  readonly slab: ArrayBuffer;
  /** Takes `count` entries from the submission array; gives the number of completions now in the completion array. */
  flush(count: number): number;
  /** As {@link flush} without entries: gives completions that are there already. */
  reap(): number;
  /** Turns a hand-over into an ArrayBuffer without copying; its number is then spent. */
  take(handed: number): ArrayBuffer;
  /** Copies a hand-over's first bytes into `target`; its number is then spent. */
  copyOut(handed: number, target: Uint8Array): void;
  /** Frees a hand-over that nobody wants. */
  drop(handed: number): void;
  /** Copies `source` into the runtime's memory; the token is spent by the one entry that names it. */
  stage(source: Uint8Array): number;
  /** Allocates aligned memory that the kernel may read and write directly. */
  allocRegion(size: number, alignment: number): NativeRegion;
  /** Ends the engine: nothing may be submitted afterwards. */
  shutdown(): void;
}

/** What the addon exports for the facade. */
export interface Binding {
  /**
   * Opens this environment's engine.
   *
   * @param version - {@link PROTOCOL_VERSION}; another one is refused.
   * @param submissions - entries, owned by JavaScript.
   * @param area - paths and small payloads of one batch, owned by JavaScript.
   * @param completions - records, owned by JavaScript.
   * @param onCompletions - called from the event loop when completions are in the array.
   */
  openEngine(
    version: number,
    submissions: Int32Array,
    area: Uint8Array,
    completions: Int32Array,
    onCompletions: (count: number) => void,
  ): NativeEngine;
}

let binding: Binding | undefined;

/** The addon, loaded when first wanted. Throws `ERR_MANIAC_BINDING_MISSING` where it cannot be. */
export function loadBinding(): Binding {
  if (binding === undefined) {
    try {
      binding = createRequire(import.meta.url)("#binding") as Binding;
    } catch (cause) {
      throw new ManiacError(
        "ERR_MANIAC_BINDING_MISSING",
        `The native part of maniac could not be loaded for ${process.platform}-${process.arch}: ` +
          "install the package again on this platform, or build it with `npm run build`.",
        { cause },
      );
    }
  }
  return binding;
}

/** For tests: takes another binding instead of the addon. Must come before the first operation. */
export function useBinding(other: Binding): void {
  binding = other;
}
