// The steps that run the tests under miri and the sanitizers. All need a nightly toolchain; docs/proofs.md says what they show.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { cargo, preparation, tap } from "./counts.mjs";
import { installed } from "./cross.mjs";
import { ROOT, succeeds, which } from "./run.mjs";
import { nodeModule } from "./setup.mjs";
import { select, targetFolder } from "./workspace.mjs";

/** @typedef {import("./steps.mjs").Step} Step */
/** @typedef {import("./workspace.mjs").Crate} Crate */

const HOST = "x86_64-unknown-linux-gnu";
const TEST = ["test", "--no-fail-fast", "--lib", "--tests"];
/** Of random cases so many: each costs ten to a thousand times what it costs natively. */
const FEW = { miri: "4", thread: "16", address: "32" };

/**
 * What miri runs of a crate: tests that need nothing of the system that it does not know. `short`: in the short form too.
 * @typedef {{ name: string, short?: boolean, tests?: string[], system?: keyof typeof SYSTEM }} Part
 */

/** @type {Part[]} */
const MIRI = [
  { name: "maniac-signal-tree" },
  { name: "maniac-wheel" },
  { name: "maniac-sync", short: true },
  { name: "maniac-arena", short: true },
  { name: "maniac-driver", short: true, tests: ["--test", "records"] },
  { name: "maniac-runtime", short: true, tests: ["--test", "small"], system: "virtual" },
];

/**
 * What the program sees of the system. `virtual`: nothing but what is named here, and a clock that counts the program's steps and jumps where all
 * threads wait, so that a busy machine changes nothing and a wait without end is seen.
 */
const SYSTEM = {
  // proptest reads files.
  real: "-Zmiri-disable-isolation",
  virtual: "-Zmiri-isolation-error=hide -Zmiri-env-forward=MANIAC_DRIVER",
};

/** The crates whose threads meet in memory of their own, not in the kernel. */
const THREADED = ["maniac-sync", "maniac-signal-tree"];
/** It counts instructions, and the sanitizer's own are among them. */
const COUNTING = ["the_number_of_leaves_costs_nothing"];

/** The crates that hold `unsafe` and reach neither a runtime nor Node. */
const ISLANDS = ["maniac-arena", "maniac-context", "maniac-driver", "maniac-sync"];

/**
 * @param {readonly Crate[]} crates
 * @param {{ short?: boolean }} [options] the short form: the islands alone under the address sanitizer, and nothing that takes
 * more than some minutes
 * @returns {Step[]}
 */
export function sanitizerSteps(crates, { short = false } = {}) {
  const products = crates.filter((crate) => crate.product && !crate.napi);
  const islands = products.filter(({ name }) => ISLANDS.includes(name));
  const miri = MIRI.filter((part) => !short || part.short);
  return [address(short ? islands : products), ...(short ? [] : [thread(products)]), ...miri.map(underMiri)];
}

/** @param {readonly Crate[]} crates @returns {Step} */
function address(crates) {
  return {
    name: "asan",
    about: "the tests under the address sanitizer, leaks included",
    unable: () => unlessHost(() => undefined),
    command: [
      ...["cargo", "+nightly", ...TEST, "--target", HOST, ...select(crates)],
      ...["--", ...COUNTING.flatMap((test) => ["--skip", test])],
    ],
    env: {
      RUSTFLAGS: "-Zsanitizer=address --cfg maniac_asan",
      LSAN_OPTIONS: `suppressions=${join(ROOT, "scripts/lib/leaks.txt")}:print_suppressions=0`,
      PROPTEST_CASES: FEW.address,
      CARGO_TARGET_DIR: targetFolder("asan"),
    },
    minutes: 60,
    count: cargo,
  };
}

/**
 * The specs under the address sanitizer: Node itself is not built with it, but its allocator is the sanitizer's then, and so are the
 * addon's accesses to memory that Node allocated.
 * @param {readonly string[]} after what must have been built
 * @returns {Step[]}
 */
export function addressNodeSteps(after) {
  const folder = join(targetFolder("asan"), "addon");
  return [
    {
      name: "asan-addon",
      about: "builds the addon for the address sanitizer",
      after,
      unable: () => unlessHost(() => (sanitizerLibrary() ? undefined : "gcc has no libasan here")),
      command: [
        ...nodeModule("@napi-rs/cli/dist/cli.js"),
        ...["build", "--platform", "--no-js", "--manifest-path", "bindings/node/Cargo.toml"],
        ...["--target", HOST, "--output-dir", folder, "--dts", "binding.d.cts"],
      ],
      env: {
        RUSTUP_TOOLCHAIN: "nightly",
        RUSTFLAGS: "-Zsanitizer=address -Zexternal-clangrt",
        CARGO_TARGET_DIR: targetFolder("asan"),
      },
      minutes: 60,
      count: preparation,
    },
    {
      name: "asan-node",
      about: "the specs of the facade with that addon",
      after: ["asan-addon"],
      command: [
        "sh",
        ...[
          "-c",
          'export NAPI_RS_NATIVE_LIBRARY_PATH="$(echo "$0"/*.node)" LD_PRELOAD="$1"; shift; exec "$@"',
        ],
        ...[folder, sanitizerLibrary() ?? ""],
        ...nodeModule("ava/entrypoints/cli.mjs"),
        // Those specs start a compiler.
        ...["--tap", "--timeout=10m", "target/js/__test__/*.spec.js", "!**/{beside,example-addon}.spec.js"],
      ],
      // What Node itself leaves at its end is not ours.
      env: { ASAN_OPTIONS: "detect_leaks=0" },
      minutes: 60,
      count: tap,
    },
  ];
}

/** gcc's: its interface is that of the compiler's sanitizer. @returns {string | undefined} */
function sanitizerLibrary() {
  const { stdout } = spawnSync("gcc", ["-print-file-name=libasan.so"], { encoding: "utf8" });
  const path = (stdout ?? "").trim();
  return path.includes("/") ? path : undefined;
}

/** It must see what the standard library does, so that is built with it. @param {readonly Crate[]} crates @returns {Step} */
function thread(crates) {
  const threaded = crates.filter(({ name }) => THREADED.includes(name));
  return {
    name: "tsan",
    about: "the channels' and the Signal Tree's tests under the thread sanitizer",
    unable: () => unlessHost(() => component("rust-src")),
    command: [
      ...["cargo", "+nightly", ...TEST, "-Zbuild-std", "--target", HOST, ...select(threaded)],
      ...["--", ...COUNTING.flatMap((test) => ["--skip", test])],
    ],
    env: {
      RUSTFLAGS: "-Zsanitizer=thread",
      PROPTEST_CASES: FEW.thread,
      CARGO_TARGET_DIR: targetFolder("tsan"),
    },
    minutes: 60,
    count: cargo,
  };
}

/** @param {Part} part @returns {Step} */
function underMiri({ name, tests = ["--lib", "--tests"], system = "real" }) {
  return {
    name: `miri-${name}`,
    about: `${name}'s tests under miri`,
    unable: () => component("miri"),
    command: ["cargo", "+nightly", "miri", "test", "--no-fail-fast", "-p", name, ...tests],
    env: {
      // Leaves live for ever, and some tests forget things on purpose: leaks are the address sanitizer's part.
      MIRIFLAGS: `${SYSTEM[system]} -Zmiri-ignore-leaks`,
      // It knows no io_uring.
      MANIAC_DRIVER: "poll",
      PROPTEST_CASES: FEW.miri,
      CARGO_TARGET_DIR: targetFolder("miri"),
    },
    minutes: 60,
    count: cargo,
  };
}

/** @param {() => string | undefined | Promise<string | undefined>} then */
async function unlessHost(then) {
  if (process.platform !== "linux" || process.arch !== "x64") return `needs ${HOST}`;
  return (await nightly()) ?? (await then());
}

async function nightly() {
  return await has(["cargo", "+nightly", "--version"], []);
}

/** @param {"miri" | "rust-src"} name */
async function component(name) {
  const probe =
    name === "miri"
      ? ["cargo", "+nightly", "miri", "--version"]
      : ["sh", "-c", 'test -d "$(rustc +nightly --print sysroot)/lib/rustlib/src/rust/library"'];
  return await has(probe, ["--component", name]);
}

/** @param {readonly string[]} probe @param {readonly string[]} parts what the toolchain needs besides */
async function has(probe, parts) {
  if (succeeds(probe)) return undefined;
  if (which("rustup") === undefined)
    return "needs a nightly toolchain, and there is no rustup to install it with";
  const add = ["rustup", "toolchain", "install", "nightly", "--profile", "minimal", "--no-self-update"];
  return await installed([...add, ...parts], () => succeeds(probe));
}
