// `node scripts/faulty-disk.mjs PROGRAM…` runs a program that finds, at the path in MANIAC_FAULTY_DISK, a disk that reads and writes less than
// it is asked for (./lib/faulty-disk.mjs says by which rules). Linux, with /dev/fuse; exits with 2 where that is not to be had. The disk is
// mounted in a mount namespace of its own and goes with it; at the end a line says how many of its answers were short.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, closeSync, constants, mkdtempSync, openSync, rmdirSync } from "node:fs";
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

/** @param {readonly string[]} command */
async function onDisk(command) {
  const path = mkdtempSync(join(tmpdir(), "maniac-faulty-disk-"));
  const fd = openSync("/dev/fuse", "r+");
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  const how = `fd=3,rootmode=40000,user_id=${uid},group_id=${gid}`;
  const disk = new FaultyDisk();
  try {
    const mount = ["mount", "-i", "-t", "fuse", "-o", how, "faulty-disk", path];
    const mounted = await run(mount, { stdio: ["ignore", "inherit", "inherit", fd] });
    if (mounted !== 0) return NOT_RUN;
    const serving = disk.serve(fd);
    const code = await run(command, {
      env: { ...process.env, [INSIDE]: undefined, MANIAC_FAULTY_DISK: path },
    });
    await run(["umount", "-l", path]);
    await serving;
    console.log(`the disk did less ${disk.counts.short} times and refused ${disk.counts.refused} times`);
    return code;
  } finally {
    closeSync(fd);
    rmdirSync(path);
  }
}

const command = process.argv.slice(2);
const missing = process.env[INSIDE] ? undefined : withoutDisk();
if (missing !== undefined) {
  console.error(`not run: ${missing}`);
  process.exitCode = NOT_RUN;
} else if (process.env[INSIDE]) {
  process.exitCode = await onDisk(command);
} else {
  const again = [process.execPath, fileURLToPath(import.meta.url), ...command];
  process.exitCode = await run([...ALONE, ...again], { env: { ...process.env, [INSIDE]: "1" } });
}
