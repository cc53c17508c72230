/** Memory that the kernel may read and write directly: allocated by the runtime, lent to JavaScript. */
import { engine } from "./engine.js";
import { invalidValue } from "./node-errors.js";
import { validInteger } from "./validate.js";

/** Largest region; a Buffer cannot be longer anyway on some platforms. */
const MAX_REGION = 2 ** 31 - 1;

const regions = new WeakMap<ArrayBufferLike, number>();
let any = false;

/** The region's number if `memory` is one, else -1. Costs nothing while no region was ever made. */
export function regionOf(memory: ArrayBufferLike): number {
  return any ? (regions.get(memory) ?? -1) : -1;
}

/**
 * Allocates a Buffer whose first byte lies at a multiple of `alignment`, as direct I/O (`constants.O_DIRECT`) wants it.
 *
 * Reads into it and writes from it go without a copy: the runtime owns the memory and keeps it until the kernel is
 * done, whatever becomes of the Buffer meanwhile. Because of that a read that was aborted may still write into it until
 * its operation has ended, which closing the file awaits.
 *
 * @param size - bytes, at least 1.
 * @param alignment - a power of two from 1 to 2 MiB; 4096 suits every block device in use.
 * @throws `ERR_OUT_OF_RANGE`, `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE` (no power of two).
 *
 * @example
 * ```ts
 * import { allocAligned, constants, open } from "maniac/fs";
 *
 * await using file = await open("data.bin", constants.O_RDONLY | constants.O_DIRECT);
 * const block = allocAligned(64 * 1024);
 * const { bytesRead } = await file.read(block, 0, block.length, 0);
 * console.log(bytesRead);
 * ```
 */
export function allocAligned(size: number, alignment = 4096): Buffer {
  validInteger(size, "size", 1, MAX_REGION);
  validInteger(alignment, "alignment", 1, 2 * 1024 * 1024);
  if ((alignment & (alignment - 1)) !== 0) {
    throw invalidValue("alignment", alignment, "must be a power of two");
  }
  const { region, memory } = engine().native.allocRegion(size, alignment);
  regions.set(memory, region);
  any = true;
  return Buffer.from(memory, 0, size);
}
