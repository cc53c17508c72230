// Checkers that are neither npm packages nor part of a Rust toolchain, and programs that are too large to be among the repo's npm packages: Bun, a
// peer of the benches, and another Node. They are installed into .tools, by version, when they are first needed; where that does not work, the step that wants one
// says why it did not run.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ROOT, run, which } from "./run.mjs";
import { npm } from "./setup.mjs";

/** Kept up to date by hand. */
const VERSIONS = { typos: "1.52.0", taplo: "0.9.3", actionlint: "1.7.12", bun: "1.4.5" };
/** The releases of Node beside the oldest that is supported: those that get long-term support. */
export const NEWER_NODES = /** @type {const} */ ({ 22: "22.23.5", 24: "24.22.3", 26: "26.12.1" });

const EXE = process.platform === "win32" ? ".exe" : "";

/**
 * @typedef {object} Tool
 * @property {string} path where it stands once `unable` has returned nothing
 * @property {() => Promise<string | undefined>} unable installs it; why that did not work, if it did not
 */

/**
 * A tool that PyPI has as a wheel with the program in it.
 * @param {"typos" | "taplo"} name
 * @returns {Tool}
 */
export function pythonTool(name) {
  const version = VERSIONS[name];
  const folder = join(ROOT, ".tools", `${name}-${version}`);
  const path = join(folder, "bin", `${name}${EXE}`);
  const unable = async () => {
    if (existsSync(path)) return undefined;
    const python = which("python3") ?? which("python");
    if (python === undefined) return "there is no Python, whose package index has it";
    const pip = [
      "-m",
      "pip",
      "install",
      "--quiet",
      "--only-binary",
      ":all:",
      "--no-deps",
      "--target",
      folder,
    ];
    return await install(name, [python, ...pip, `${name}==${version}`], path);
  };
  return { path, unable };
}

/** actionlint, built from its Go module. @returns {Tool} */
export function actionlint() {
  const folder = join(ROOT, ".tools", `actionlint-${VERSIONS.actionlint}`);
  const path = join(folder, `actionlint${EXE}`);
  const unable = async () => {
    if (existsSync(path)) return undefined;
    if (which("go") === undefined) return "there is no Go to build it with";
    const source = `github.com/rhysd/actionlint/cmd/actionlint@v${VERSIONS.actionlint}`;
    return await install("actionlint", ["go", "install", source], path, { GOBIN: folder, GOFLAGS: "" });
  };
  return { path, unable };
}

/** Bun, whose npm package has the program. @returns {Tool} */
export function bun() {
  const folder = join(ROOT, ".tools", `bun-${VERSIONS.bun}`);
  const arch = process.arch === "arm64" ? "aarch64" : process.arch;
  const path = join(folder, `node_modules/@oven/bun-${process.platform}-${arch}/bin/bun${EXE}`);
  const unable = async () => {
    if (existsSync(path)) return undefined;
    // Without its install script, which only moves the program.
    const words = ["install", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund"];
    return await install("bun", [...npm(), ...words, `bun@${VERSIONS.bun}`], path);
  };
  return { path, unable };
}

/** A newer Node than the repo asks for. @param {string} version one of {@link NEWER_NODES} @returns {Tool} */
export function newerNode(version) {
  const folder = join(ROOT, ".tools", `node-${version}`);
  const name = `node-${process.platform === "win32" ? "win" : process.platform}-${process.arch}`;
  const path = join(folder, `node_modules/${name}/bin/node${EXE}`);
  const unable = async () => {
    if (existsSync(path)) return undefined;
    const words = ["install", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund"];
    return await install("node", [...npm(), ...words, `${name}@${version}`], path);
  };
  return { path, unable };
}

/**
 * @param {string} name
 * @param {readonly string[]} command
 * @param {string} path what must exist afterwards
 * @param {NodeJS.ProcessEnv} [env]
 */
async function install(name, command, path, env = {}) {
  const log = join(ROOT, `target/logs/install-${name}.log`);
  const { code, output, ended } = await run(command, { log, env, minutes: 10 });
  if (code === 0 && existsSync(path)) return undefined;
  return `it could not be installed: ${ended ?? output.trim().split("\n").at(-1) ?? `exit code ${code}`}`;
}
