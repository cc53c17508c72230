// `npm run bench`: the runtime beside its peers, in one run. Writes benches/RESULTS.md. Takes about ten minutes on a quiet machine; on a
// busy one the figures say little.
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { preparation } from "./lib/counts.mjs";
import { requireMachine } from "./lib/machine.mjs";
import { ROOT } from "./lib/run.mjs";
import { buildSteps } from "./lib/setup.mjs";
import { runSteps } from "./lib/steps.mjs";
import { targetFolder } from "./lib/workspace.mjs";

requireMachine();

/** @typedef {{ group: string, bench: string, unit: string, rounds: number, results: Record<string, number> }} Result */

const RESULTS = join(ROOT, "benches/RESULTS.md");
const CHANNELS = "crates/maniac-sync/benches/peers/Cargo.toml";
const ROUNDS = process.argv[2] ?? "7";

const built = await runSteps(
  [
    ...buildSteps(),
    {
      name: "benches",
      about: "builds the benches and the peers",
      command: ["cargo", "build", "--release", "--manifest-path", "benches/rust/Cargo.toml"],
      env: { CARGO_TARGET_DIR: targetFolder("benches") },
      count: preparation,
      minutes: 20,
    },
    {
      name: "channels",
      about: "builds the channels' benches and their peers",
      command: ["cargo", "build", "--release", "--manifest-path", CHANNELS],
      env: { CARGO_TARGET_DIR: targetFolder("benches") },
      count: preparation,
      minutes: 20,
    },
  ],
  { logs: "bench" },
);
if (built.failed > 0) process.exit(1);

/** @type {Result[]} */
const results = [];
await collect([join(targetFolder("benches"), "release/maniac-benches"), "--rounds", ROUNDS]);
await collect([join(targetFolder("benches"), "release/maniac-sync-peers"), "", ROUNDS]);
await collect([process.execPath, "target/js/benches/node-files.js", ROUNDS]);
await collect([process.execPath, "target/js/benches/node-pool.js", ROUNDS]);
writeFileSync(RESULTS, page(results));
process.stdout.write("written: benches/RESULTS.md\n");

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
  const ended = new Promise((resolve) => child.once("close", resolve));
  for await (const line of createInterface({ input: child.stdout })) {
    /** @type {Result} */
    const result = JSON.parse(line);
    results.push(result);
    process.stdout.write(`${result.bench}: ${figures(result)} ${result.unit}\n`);
  }
  const code = await ended;
  if (code !== 0) throw new Error(`${program} ended with ${code}`);
}

/** @param {Result} result */
function figures({ results: all }) {
  return Object.entries(all)
    .map(([name, figure]) => `${name} ${show(figure)}`)
    .join(" · ");
}

/** @param {number} figure */
function show(figure) {
  return figure >= 100 ? figure.toFixed(0) : figure.toFixed(figure >= 10 ? 1 : 2);
}

/**
 * How many times better ours is than the best of the peers that may be compared.
 * @param {Result} result
 */
function verdict({ unit, results: all }) {
  const [ours, ...peers] = Object.entries(all);
  const comparable = peers
    .filter(([name]) => !/thread-bound|limit|^maniac/.test(name))
    .map(([, figure]) => figure);
  if (ours === undefined || comparable.length === 0) return "";
  const more = unit.endsWith("a second");
  const best = more ? Math.max(...comparable) : Math.min(...comparable);
  return `${(more ? ours[1] / best : best / ours[1]).toFixed(2)}`;
}

/** @param {readonly Result[]} all */
function page(all) {
  const groups = grouped(all);
  const tables = [...groups].map(([group, rows]) => {
    const lines = rows.map(
      (row) => `| ${row.bench} | ${row.unit} | ${figures(row).replaceAll(" · ", "<br>")} | ${verdict(row)} |`,
    );
    return `## ${group}\n\n| bench | unit | medians | ours against the best peer |\n|---|---|---|---|\n${lines.join("\n")}\n`;
  });
  const day = new Date().toISOString().slice(0, 10);
  const processors = cpus();
  return `# Results

Made by \`npm run bench\` on ${day}: ${processors.length} processors (${processors[0]?.model.trim()}), Linux ${release()}, Node ${process.versions.node}.
All of a row's runtimes ran in turn in one process; medians of ${ROUNDS} rounds. Compare within a row: the figures of two days, or two
machines, have nothing to say to each other. The last column is how many times better ours is than the best peer whose tasks can move between
threads; below 1 it is worse. Runtimes marked thread-bound never move a task and stand there for comparison, as do the system's own
calls, marked as limits. Servers run in processes of their own, whose processor time alone is counted.

${tables.join("\n")}`;
}

/** @param {readonly Result[]} all */
function grouped(all) {
  /** @type {Map<string, Result[]>} */
  const groups = new Map();
  for (const result of all) groups.set(result.group, [...(groups.get(result.group) ?? []), result]);
  return groups;
}
