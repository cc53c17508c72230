// The set-up that `npm start`, `npm test` and `npm run check` share: node_modules, the addon, the facade, the specs.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { preparation } from "./counts.mjs";
import { ROOT } from "./run.mjs";

/** @typedef {import("./steps.mjs").Step} Step */

const STAMP = join(ROOT, "node_modules/.maniac-stamp");
const ADDON = "bindings/node/Cargo.toml";

/** @param {string} path below the repo's root */
export function inRepo(path) {
  return existsSync(join(ROOT, path));
}

/** @param {string} folder @param {RegExp} name @returns {boolean} whether a file below `folder` has such a name */
export function holds(folder, name) {
  return (
    inRepo(folder) &&
    readdirSync(join(ROOT, folder), { recursive: true }).some((path) => name.test(String(path)))
  );
}

/** A program of node_modules, started without a shell and without npm. @param {string} path */
export function nodeModule(path) {
  return [process.execPath, join(ROOT, "node_modules", path)];
}

/** npm as it was started, or the one on PATH. */
export function npm() {
  const program = process.env.npm_execpath;
  return program?.endsWith(".js") ? [process.execPath, program] : ["npm"];
}

function modulesFingerprint() {
  const hash = createHash("sha256").update(`${process.platform} ${process.arch} ${process.versions.modules}`);
  return hash.update(readFileSync(join(ROOT, "package-lock.json"))).digest("hex");
}

/** Notes for which lockfile and which Node node_modules was installed. */
export function stampModules() {
  writeFileSync(STAMP, modulesFingerprint());
}

/** @returns {Step[]} no step where node_modules fits the lockfile */
export function modulesSteps() {
  if (existsSync(STAMP) && readFileSync(STAMP, "utf8") === modulesFingerprint()) return [];
  return [
    {
      name: "modules",
      about: "installs node_modules as the lockfile says",
      command: [process.execPath, join(ROOT, "scripts/modules.mjs")],
      count: preparation,
    },
  ];
}

/**
 * The addon is built by cargo, the rest by tsc: both know by themselves what is stale.
 * @returns {Step[]}
 */
export function buildSteps() {
  const modules = modulesSteps();
  const after = modules.map(({ name }) => name);
  return [
    ...modules,
    {
      name: "addon",
      about: "builds the addon and generates its loader and types",
      after,
      unable: () => (inRepo(ADDON) ? undefined : "bindings/node does not exist yet"),
      command: [
        ...nodeModule("@napi-rs/cli/dist/cli.js"),
        ...["build", "--platform", "--release", "--manifest-path", ADDON, "--output-dir", "src"],
        ...["--js", "binding.cjs", "--dts", "binding.d.cts"],
      ],
      count: preparation,
      minutes: 40,
    },
    {
      name: "facade",
      about: "compiles src/ to dist/, and specs and benches to target/js",
      after,
      unable: () => (inRepo("src/index.ts") ? undefined : "src/index.ts does not exist yet"),
      command: [
        ...nodeModule("typescript/bin/tsc"),
        "-b",
        holds("__test__", /\.ts$/) ? "tsconfig.test.json" : "tsconfig.build.json",
      ],
      count: preparation,
    },
  ];
}
