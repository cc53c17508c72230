// `npm run bench`: the runtime beside its peers, in one run. Writes benches/RESULTS.md. Takes about ten minutes on a quiet machine, after the build;
// on a busy one the figures say little. `npm run bench -- [--rounds N] [--only WORD] [--out FILE]`: with --only, of benches/rust and the
// facade's files and sockets those whose name holds WORD, printed and not written.
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { preparation } from "./lib/counts.mjs";
import { requireMachine } from "./lib/machine.mjs";
import { figures, page } from "./lib/results.mjs";
import { ROOT, which } from "./lib/run.mjs";
import { buildSteps } from "./lib/setup.mjs";
import { runSteps } from "./lib/steps.mjs";
import { bun } from "./lib/tools.mjs";
import { targetFolder } from "./lib/workspace.mjs";

requireMachine();

/** @typedef {import("./lib/results.mjs").Result} Result */
/** @typedef {import("./lib/results.mjs").NotRun} NotRun */

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    only: { type: "string" },
    out: { type: "string", default: "benches/RESULTS.md" },
  },
});
const { rounds, only, out } = values;

const FOLDER = targetFolder("benches");
const RUNTIMES = join(FOLDER, "release/maniac-benches");
const CHANNELS = join(FOLDER, "release/maniac-sync-peers");
const GO = join(FOLDER, "go-benches");
const noGo = which("go") === undefined ? "there is no Go here" : undefined;

/** @param {string} name @param {string} about @param {string} manifest @returns {import("./lib/steps.mjs").Step} */
function cargo(name, about, manifest) {
  return {
    name,
    about,
    command: ["cargo", "build", "--release", "--manifest-path", manifest],
    env: { CARGO_TARGET_DIR: FOLDER },
    count: preparation,
    minutes: 40,
  };
}

const built = await runSteps(
  [
    ...buildSteps(),
    cargo("benches", "builds the benches and the peers", "benches/rust/Cargo.toml"),
    cargo(
      "channels",
      "builds the channels' benches and their peers",
      "crates/maniac-sync/benches/peers/Cargo.toml",
    ),
    {
      name: "go",
      about: "builds the benches' programs in Go",
      unable: () => noGo,
      command: ["go", "build", "-C", "benches/go", "-o", GO, "."],
      // Nothing but Go's own library, and the Go that is here.
      env: { GOPROXY: "off", GOTOOLCHAIN: "local", GOFLAGS: "" },
      count: preparation,
    },
  ],
  { logs: "bench" },
);
if (built.failed > 0) process.exit(1);

/** @type {Result[]} */
const results = [];
/** @type {NotRun[]} */
const notRun = [];
const bunTool = bun();
const noBun = await bunTool.unable();
if (noGo) note({ notRun: "go", why: noGo });
if (noBun) note({ notRun: "bun", why: noBun });

const go = noGo ? [] : [GO];
const choice = only === undefined ? [] : ["--only", only];
const facade = [...choice, ...(noBun ? [] : ["--bun", bunTool.path])];
await collect([RUNTIMES, "--rounds", rounds, ...choice, ...go.flatMap((path) => ["--go", path])]);
if (only === undefined) await collect([CHANNELS, "", rounds, ...go]);
await collect([
  process.execPath,
  "dist/cli/main.js",
  "bench",
  "--json",
  "--rounds",
  rounds,
  ...facade,
  "--client",
  RUNTIMES,
]);
if (only === undefined) {
  await script("node-pool");
  await script("node-jobs");
  writeFileSync(resolve(ROOT, out), page(results, notRun, rounds));
  process.stdout.write(`written: ${out}\n`);
}

/** A bench of the facade. @param {string} name @param {readonly string[]} words */
async function script(name, ...words) {
  await collect([process.execPath, `target/js/benches/${name}.js`, "--rounds", rounds, ...words]);
}

/**
 * Runs a program that prints a result a line.
 * @param {readonly string[]} command
 * @returns {Promise<void>}
 */
async function collect([program, ...words]) {
  const child = spawn(/** @type {string} */ (program), words, {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise((resolve, reject) => child.once("close", resolve).once("error", reject));
  for await (const line of createInterface({ input: child.stdout })) {
    /** @type {Result | NotRun} */
    const said = JSON.parse(line);
    if ("notRun" in said) {
      note(said);
      continue;
    }
    results.push(said);
    process.stdout.write(`${said.bench}: ${figures(said)} ${said.unit}\n`);
  }
  const code = await ended;
  if (code !== 0) throw new Error(`${program} ended with ${code}`);
}

/** @param {NotRun} peer */
function note(peer) {
  notRun.push(peer);
  process.stdout.write(`not run: ${peer.notRun}: ${peer.why}\n`);
}
