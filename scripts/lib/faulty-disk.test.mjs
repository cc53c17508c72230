import assert from "node:assert/strict";
import { constants } from "node:os";
import { test } from "node:test";
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
