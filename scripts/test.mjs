// `npm test`: every layer's tests, and one last line with the sum of what the runners counted.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { cargo, closing, exit, tap, tstyche } from "./lib/counts.mjs";
import { requireMachine } from "./lib/machine.mjs";
import { ROOT, run } from "./lib/run.mjs";
import { buildSteps, holds, inRepo, nodeModule } from "./lib/setup.mjs";
import { main } from "./lib/steps.mjs";
import { crates, select, targetFolder } from "./lib/workspace.mjs";

/** @typedef {import("./lib/steps.mjs").Step} Step */

requireMachine();
const all = crates();
const CARGO_TEST = ["cargo", "test", "--no-fail-fast"];
const TARGETS = ["--lib", "--bins", "--tests", "--examples"];
/** Each layer that reaches a driver is tested on both. */
const DRIVERS = [
  { driver: "uring", unable: uringRefused },
  { driver: "poll", unable: () => undefined },
];
/** What containers do to io_uring: the driver that `auto` then gives. */
const LIMITS = /** @type {const} */ ([
  { name: "refused", wrapper: "without-uring", about: "where a filter refuses io_uring" },
  {
    name: "locked",
    wrapper: "little-locked-memory",
    about: "with 64 KiB of locked memory and without CAP_IPC_LOCK",
  },
]);
/** Kernels that are older or poorer than this one, as far as a ring can tell. */
const FAULTS = [
  { faults: "old", about: "on a ring of about Linux 5.6", skips: ["setup::"] },
  // What goes along with another's write is sent by the ring; that nothing is allocated is said of operations that it does.
  {
    faults: "bare",
    about: "on a ring that knows next to nothing",
    skips: ["setup::", "streams::gathered", "a_warm_uring"],
  },
];
const SPECS = [...nodeModule("ava/entrypoints/cli.mjs"), "--tap"];
/** Without compilers, tours and hashes, which learn nothing new from another driver. */
const SPECS_OF_DRIVERS = [
  ...SPECS,
  "target/js/__test__/*.spec.js",
  "!**/{beside,cli,docs,example-addon,jobs*}.spec.js",
];
const build = buildSteps();
const built = build.map(({ name }) => name);

await main([...build, ...scriptSteps(), ...rustSteps(), ...modelSteps(), ...nodeSteps()], {
  program: "npm test",
  logs: "test",
  closing: ({ passed, failed }) => `${passed} passed, ${failed} failed`,
});

/** @returns {Step[]} */
function scriptSteps() {
  const specs = readdirSync(join(ROOT, "scripts"), { recursive: true })
    .map((path) => join("scripts", String(path)))
    .filter((path) => path.endsWith(".test.mjs"));
  return [
    {
      name: "scripts",
      about: "the repo's own scripts",
      command: [process.execPath, "--test", "--test-reporter=tap", ...specs],
      count: tap,
    },
  ];
}

/** @returns {Step[]} */
function rustSteps() {
  const onDriver = all.filter((crate) => crate.onDriver && !crate.napi);
  const others = all.filter((crate) => !crate.onDriver && !crate.napi);
  return [
    {
      name: "rust",
      about: "the crates that reach no driver, and xtask",
      command: [...CARGO_TEST, ...TARGETS, ...select(others)],
      count: cargo,
    },
    ...DRIVERS.map(({ driver, unable }) => ({
      name: `rust-${driver}`,
      about: `the crates that reach a driver, on ${driver}`,
      unable,
      command: [...CARGO_TEST, ...TARGETS, ...select(onDriver)],
      env: { MANIAC_DRIVER: driver },
      count: cargo,
    })),
    {
      name: "rust-refused",
      about: "the same where a filter refuses io_uring: the driver that `auto` gives instead",
      unable: () => wrapperRefused("without-uring"),
      // What needs a ring says so in its name.
      command: [
        ...["cargo", "xtask", "without-uring", "--", ...CARGO_TEST, ...TARGETS, ...select(onDriver)],
        ...["--", "--skip", "uring"],
      ],
      env: { MANIAC_DRIVER: "auto" },
      count: cargo,
    },
    {
      name: "rust-locked",
      about: "the same with 64 KiB of locked memory and without CAP_IPC_LOCK",
      unable: () => wrapperRefused("little-locked-memory"),
      command: [
        ...["cargo", "xtask", "little-locked-memory", "--", ...CARGO_TEST, ...TARGETS, ...select(onDriver)],
        // They ask for rings of a certain size, and a user's processes share what may be locked.
        ...["--", "--skip", "setup::"],
      ],
      // Rings of tests at the same time would not fit.
      env: { MANIAC_DRIVER: "auto", RUST_TEST_THREADS: "1" },
      count: cargo,
    },
    ...FAULTS.map(({ faults, about, skips }) => ({
      name: `rust-ring-${faults}`,
      about: `the crates that reach a driver ${about}`,
      unable: uringRefused,
      command: [
        ...[...CARGO_TEST, ...TARGETS, ...select(onDriver), "--"],
        ...skips.flatMap((test) => ["--skip", test]),
      ],
      env: { MANIAC_DRIVER: "uring", MANIAC_RING_FAULTS: faults },
      count: cargo,
    })),
    {
      name: "rust-abort",
      about: 'what waiting and aborting do in a program built with panic = "abort"',
      command: [
        "cargo",
        "run",
        "--quiet",
        "--package=maniac-runtime",
        "--profile=panic-abort",
        "--example=panic_abort",
      ],
      count: exit,
    },
    {
      name: "rust-doc",
      about: "the examples in the documentation",
      command: [...CARGO_TEST, "--doc", ...select(all.filter((crate) => crate.product && !crate.napi))],
      count: cargo,
    },
  ];
}

/** Models, simulations, and what the slides promise. @returns {Step[]} */
function modelSteps() {
  const loom = all.filter((crate) => crate.loom);
  return [
    {
      name: "loom",
      about: "the short forms of the loom models",
      unable: () => (loom.length === 0 ? "no crate has a loom model yet" : undefined),
      minutes: 30,
      command: [...CARGO_TEST, "--release", "--test", "loom*", ...select(loom)],
      env: { RUSTFLAGS: "--cfg loom", CARGO_TARGET_DIR: targetFolder("loom") },
      count: cargo,
    },
    {
      name: "count",
      about: "cache lines that the Signal Tree moves, on a simulated machine",
      command: [
        ...CARGO_TEST,
        "--release",
        "-p",
        "maniac-signal-tree",
        "--test",
        "count",
        "--example",
        "scale",
      ],
      env: { RUSTFLAGS: "--cfg maniac_count", CARGO_TARGET_DIR: targetFolder("count") },
      count: cargo,
    },
    {
      name: "slides",
      about: "each code block of docs/slides.md stands in a test that runs",
      unable: () => (inRepo("docs/slides.md") ? undefined : "docs/slides.md does not exist yet"),
      command: ["cargo", "xtask", "slides"],
      count: closing,
    },
  ];
}

/** @returns {Step[]} */
function nodeSteps() {
  return [
    ...DRIVERS.map(({ driver, unable }) => ({
      name: `node-${driver}`,
      about: `the specs of the facade, on ${driver}`,
      after: built,
      unable: holds("__test__", /\.spec\.ts$/) ? unable : () => "there is no spec yet",
      command: SPECS,
      env: { MANIAC_DRIVER: driver },
      count: tap,
    })),
    ...LIMITS.map(({ name, wrapper, about }) => ({
      name: `node-${name}`,
      about: `the specs of the facade ${about}`,
      after: built,
      unable: () => wrapperRefused(wrapper),
      command: ["cargo", "xtask", wrapper, "--", ...SPECS_OF_DRIVERS],
      env: { MANIAC_DRIVER: "auto" },
      count: tap,
    })),
    ...FAULTS.map(({ faults, about }) => ({
      name: `node-ring-${faults}`,
      about: `the specs of the facade ${about}`,
      after: built,
      unable: uringRefused,
      command: SPECS_OF_DRIVERS,
      env: { MANIAC_DRIVER: "uring", MANIAC_RING_FAULTS: faults },
      count: tap,
    })),
    {
      name: "types",
      about: "what the types accept and refuse",
      after: built.filter((name) => name === "modules" || name === "facade"),
      unable: () => (holds("__test__/types", /\.tst\.ts$/) ? undefined : "there is no type test yet"),
      command: nodeModule("tstyche/build/bin.js"),
      count: tstyche,
    },
    {
      name: "packed",
      about: "the tarballs install and work in an empty project, as ESM, by require, and for TypeScript",
      after: built,
      command: [process.execPath, "scripts/packed.mjs"],
      count: closing,
    },
  ];
}

/**
 * Why this machine cannot set such a limit, if it cannot.
 * @param {"without-uring" | "little-locked-memory"} wrapper
 */
async function wrapperRefused(wrapper) {
  if (process.platform !== "linux") return "the limit is Linux's";
  const log = join(ROOT, `target/logs/test/${wrapper}.log`);
  const { code, output } = await run(["cargo", "xtask", wrapper, "--", "true"], { log });
  return code === 0 ? undefined : (output.trim().split("\n").at(-1) ?? "the limit could not be set");
}

/** Why this machine lets nobody open an io_uring, if it does not. */
async function uringRefused() {
  const log = join(ROOT, "target/logs/test/io_uring.log");
  const { code, output } = await run(["cargo", "xtask", "io-uring"], { log });
  if (code === 0) return undefined;
  return output.trim().split("\n").at(-1) ?? "the probe of io_uring failed";
}
