// `npm run deep`: the proofs that take too long for every change. miri, the address sanitizer, the long forms of the tests and
// of the loom models, and what the dependencies may be.
import { cargo, closing, exit, tap } from "./lib/counts.mjs";
import { machineSteps, windowsStep, withoutStrace } from "./lib/cross.mjs";
import { requireMachine } from "./lib/machine.mjs";
import { withoutNodeTests } from "./lib/node-tests/source.mjs";
import { which } from "./lib/run.mjs";
import { addressNodeSteps, sanitizerSteps } from "./lib/sanitizers.mjs";
import { buildSteps, nodeModule } from "./lib/setup.mjs";
import { main } from "./lib/steps.mjs";
import { NEWER_NODES, newerNode } from "./lib/tools.mjs";
import { crates, select, targetFolder } from "./lib/workspace.mjs";

requireMachine();
const product = crates().filter((crate) => crate.product && !crate.napi);
const build = buildSteps();
/** The specs that have a long form. */
const LONG_SPECS = ["addon", "buffers", "workers"].map((name) => `target/js/__test__/${name}.spec.js`);

await main(
  [
    ...build,
    ...sanitizerSteps(crates()),
    ...addressNodeSteps(build.map(({ name }) => name)),
    {
      name: "long",
      about: "the long forms of every test, in release mode",
      command: ["cargo", "test", "--release", "--no-fail-fast", "--lib", "--tests", ...select(product)],
      env: { MANIAC_DEEP: "1" },
      minutes: 120,
      count: cargo,
    },
    {
      name: "loom",
      about: "the long forms of the loom models",
      command: [
        "cargo",
        "test",
        "--release",
        "--no-fail-fast",
        "--test",
        "loom*",
        ...select(product.filter(({ loom }) => loom)),
      ],
      env: { MANIAC_DEEP: "1", RUSTFLAGS: "--cfg loom", CARGO_TARGET_DIR: targetFolder("loom") },
      minutes: 240,
      count: cargo,
    },
    {
      name: "node-long",
      about: "the long forms of the specs: Workers by the hundred that end with operations in flight",
      after: build.map(({ name }) => name),
      command: [...nodeModule("ava/entrypoints/cli.mjs"), "--tap", "--timeout=60m", ...LONG_SPECS],
      env: { MANIAC_DEEP: "1" },
      minutes: 120,
      count: tap,
    },
    {
      name: "node-beside",
      about:
        "a minute of http, files, crypto, worker_threads and child processes beside tasks that are preempted",
      after: build.map(({ name }) => name),
      unable: withoutStrace,
      command: [
        ...nodeModule("ava/entrypoints/cli.mjs"),
        ...["--tap", "--timeout=60m", "target/js/__test__/beside.spec.js"],
      ],
      env: { MANIAC_DEEP: "1" },
      minutes: 60,
      count: tap,
    },
    ...Object.entries(NEWER_NODES).map(([major, version]) => {
      const { path, unable } = newerNode(version);
      return {
        name: `node-${major}`,
        about: `the specs pass on Node ${major}`,
        after: build.map(({ name }) => name),
        unable,
        command: [path, "node_modules/ava/entrypoints/cli.mjs", "--tap", "--timeout=10m"],
        minutes: 60,
        count: tap,
      };
    }),
    {
      name: "node-tests",
      about: "Node's own tests of files, sockets and datagrams pass on maniac (docs/node-tests.md)",
      after: build.map(({ name }) => name),
      unable: withoutNodeTests,
      command: [process.execPath, "scripts/node-tests.mjs"],
      minutes: 60,
      count: closing,
    },
    ...machineSteps(20_000),
    windowsStep(20_000),
    {
      name: "deny",
      about: "licences, sources and advisories of the dependencies (deny.toml)",
      unable: () =>
        which("cargo-deny") ? undefined : "cargo-deny is not there: cargo install --locked cargo-deny",
      command: ["cargo", "deny", "check"],
      count: exit,
    },
  ],
  {
    program: "npm run deep",
    logs: "deep",
    closing: ({ passed, failed, notRun }) => `${passed} passed, ${failed} failed, ${notRun} not run`,
  },
);
