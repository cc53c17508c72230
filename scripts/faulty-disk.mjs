// `node scripts/faulty-disk.mjs PROGRAM…` runs a program that finds, at the path in MANIAC_FAULTY_DISK, a disk that reads and writes less than
// it is asked for (./lib/faulty-disk.mjs says by which rules); beside it lie `../small`, of 64 KiB, and `../read-only`, with a file. Linux, with
// /dev/fuse; exits with 2 where that is not to be had. All is mounted in a mount namespace of its own and goes with it; at the end a line says how many
// of the disk's answers were short.
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  accessSync,
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { FaultyDisk } from "./lib/faulty-disk.mjs";
import { succeeds } from "./lib/run.mjs";

const INSIDE = "MANIAC_FAULTY_DISK_INSIDE";
/** The exit code where there can be no such disk. */
const NOT_RUN = 2;
/** Mounts of its own; who may not mount is root in a user namespace of its own, too. */
const ALONE = ["unshare", ...(process.getuid?.() === 0 ? ["-m"] : ["-Urm"])];

class NotRun extends Error {}

/** Why this machine cannot have the disk, if it cannot. */
function withoutDisk() {
  if (process.platform !== "linux") return "FUSE as it is used here is Linux's";
  try {
    accessSync("/dev/fuse", constants.R_OK | constants.W_OK);
  } catch (error) {
    return String(error);
  }
  return succeeds([...ALONE, "true"]) ? undefined : `no ${ALONE.join(" ")} here`;
}

/**
 * @param {readonly string[]} command @param {import("node:child_process").SpawnOptions} [options]
 * @returns {Promise<number>} its exit code
 */
async function run([program, ...args], options) {
  const child = spawn(/** @type {string} */ (program), args, { stdio: "inherit", ...options });
  const [code] = await once(child, "exit");
  return code ?? 128;
}

/**
 * Mounts at a folder below `base`.
 * @param {string} base @param {string} name @param {readonly string[]} how @param {number} [fd] that mount(8) finds as its third
 */
async function mount(base, name, how, fd) {
  const path = join(base, name);
  mkdirSync(path);
  const stdio = /** @type {const} */ (["ignore", "inherit", "inherit", fd ?? "ignore"]);
  if ((await run(["mount", ...how, name, path], { stdio: [...stdio] })) !== 0)
    throw new NotRun(`no ${name} disk here`);
  return path;
}

/** @param {readonly string[]} command */
async function onDisk(command) {
  const base = mkdtempSync(join(tmpdir(), "maniac-faulty-disk-"));
  const fd = openSync("/dev/fuse", "r+");
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  const disk = new FaultyDisk();
  try {
    const how = `fd=3,rootmode=40000,user_id=${uid},group_id=${gid}`;
    const faulty = await mount(base, "faulty", ["-i", "-t", "fuse", "-o", how], fd);
    const serving = disk.serve(fd);
    const small = await mount(base, "small", ["-t", "tmpfs", "-o", "size=64k"]);
    const readOnly = await mount(base, "read-only", ["-t", "tmpfs"]);
    writeFileSync(join(readOnly, "file"), "0123456789");
    await run(["mount", "-o", "remount,ro", readOnly]);
    const code = await run(command, {
      env: { ...process.env, [INSIDE]: undefined, MANIAC_FAULTY_DISK: faulty },
    });
    for (const path of [faulty, small, readOnly]) await run(["umount", "-l", path]);
    await serving;
    console.log(`the disk did less ${disk.counts.short} times and refused ${disk.counts.refused} times`);
    return code;
  } finally {
    closeSync(fd);
    rmSync(base, { recursive: true });
  }
}

const command = process.argv.slice(2);
const missing = process.env[INSIDE] ? undefined : withoutDisk();
try {
  if (missing !== undefined) throw new NotRun(missing);
  const again = [process.execPath, fileURLToPath(import.meta.url), ...command];
  process.exitCode = process.env[INSIDE]
    ? await onDisk(command)
    : await run([...ALONE, ...again], { env: { ...process.env, [INSIDE]: "1" } });
} catch (error) {
  if (!(error instanceof NotRun)) throw error;
  console.error(`not run: ${error.message}`);
  process.exitCode = NOT_RUN;
}
