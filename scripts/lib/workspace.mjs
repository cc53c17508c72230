// What the steps need to know of the Cargo workspace.
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { ROOT } from "./run.mjs";

/**
 * @typedef {object} Crate
 * @property {string} name
 * @property {string} folder
 * @property {boolean} product whether it is one of `crates/`
 * @property {boolean} napi whether it needs Node's symbols
 * @property {boolean} onDriver whether its tests reach the driver, so that they run once with each
 * @property {boolean} loom whether it has loom models
 *
 * @typedef {{ name: string, manifest_path: string, dependencies: { name: string, path?: string }[] }} Package
 */

/** The crates of the workspace. @returns {Crate[]} */
export function crates() {
  const metadata = execFileSync("cargo", ["metadata", "--no-deps", "--format-version", "1"], {
    cwd: ROOT,
    encoding: "utf8",
    maxBuffer: 1 << 28,
    stdio: ["ignore", "pipe", "inherit"],
  });
  return describe(/** @type {{ packages: Package[] }} */ (JSON.parse(metadata)).packages, fileNames);
}

/** @param {string} folder @returns {string[]} */
function fileNames(folder) {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/**
 * @param {readonly Package[]} packages
 * @param {(folder: string) => string[]} list the file names of a folder
 * @returns {Crate[]}
 */
export function describe(packages, list) {
  return packages.map(({ name, manifest_path }) => {
    const folder = dirname(manifest_path);
    return {
      name,
      folder,
      product: /[\\/]crates[\\/][^\\/]+$/.test(folder),
      napi: reaches(packages, name, (dependency) => /^napi(-|$)/.test(dependency)),
      onDriver:
        name === "maniac-driver" || reaches(packages, name, (dependency) => dependency === "maniac-driver"),
      loom: list(join(folder, "tests")).some((file) => /^loom/.test(file)),
    };
  });
}

/**
 * @param {readonly Package[]} packages
 * @param {string} name
 * @param {(dependency: string) => boolean} wanted
 * @param {Set<string>} [seen]
 * @returns {boolean}
 */
function reaches(packages, name, wanted, seen = new Set()) {
  if (seen.has(name)) return false;
  seen.add(name);
  const own = packages.find((candidate) => candidate.name === name)?.dependencies ?? [];
  return own.some(
    (dependency) => wanted(dependency.name) || reaches(packages, dependency.name, wanted, seen),
  );
}

/** The same target directory that cargo would take, with a folder of its own for builds with other flags. @param {string} folder */
export function targetFolder(folder) {
  return join(process.env.CARGO_TARGET_DIR ?? join(ROOT, "target"), folder);
}

/** @param {readonly Crate[]} chosen */
export function select(chosen) {
  return chosen.flatMap(({ name }) => ["-p", name]);
}
