/** Names that the kernel gives back: links, directory listings, temporary directories. */
import type { Completion } from "./completion.js";

/** An encoding of names: one of Buffer's, or `"buffer"` for bytes. */
export type NameEncoding = BufferEncoding | "buffer";

/** The encoding that options ask for. */
export function nameEncoding(encoding: unknown): NameEncoding {
  return (encoding || "utf8") as NameEncoding;
}

/** One name. */
export function decodeName(completion: Completion, encoding: NameEncoding): string | Buffer {
  return encoding === "buffer" ? completion.buffer() : completion.text(encoding);
}

/** What a directory holds; `types` are empty unless they were asked for. */
export interface Listing {
  readonly names: (string | Buffer)[];
  readonly types: Uint8Array;
}

/**
 * Decodes `count` entries: a type byte for each if `typed`, then the names, each ended by a null byte.
 *
 * UTF-8 and Latin-1 are decoded at once and split after: neither makes a null byte out of another one.
 */
export function decodeListing(
  completion: Completion,
  count: number,
  typed: boolean,
  encoding: NameEncoding,
): Listing {
  const bytes = completion.view();
  const start = typed ? count : 0;
  // Copies: the slab is the runtime's again after this call.
  const types = Uint8Array.from(bytes.subarray(0, start));
  if (count === 0) {
    return { names: [], types };
  }
  if (encoding === "utf8" || encoding === "latin1") {
    return { names: bytes.toString(encoding, start, bytes.length - 1).split("\0"), types };
  }
  const names: (string | Buffer)[] = [];
  for (let from = start; from < bytes.length; ) {
    const to = bytes.indexOf(0, from);
    names.push(
      encoding === "buffer" ? Buffer.from(bytes.subarray(from, to)) : bytes.toString(encoding, from, to),
    );
    from = to + 1;
  }
  return { names, types };
}
