import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, closeSync, mkdtempSync, openSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { FaultyDisk, faultsOf } from "./faulty-disk.mjs";

const { EIO, ENOENT, ENOSPC, ENOSYS } = constants.errno;

/** @param {number} opcode @param {bigint} node @param {...(number | bigint | string)} body 32 bits, 64 bits, a name */
function request(opcode, node, ...body) {
  const parts = body.map((part) => {
    if (typeof part === "string") return Buffer.from(`${part}\0`);
    const out = Buffer.alloc(typeof part === "bigint" ? 8 : 4);
    if (typeof part === "bigint") out.writeBigUInt64LE(part);
    else out.writeUInt32LE(part);
    return out;
  });
  const header = Buffer.alloc(40);
  header.writeUInt32LE(opcode, 4);
  header.writeBigUInt64LE(7n, 8);
  header.writeBigUInt64LE(node, 16);
  return Buffer.concat([header, ...parts]);
}

/** @param {Buffer | undefined} answer @returns {{ errno: number, body: Buffer }} */
function parse(answer) {
  assert.ok(answer);
  assert.equal(answer.readUInt32LE(0), answer.length);
  assert.equal(answer.readBigUInt64LE(8), 7n);
  return { errno: -answer.readInt32LE(4), body: answer.subarray(16) };
}

test("a file's name says what its faults are", () => {
  const always = Number.POSITIVE_INFINITY;
  const none = { cut: always, until: always, errno: 0, closed: 0, mute: false };
  assert.deepEqual(faultsOf("cut-17-x"), { ...none, cut: 17 });
  assert.deepEqual(faultsOf("mute-5-x"), { ...none, cut: 5, mute: true });
  assert.deepEqual(faultsOf("none-x"), { ...none, cut: 0 });
  assert.deepEqual(faultsOf("bad-3-x"), { ...none, until: 3, errno: EIO });
  assert.deepEqual(faultsOf("full-0-x"), { ...none, until: 0, errno: ENOSPC });
  assert.deepEqual(faultsOf("closed-23-x"), { ...none, closed: 23 });
  for (const name of ["cut", "cut-x", "x-cut-3-", "bad-3"]) assert.deepEqual(faultsOf(name), none);
});

test("a transfer ends where the fault is, and one that begins there is refused", () => {
  const disk = new FaultyDisk();
  const make = request(35, 1n, 0, 0o644, 0, 0, "bad-4-x");
  const id = parse(disk.answer(make)).body.readBigUInt64LE(0);
  /** @param {bigint} at @param {string} text */
  const write = (at, text) => parse(disk.answer(request(16, id, 0n, at, text.length + 1, 0, 0n, 0, 0, text)));
  assert.equal(write(0n, "abcdef").body.readUInt32LE(0), 4);
  assert.equal(write(4n, "e").errno, EIO);
  /** @param {bigint} at */
  const read = (at) => parse(disk.answer(request(15, id, 0n, at, 100, 0, 0n, 0, 0)));
  assert.equal(read(0n).body.toString(), "abcd");
  assert.equal(read(4n).body.length, 0, "the end");
  assert.deepEqual(disk.counts, { short: 1, refused: 1 });
});

test("what is not there, and what the disk does not know", () => {
  const disk = new FaultyDisk();
  assert.equal(parse(disk.answer(request(1, 1n, "nothing"))).errno, ENOENT);
  assert.equal(parse(disk.answer(request(999, 1n))).errno, ENOSYS);
  assert.equal(disk.answer(request(2, 1n)), undefined, "FORGET has no answer");
});

test("what the kernel cannot have asked ends the serving with an error", async (t) => {
  const path = join(folder(t), "request");
  writeFileSync(path, "too short");
  const fd = openSync(path, "r");
  await assert.rejects(new FaultyDisk().serve(fd), RangeError);
  closeSync(fd);
});

const SCRIPT = fileURLToPath(new URL("../faulty-disk.mjs", import.meta.url));
/** The script's exit code where there can be no such disk. */
const NOT_RUN = 77;
const { status, stderr: why } = spawnSync(process.execPath, [SCRIPT, "true"], { encoding: "utf8" });
const skip = status === NOT_RUN && why;

/** A folder of the test's own. @param {import("node:test").TestContext} t */
function folder(t) {
  const made = mkdtempSync(join(tmpdir(), "faulty-disk-test-"));
  t.after(() => rmSync(made, { recursive: true }));
  return made;
}

/**
 * What the script comes to, once nothing holds its output any more.
 * @param {import("node:test").TestContext} t @param {readonly string[]} command @param {NodeJS.ProcessEnv} [env]
 * @param {(child: import("node:child_process").ChildProcess) => void} [onOutput]
 */
async function outcome(t, command, env, onOutput) {
  const temporary = folder(t);
  const child = spawn(process.execPath, [SCRIPT, ...command], {
    env: { ...process.env, TMPDIR: temporary, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  child.stdout.once("data", () => onOutput?.(child));
  const [[code, signal], stderr] = await Promise.all([once(child, "close"), text(child.stderr)]);
  assert.deepEqual(readdirSync(temporary), [], "nothing is left");
  return { code, signal, stderr };
}

test("the exit code is the program's", { skip }, async (t) => {
  for (const code of [0, 2]) assert.equal((await outcome(t, ["sh", "-c", `exit ${code}`])).code, code);
});

test("a program that is not there is named", { skip }, async (t) => {
  const { code, stderr } = await outcome(t, ["nosuchprogram"]);
  assert.equal(code, 1);
  assert.match(stderr, /spawn nosuchprogram ENOENT/);
});

for (const signal of /** @type {const} */ (["SIGTERM", "SIGKILL"])) {
  test(`${signal} ends the program too, what it started, and the mounts`, { skip }, async (t) => {
    // Neither goes by itself, and both have the output.
    const program =
      'trap "" TERM; echo "it $MANIAC_FAULTY_DISK"; sleep infinity & cd "$MANIAC_FAULTY_DISK"; wait; wait';
    const result = await outcome(t, ["sh", "-c", program], {}, (child) => child.kill(signal));
    assert.deepEqual([result.code, result.signal], [null, signal]);
  });
}

test("what the program leaves running does not keep the disk", { skip }, async (t) => {
  const program = 'cd "$MANIAC_FAULTY_DISK"; sleep infinity & exit 3';
  assert.equal((await outcome(t, ["sh", "-c", program])).code, 3);
});

for (const [what, name] of /** @type {const} */ ([
  ["size=64k", "small"],
  ["remount", "read-only"],
])) {
  test(`a machine without a ${name} disk has none, and keeps no other`, { skip }, async (t) => {
    const bin = folder(t);
    const real = `PATH='${process.env.PATH}'`;
    writeFileSync(
      join(bin, "mount"),
      `#!/bin/sh\ncase "$*" in *${what}*) exit 1;; esac\n${real} exec mount "$@"\n`,
    );
    chmodSync(join(bin, "mount"), 0o755);
    const { code, stderr } = await outcome(t, ["true"], { PATH: `${bin}:${process.env.PATH}` });
    assert.deepEqual([code, stderr], [NOT_RUN, `not run: no ${name} disk here\n`]);
  });
}
