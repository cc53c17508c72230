/**
 * Finding files by pattern. What a pattern means is Node's to say (it is minimatch's dialect, bundled there), so this is
 * Node's own function, where the running version has it. It walks directories on Node's pool.
 */
import type { Dirent } from "node:fs";
import type { URL } from "node:url";
import { ManiacError } from "../errors.js";
import { node } from "./permission.js";

/** Options of {@link glob}. */
export interface GlobOptions {
  /** Where relative patterns start. Default: the working directory. */
  cwd?: string | URL | undefined;
  /** Leaves out what it says true of, or what one of the patterns matches. */
  exclude?: ((path: never) => boolean) | readonly string[] | undefined;
  /** Gives `Dirent`s instead of paths. Default false. */
  withFileTypes?: boolean | undefined;
}

type NodeGlob = (pattern: string | readonly string[], options?: GlobOptions) => AsyncIterator<never>;

const nodeGlob = (node as { glob?: NodeGlob }).glob;

/**
 * Finds files and directories by pattern. Needs Node 22.
 *
 * @param pattern - one or more patterns.
 * @param options - `cwd`, `exclude`, `withFileTypes`, as in Node.
 * @throws `ERR_MANIAC_UNSUPPORTED` on Node 20, which has no such function.
 *
 * @example
 * ```ts
 * import { glob } from "maniac/fs";
 *
 * if (Number.parseInt(process.versions.node, 10) >= 22) {
 *   for await (const path of glob("src/*.ts")) console.log(path);
 * }
 * ```
 */
export function glob(
  pattern: string | readonly string[],
  options: GlobOptions & { withFileTypes: true },
): AsyncIterableIterator<Dirent>;
export function glob(
  pattern: string | readonly string[],
  options?: GlobOptions & { withFileTypes?: false | undefined },
): AsyncIterableIterator<string>;
export function glob(
  pattern: string | readonly string[],
  options?: GlobOptions,
): AsyncIterableIterator<never> {
  if (nodeGlob === undefined) {
    throw new ManiacError("ERR_MANIAC_UNSUPPORTED", `glob needs Node 22; this is ${process.version}.`);
  }
  return nodeGlob(pattern, options) as AsyncIterableIterator<never>;
}
