// `npm run check`: every static check. A tool that is not there and cannot be installed is `not run`, never passed.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { exit } from "./lib/counts.mjs";
import { requireMachine } from "./lib/machine.mjs";
import { ROOT, succeeds } from "./lib/run.mjs";
import { inRepo, modulesSteps, nodeModule } from "./lib/setup.mjs";
import { main } from "./lib/steps.mjs";
import { actionlint, pythonTool } from "./lib/tools.mjs";

requireMachine();
const modules = modulesSteps();
const after = modules.map(({ name }) => name);
const typos = pythonTool("typos");
const taplo = pythonTool("taplo");
const actions = actionlint();

/** @type {import("./lib/steps.mjs").Step[]} */
const steps = [
  ...modules,
  {
    name: "lockfile",
    about: "Cargo.lock fits the manifests",
    command: ["cargo", "fetch", "--locked"],
    count: exit,
  },
  {
    name: "rustfmt",
    about: "Rust is formatted",
    unable: () => component("fmt"),
    command: ["cargo", "fmt", "--all", "--check"],
    count: exit,
  },
  {
    name: "clippy",
    about: "no warning by rustc or clippy in any crate, test, bench or example",
    unable: () => component("clippy"),
    command: ["cargo", "clippy", "--workspace", "--all-targets", "--", "-D", "warnings"],
    count: exit,
  },
  {
    name: "rustdoc",
    about: "the Rust documentation builds without a warning",
    command: ["cargo", "doc", "--workspace", "--no-deps"],
    env: { RUSTDOCFLAGS: "-D warnings" },
    count: exit,
  },
  {
    name: "tidy",
    about: "the architecture's invariants, file lengths, SAFETY and cancel safety (cargo xtask tidy)",
    command: ["cargo", "xtask", "tidy"],
    count: exit,
  },
  {
    name: "biome",
    about: "TypeScript, JavaScript and JSON are formatted and lint-free",
    after,
    command: [...nodeModule("@biomejs/biome/bin/biome"), "check", "--error-on-warnings"],
    count: exit,
  },
  {
    name: "tsc",
    about: "every TypeScript and JavaScript file type-checks",
    after,
    command: [...nodeModule("typescript/bin/tsc"), "--noEmit"],
    count: exit,
  },
  {
    name: "typedoc",
    about: "the TypeScript documentation is complete and builds without a warning",
    after,
    unable: () => (inRepo("src/index.ts") ? undefined : "src/index.ts does not exist yet"),
    command: [...nodeModule("typedoc/bin/typedoc"), "--emit", "none"],
    count: exit,
  },
  {
    name: "taplo",
    about: "TOML is formatted",
    unable: taplo.unable,
    command: [taplo.path, "fmt", "--check"],
    count: exit,
  },
  {
    name: "typos",
    about: "no word is misspelt",
    unable: typos.unable,
    command: [typos.path],
    count: exit,
  },
  {
    name: "links",
    about: "each relative link and anchor in Markdown leads somewhere",
    command: [process.execPath, "scripts/links.mjs"],
    count: exit,
  },
  {
    name: "actionlint",
    about: "the workflows are valid",
    unable: actions.unable,
    command: [actions.path, ...workflows()],
    count: exit,
  },
];

await main(steps, {
  program: "npm run check",
  logs: "check",
  closing: ({ passed, failed, notRun }) => `${passed} passed, ${failed} failed, ${notRun} not run`,
});

/** Why cargo lacks a subcommand that rustup calls a component, if it does. @param {"fmt" | "clippy"} subcommand */
function component(subcommand) {
  if (succeeds(["cargo", subcommand, "--version"])) return undefined;
  return `the toolchain lacks it: rustup component add ${subcommand === "fmt" ? "rustfmt" : subcommand}`;
}

/** actionlint finds them by itself only in a git work tree. */
function workflows() {
  return readdirSync(join(ROOT, ".github/workflows")).map((file) => `.github/workflows/${file}`);
}
