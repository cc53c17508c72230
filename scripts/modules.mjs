// Installs node_modules as the lockfile says, and notes for which lockfile that was.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { ROOT } from "./lib/run.mjs";
import { npm, stampModules } from "./lib/setup.mjs";

/** @param {string} file */
const read = (file) => JSON.parse(readFileSync(join(ROOT, file), "utf8"));
const manifest = read("package.json");
const locked = read("package-lock.json").packages[""];
for (const field of ["version", "dependencies", "devDependencies", "optionalDependencies"]) {
  if (isDeepStrictEqual(manifest[field], locked[field])) continue;
  console.error(`package-lock.json does not fit package.json (${field}): run 'npm install' and commit both`);
  process.exit(1);
}

const [program, ...args] = /** @type {[string, ...string[]]} */ (npm());
const { status, error } = spawnSync(
  program,
  [
    ...args,
    // Not `npm ci`: it refuses a lockfile that lacks the optional packages of a platform whose registry did not have them when
    // the file was written. This installs the locked versions too, and changes no file of the repo.
    ...["install", "--no-save"],
    // Nothing that the repo uses needs an install script.
    ...["--ignore-scripts", "--no-audit", "--no-fund", "--no-progress", "--loglevel=error"],
  ],
  { cwd: ROOT, stdio: "inherit", shell: process.platform === "win32" },
);
if (error) console.error(`npm could not be started: ${error.message}`);
if (status === 0) stampModules();
process.exitCode = status ?? 1;
