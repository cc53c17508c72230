/** The tour's second stop: the SHA-256 of every file, 64 in flight, as a manifest that `sha256sum -c` accepts. */
import { createHash } from "node:crypto";
import nodeFs from "node:fs/promises";
import * as maniacFs from "../fs.js";
import { type Listed, type Listing, reason } from "./files.js";
import { bar, bytes, Screen } from "./screen.js";

/** Files in flight. */
const IN_FLIGHT = 64;
/** A longer file is read in pieces of that length. */
const PIECE = 1024 * 1024;

/** What of `node:fs/promises` is used; both modules have it. */
type Files = Pick<typeof nodeFs, "readFile" | "open">;

/** What one run came to. */
export interface Run {
  readonly seconds: number;
  readonly cpuMicroseconds: number;
  readonly files: number;
  readonly bytes: number;
}

async function hashInPieces(
  module: Files,
  { path, size }: Listed,
): Promise<{ hash: string; length: number }> {
  const hash = createHash("sha256");
  const file = await module.open(path);
  try {
    const piece = Buffer.allocUnsafeSlow(PIECE);
    let length = 0;
    for (;;) {
      const { bytesRead } = await file.read(piece, 0, PIECE, length);
      if (bytesRead === 0) return { hash: hash.digest("hex"), length };
      hash.update(piece.subarray(0, bytesRead));
      length += bytesRead;
      if (length > size * 2 + PIECE) throw new Error("grows faster than it is read");
    }
  } finally {
    await file.close();
  }
}

async function hashOf(module: Files, file: Listed): Promise<string> {
  let hash: string;
  let length: number;
  if (file.size > PIECE) {
    ({ hash, length } = await hashInPieces(module, file));
  } else {
    const data = await module.readFile(file.path);
    ({ length } = data);
    hash = createHash("sha256").update(data).digest("hex");
  }
  if (length < file.size) {
    throw new Error(`shrank while it was read: ${length} of ${file.size} bytes were left`);
  }
  return hash;
}

/** A line of the manifest: names with backslashes or line ends are escaped as sha256sum does. */
export function manifestLine(hash: string, path: string): string {
  const escaped = path.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll("\r", "\\r");
  return `${escaped === path ? "" : "\\"}${hash}  ${escaped}\n`;
}

async function hashAll(
  name: string,
  module: Files,
  { files, bytes: total }: Listing,
  screen: Screen,
): Promise<{ run: Run; lines: (string | undefined)[]; problems: string[] }> {
  const lines: (string | undefined)[] = new Array(files.length);
  const problems: string[] = [];
  let next = 0;
  let done = 0;
  const cpu = process.cpuUsage();
  const start = performance.now();
  const one = async (): Promise<void> => {
    while (next < files.length) {
      const at = next++;
      const file = files[at] as Listed;
      try {
        lines[at] = manifestLine(await hashOf(module, file), file.path);
      } catch (error) {
        problems.push(`${file.path}: ${reason(error)}`);
      }
      done += file.size;
      screen.live(() => `  ${name.padEnd(18)}${bar(total === 0 ? 1 : done / total)} ${bytes(done)}`);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, one));
  const seconds = (performance.now() - start) / 1000;
  const used = process.cpuUsage(cpu);
  const run: Run = { seconds, cpuMicroseconds: used.user + used.system, files: files.length, bytes: done };
  const rate = `${Math.round(files.length / seconds)} files/s, ${bytes(done / seconds)}/s`;
  screen.line(`  ${name.padEnd(18)}${bar(1)} ${seconds.toFixed(2)} s, ${rate}`);
  return { run, lines, problems };
}

/** Hashes all files with both modules. The manifest is maniac's; the two must agree. */
export async function manifest(
  listing: Listing,
  screen: Screen,
): Promise<{ node: Run; maniac: Run; text: string; problems: string[] }> {
  const what = `${listing.files.length} files, ${bytes(listing.bytes)}`;
  screen.line(screen.bold(`2. SHA-256 of ${what}, ${IN_FLIGHT} in flight`));
  // Once without a clock, so that both find the same in the system's cache.
  await hashAll("", nodeFs, listing, new Screen(true));
  const node = await hashAll("node:fs/promises", nodeFs, listing, screen);
  const maniac = await hashAll("maniac/fs", maniacFs as unknown as Files, listing, screen);
  screen.line();
  const { problems, lines } = maniac;
  for (const [at, line] of lines.entries()) {
    const other = node.lines[at];
    if (line !== undefined && other !== undefined && line !== other) {
      problems.push(`${listing.files[at]?.path}: changed between the two runs`);
    }
  }
  return {
    node: node.run,
    maniac: maniac.run,
    text: lines.filter((line) => line !== undefined).join(""),
    problems,
  };
}
