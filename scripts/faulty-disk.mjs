// `node scripts/faulty-disk.mjs PROGRAM…` runs a program that finds, at the path in MANIAC_FAULTY_DISK, a disk that reads and writes less than
// it is asked for (./lib/faulty-disk.mjs says by which rules); beside it lie `../small`, of 64 KiB, and `../read-only`, with a file. Linux, with
// /dev/fuse; exits with 77 where that is not to be had. All is mounted in a mount namespace of its own and goes with it, as does the program, whichever
// way this ends; at the end a line says how many of the disk's answers were short.
import { spawn, spawnSync } from "node:child_process";
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

const INSIDE = "MANIAC_FAULTY_DISK_INSIDE";
/** The exit code where there can be no such disk; hardly one of a program that ran. */
const NOT_RUN = 77;
/** Of what was ended, as shells say it for a signal. */
const ENDED = 128;
/** Mounts of its own; who may not mount is root in a user namespace of its own, too. */
const ALONE = /** @type {const} */ (["unshare", process.getuid?.() === 0 ? "-m" : "-Urm"]);

class NotRun extends Error {}

/** Why this machine cannot have the disk, if it cannot. */
function withoutDisk() {
  if (process.platform !== "linux") return "FUSE as it is used here is Linux's";
  try {
    accessSync("/dev/fuse", constants.R_OK | constants.W_OK);
  } catch (error) {
    return String(error);
  }
  const [program, how] = ALONE;
  return spawnSync(program, [how, "true"]).status === 0 ? undefined : `no ${ALONE.join(" ")} here`;
}

/** @param {import("node:child_process").ChildProcess} child @returns {Promise<number>} its exit code */
async function over(child) {
  const [code] = await once(child, "exit");
  return code ?? ENDED;
}

/** mount(8) and umount(8). @param {readonly string[]} command @param {number} [fd] that it finds as its third */
async function succeeds([program, ...args], fd) {
  const stdio = /** @type {const} */ (["ignore", "inherit", "inherit", fd ?? "ignore"]);
  return (await over(spawn(/** @type {string} */ (program), args, { stdio: [...stdio] }))) === 0;
}

/** When this is to end before the program has: by a signal, or since who started it is gone. @returns {Promise<number>} */
function told() {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => resolve(ENDED));
    process.once("disconnect", () => resolve(ENDED));
    process.channel?.unref();
  });
}

class Mounts {
  /** @type {string[]} */
  #paths = [];
  base = mkdtempSync(join(tmpdir(), "maniac-faulty-disk-"));

  /** Mounts at a folder of that name. @param {string} name @param {readonly string[]} how @param {number} [fd] */
  async add(name, how, fd) {
    const path = join(this.base, name);
    mkdirSync(path);
    if (!(await succeeds(["mount", ...how, name, path], fd))) throw new NotRun(`no ${name} disk here`);
    this.#paths.push(path);
    return path;
  }

  async remove() {
    for (const path of this.#paths.reverse()) await succeeds(["umount", "-l", path]);
    rmSync(this.base, { recursive: true, force: true });
  }
}

/**
 * Runs the program to its end, or until `early`; then nothing of it is left.
 * @param {readonly string[]} command @param {string} faulty @param {Promise<number>} early
 */
async function runOn([program, ...args], faulty, early) {
  const env = { ...process.env, [INSIDE]: undefined, MANIAC_FAULTY_DISK: faulty };
  // The first of a group, so that what it starts can be ended with it.
  const child = spawn(/** @type {string} */ (program), args, { stdio: "inherit", detached: true, env });
  try {
    return await Promise.race([over(child), early]);
  } finally {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    } catch {
      // It left nothing.
    }
  }
}

/** @param {readonly string[]} command */
async function onDisk(command) {
  const early = told();
  const mounts = new Mounts();
  const disk = new FaultyDisk();
  /** @type {Promise<void> | undefined} */
  let serving;
  try {
    const fd = openSync("/dev/fuse", "r+");
    const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
    const how = `fd=3,rootmode=40000,user_id=${uid},group_id=${gid}`;
    const faulty = await mounts.add("faulty", ["-i", "-t", "fuse", "-o", how], fd);
    // Closed when it is served no more, for whatever reason: then nobody waits for an answer.
    serving = disk.serve(fd).finally(() => closeSync(fd));
    // It does not end by itself before it is unmounted.
    const failed = serving.then(() => ENDED);
    failed.catch(() => undefined);
    await mounts.add("small", ["-t", "tmpfs", "-o", "size=64k"]);
    const readOnly = await mounts.add("read-only", ["-t", "tmpfs"]);
    writeFileSync(join(readOnly, "file"), "0123456789");
    if (!(await succeeds(["mount", "-o", "remount,ro", readOnly])))
      throw new NotRun("no read-only disk here");
    return await runOn(command, faulty, Promise.race([early, failed]));
  } finally {
    await mounts.remove();
    await serving;
    console.log(`the disk did less ${disk.counts.short} times and refused ${disk.counts.refused} times`);
  }
}

/** This script again, alone with its mounts. @param {readonly string[]} command */
function alone(command) {
  const missing = withoutDisk();
  if (missing !== undefined) throw new NotRun(missing);
  const [program, how] = ALONE;
  const again = [process.execPath, fileURLToPath(import.meta.url), ...command];
  const env = { ...process.env, [INSIDE]: "1" };
  // By the channel it learns of the end of this process, also of one by SIGKILL.
  return over(spawn(program, [how, ...again], { stdio: ["inherit", "inherit", "inherit", "ipc"], env }));
}

const command = process.argv.slice(2);
try {
  process.exitCode = await (process.env[INSIDE] ? onDisk : alone)(command);
} catch (error) {
  if (!(error instanceof NotRun)) throw error;
  console.error(`not run: ${error.message}`);
  process.exitCode = NOT_RUN;
}
