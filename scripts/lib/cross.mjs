// Other platforms, as far as one Linux machine can go: every crate type-checks for each target, and the core crates' tests run
// on emulated aarch64, and on Windows. What a machine lacks is installed where that is possible; else the step says why it did not run.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { cargo, exit } from "./counts.mjs";
import { ROOT, run, succeeds, which } from "./run.mjs";
import { select } from "./workspace.mjs";

/** @typedef {import("./steps.mjs").Step} Step */
/** @typedef {import("./workspace.mjs").Crate} Crate */

const TARGETS = [
  "x86_64-unknown-linux-musl",
  "aarch64-unknown-linux-gnu",
  "aarch64-unknown-linux-musl",
  "riscv64gc-unknown-linux-gnu",
  "loongarch64-unknown-linux-gnu",
  "aarch64-linux-android",
  "aarch64-apple-darwin",
  "x86_64-apple-darwin",
  "x86_64-pc-windows-gnu",
  "x86_64-pc-windows-msvc",
  "x86_64-unknown-freebsd",
];

/** The crates whose tests mean something under emulation; the emulator has no io_uring, so the others would say little more. */
const CORE = ["signal-tree", "wheel", "arena", "sync", "context", "runtime"].map((name) => `maniac-${name}`);

/** Tests that qemu's user emulation cannot pass, and what it lacks. They are left out there and nowhere else. */
const NOT_EMULATED = Object.entries({
  "it takes MADV_WIPEONFORK and does nothing": ["a_child_is_told_apart_and_so_is_its_child"],
  "it takes MADV_GUARD_INSTALL and does nothing": ["guards_refuse_the_kernel_too"],
  "its own mappings and memory are among those counted": [
    "the_limit_on_mappings_is_a_typed_error",
    "a_hundred_thousand_coroutines_are_suspended_at_once",
    "what_tasks_cost_in_memory",
    "preinitialised_slots_do_not_fault",
  ],
  "what a file below /proc says is the emulator's own, or made up": ["no_priority_changes"],
  "a filter of system calls is the machine's own kind": [
    "works_where_membarrier_is_refused",
    "a_signal_that_is_sent_would_be_noticed",
    "a_handler_that_was_refused_is_not_taken_for_installed",
  ],
  "a program that starts itself again starts a foreign program there": [
    "an_earlier_handler_still_gets_its_faults",
    "an_overflow_names_the_task",
    "a_panic_that_leaves_a_destructor_during_the_unwind_ends_the_process",
    "an_unmarked_foreign_frame_ends_the_process",
    "no_signal_is_sent",
    "the_limit_is_warned_about_once",
    "other_faults_take_their_course",
    "the_overflow_of_a_thread_goes_to_the_standard_library",
  ],
  "valgrind is the machine's own, which runs no foreign programs": ["the_number_of_leaves_costs_nothing"],
}).flatMap(([, tests]) => tests);

const ARM = "aarch64-unknown-linux-gnu";
const ARM_GCC = "aarch64-linux-gnu-gcc";
const ARM_QEMU = "qemu-aarch64-static";

/**
 * @param {readonly Crate[]} crates
 * @returns {Step[]}
 */
export function crossSteps(crates) {
  const portable = select(crates.filter(({ product, napi }) => product && !napi));
  const core = select(crates.filter(({ name }) => CORE.includes(name)));
  return [
    ...TARGETS.map((target) => ({
      name: `check-${target}`,
      about: `every crate type-checks for ${target}`,
      unable: () => withoutStd(target),
      command: ["cargo", "check", "--target", target, ...portable],
      count: exit,
    })),
    {
      name: "test-aarch64",
      about: "the core crates' tests pass on aarch64, emulated by qemu",
      unable: async () => (await withoutStd(ARM)) ?? (await withoutEmulator()),
      command: [
        ...["cargo", "test", "--no-fail-fast", "--target", ARM, "--lib", "--tests", ...core],
        ...["--", ...NOT_EMULATED.flatMap((test) => ["--skip", test])],
      ],
      env: {
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER: ARM_GCC,
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER: `${ARM_QEMU} -cpu max -L /usr/aarch64-linux-gnu`,
        // Emulation costs a factor of ten or more: fewer random cases, and code that the compiler has looked at once.
        CARGO_PROFILE_DEV_OPT_LEVEL: "1",
        PROPTEST_CASES: "32",
        MANIAC_PREEMPTIONS: "500",
        MANIAC_TICK: "1000000",
        MANIAC_DRIVER: "poll",
      },
      minutes: 25,
      count: cargo,
    },
    windowsStep(500),
  ];
}

/**
 * The tests of the switch and of the runtime on Windows.
 * @param {number} preemptions of code with a pattern in every register
 * @returns {Step}
 */
export function windowsStep(preemptions) {
  return {
    name: "test-windows",
    about: `the tests of the switch (${preemptions} preemptions) and of the runtime pass on Windows, by mingw-w64 and wine`,
    unable: async () => (await withoutStd("x86_64-pc-windows-gnu")) ?? (await withoutWine()),
    command: ["cargo", "xtask", "cross", "windows"],
    env: { MANIAC_PREEMPTIONS: String(preemptions) },
    minutes: 60,
    count: cargo,
  };
}

/** Installs a target's std; why that did not work, if it did not. @param {string} target */
export async function withoutStd(target) {
  if (hasStd(target)) return undefined;
  if (which("rustup") === undefined)
    return `the toolchain has no std for ${target}, and there is no rustup to add it`;
  return await installed(["rustup", "target", "add", target], () => hasStd(target));
}

/** @param {string} target */
function hasStd(target) {
  try {
    const arguments_ = ["--print", "target-libdir", "--target", target];
    return existsSync(execFileSync("rustc", arguments_, { encoding: "utf8", stdio: "pipe" }).trim());
  } catch {
    return false;
  }
}

async function withoutEmulator() {
  return await withoutPrograms(
    [ARM_GCC, ARM_QEMU],
    "gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static",
  );
}

async function withoutWine() {
  return await withoutPrograms(["x86_64-w64-mingw32-gcc", "wine"], "gcc-mingw-w64-x86-64 wine64 wine");
}

/**
 * Installs programs that are not there; why that did not work, if it did not.
 * @param {readonly string[]} programs
 * @param {string} packages of Debian's
 */
async function withoutPrograms(programs, packages) {
  const there = () => programs.every((program) => which(program) !== undefined);
  if (there()) return undefined;
  if (which("apt-get") === undefined || process.getuid?.() !== 0) {
    return `${programs.join(" and ")} are not there, and only root on Debian or Ubuntu can have them installed here`;
  }
  // A mirror may be slow, or fail once.
  const apt = "apt-get -o Acquire::Retries=5 -o Acquire::http::Timeout=60 -o DPkg::Lock::Timeout=120";
  const script = `${apt} update; ${apt} install --yes --no-install-recommends ${packages}`;
  return await installed(["sh", "-c", script], there, { DEBIAN_FRONTEND: "noninteractive" });
}

/**
 * @param {readonly string[]} command
 * @param {() => boolean} there
 * @param {NodeJS.ProcessEnv} [env]
 */
export async function installed(command, there, env = {}) {
  const log = join(ROOT, "target/logs/install.log");
  const { output, ended } = await run(command, { log, env, minutes: 15 });
  if (there()) return undefined;
  const errors = output.split("\n").filter((line) => /error|^E:/i.test(line));
  return `'${command.join(" ")}' did not bring it: ${ended ?? errors[0] ?? output.trim().split("\n").at(-1)}`;
}

/** The architectures whose machines `cargo xtask cross` emulates, each with a kernel of its own. */
const MACHINES = ["aarch64", "riscv64", "loongarch64"];

/**
 * The switch's tests there.
 * @param {number} preemptions of code with a pattern in every register
 * @returns {Step[]}
 */
export function machineSteps(preemptions) {
  return MACHINES.map((arch) => ({
    name: `cross-${arch}`,
    about: `${preemptions} preemptions of code with patterns in all registers, and the switch's other tests, on an emulated ${arch} with a real kernel`,
    unable: () => withoutMachine(arch),
    command: ["cargo", "xtask", "cross", arch],
    env: { MANIAC_PREEMPTIONS: String(preemptions) },
    minutes: 100,
    count: cargo,
  }));
}

/** Fetches what an emulated machine needs; why that did not work, if it did not. @param {string} arch */
async function withoutMachine(arch) {
  // The older qemu brings the libraries that the newer one needs.
  const missing = await withoutPrograms(
    ["cpio", "zstd", "qemu-system-aarch64", "riscv64-linux-gnu-gcc"],
    "cpio zstd python3-venv qemu-system-arm gcc-riscv64-linux-gnu libc6-dev-riscv64-cross",
  );
  if (missing) return missing;
  const log = join(ROOT, "target/logs/cross-tools.log");
  const { code, output } = await run(["cargo", "xtask", "cross", "--tools", arch], { log });
  const why = /^not run: cross \w+: (.*)$/m.exec(output)?.[1];
  return code === 0 ? undefined : (why ?? output.trim().split("\n").at(-1));
}

/** Installs strace; why that did not work, if it did not, or why it is of no use. */
export async function withoutStrace() {
  const missing = await withoutPrograms(["strace"], "strace");
  if (missing) return missing;
  const traces = succeeds(["strace", "-f", "-Y", "-e", "trace=none", "true"]);
  return traces ? undefined : "strace may not trace here";
}
