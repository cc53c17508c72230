/** Which files the tour reads: those below a directory, or those of a repository that git does not ignore. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import * as fs from "../fs.js";

/** Files at most; the tour says so when there are more. */
export const MOST_FILES = 20_000;
/** Bytes at most. */
export const MOST_BYTES = 1024 ** 3;

/** A file to read. */
export interface Listed {
  readonly path: string;
  readonly size: number;
}

/** What there is to read. */
export interface Listing {
  readonly files: Listed[];
  readonly bytes: number;
  /** What could not be looked at, and why. */
  readonly problems: string[];
  /** Whether a cap was reached. */
  readonly capped: boolean;
}

/** An error in a few words. */
export function reason(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string };
  const known: Record<string, string> = {
    ENOENT: "no such file or directory",
    EACCES: "permission denied",
    ELOOP: "too many symbolic links",
    ENOTDIR: "not a directory",
    EPIPE: "whoever read it has gone",
  };
  return (code !== undefined ? known[code] : undefined) ?? message ?? String(error);
}

/** Paths that git knows or would know, relative to the current directory; `undefined` where there is no repository. */
async function fromGit(): Promise<string[] | undefined> {
  try {
    const command = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"];
    const { stdout } = await promisify(execFile)("git", command, { maxBuffer: 1 << 28 });
    return stdout.split("\0").filter((path) => path !== "");
  } catch {
    return undefined;
  }
}

class Lister {
  readonly files: Listed[] = [];
  readonly problems: string[] = [];
  bytes = 0;
  capped = false;

  /** Looks at one path; `must` says that its absence is a fault. */
  async take(path: string, must: boolean): Promise<void> {
    if (this.capped) return;
    try {
      const stats = await fs.stat(path);
      if (!stats.isFile()) return;
      if (this.files.length >= MOST_FILES || this.bytes + stats.size > MOST_BYTES) {
        this.capped = true;
        return;
      }
      this.files.push({ path, size: stats.size });
      this.bytes += stats.size;
    } catch (error) {
      // Git lists what was deleted and not committed; a link that leads nowhere is there all the same.
      if (must || (await exists(path))) {
        const dangling = (error as { code?: string }).code === "ENOENT" ? "dangling link" : reason(error);
        this.problems.push(`${path}: ${dangling}`);
      }
    }
  }

  /** Everything below `directory`; links to directories are not followed. */
  async walk(directory: string): Promise<void> {
    const entries = await fs.readdir(directory, { withFileTypes: true });
    entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const entry of entries) {
      if (this.capped) return;
      const path = join(directory, entry.name);
      if (entry.isDirectory()) {
        await this.walk(path).catch((error: unknown) => this.problems.push(`${path}: ${reason(error)}`));
      } else if (entry.isFile() || entry.isSymbolicLink()) {
        await this.take(path, true);
      }
    }
  }
}

async function exists(path: string): Promise<boolean> {
  return fs.lstat(path).then(
    () => true,
    () => false,
  );
}

/**
 * Lists the files below `directory`, or without one those of the current directory's repository.
 *
 * @throws if `directory` cannot be read.
 */
export async function list(directory: string | undefined): Promise<Listing> {
  const lister = new Lister();
  const known = directory === undefined ? await fromGit() : undefined;
  if (known !== undefined) {
    for (const path of known) await lister.take(path, false);
  } else {
    await lister.walk(directory ?? ".");
  }
  return lister;
}
