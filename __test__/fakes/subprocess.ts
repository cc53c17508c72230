/** Runs a script in a process of its own, with the same engine under the facade as the specs have. */
import { execFile } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** What a process came to. */
export interface Ended {
  readonly code: number | string | null;
  readonly stdout: string;
  readonly stderr: string;
}

const root = path.dirname(fileURLToPath(import.meta.resolve("maniac/package.json")));
const install = new URL("./install.js", import.meta.url).href;

/** The directory of the package, where subprocesses run. */
export const packageRoot: string = root;

/** Runs `source` as a module; `fs` is `maniac/fs`, `node` is `node:fs/promises`. */
export function runScript(
  source: string,
  flags: readonly string[] = [],
  env: NodeJS.ProcessEnv = {},
  before: readonly string[] = [],
): Promise<Ended> {
  const prelude = `import ${JSON.stringify(install)};\nimport * as fs from "maniac/fs";\nimport * as node from "node:fs/promises";\n`;
  return run([...flags, "--input-type=module", "--eval", prelude + source], env, before);
}

/** Runs Node with `args` in the package's directory; `before` are words before the whole command. */
export function run(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  before: readonly string[] = [],
): Promise<Ended> {
  return new Promise((resolve) => {
    const options = {
      cwd: root,
      env: { ...process.env, ...env },
      // An instrumented addon is slow.
      timeout: 240_000,
      maxBuffer: 16 * 1024 * 1024,
    };
    const [program = "", ...words] = [...before, process.execPath, ...args];
    execFile(program, words, options, (error, stdout, stderr) => {
      resolve({
        code: error === null ? 0 : ((error as { code?: number | string }).code ?? error.signal ?? null),
        stdout,
        stderr,
      });
    });
  });
}
