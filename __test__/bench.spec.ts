/** `maniac bench` as a program: what it prints for programs and for people, and what it says of a wrong command line. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import test from "ava";
import { packageRoot, run } from "./fakes/subprocess.js";

const main = path.join(packageRoot, "dist/cli/main.js");
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "maniac-bench-spec-"));
test.after.always(() => fs.rmSync(folder, { recursive: true }));

/** Machines are slow. */
const PATIENCE = 10 * 60_000;

const bench = (...words: string[]): ReturnType<typeof run> =>
  run([main, "bench", ...words], { TMPDIR: folder, NO_COLOR: "1" });

interface Line {
  readonly bench: string;
  readonly unit: string;
  readonly rounds: number;
  readonly results: Readonly<Record<string, number>>;
}

const lines = (stdout: string): Line[] =>
  stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);

test.serial(
  "files, for programs: a line for each figure, of both modules; the files it made are gone",
  async (t) => {
    t.timeout(PATIENCE);
    const { code, stdout, stderr } = await bench("--quick", "--rounds", "1", "--only", "stat", "--json");
    t.is(code, 0, stderr);
    const found = lines(stdout);
    t.deepEqual(
      found.map(({ bench, unit }) => [bench, unit]),
      [
        ["stat, 64 at a time", "thousands a second"],
        ["stat, 64 at a time", "us of CPU"],
      ],
    );
    for (const { results, rounds } of found) {
      t.is(rounds, 1);
      const names = Object.keys(results).filter((name) => !name.startsWith("bun"));
      t.deepEqual(names, ["maniac/fs", "node:fs/promises"]);
      for (const value of Object.values(results)) t.true(value > 0);
    }
    t.deepEqual(fs.readdirSync(folder), []);
  },
);

test.serial("sockets, for people: a table that names the driver, and a verdict", async (t) => {
  t.timeout(PATIENCE);
  const { code, stdout, stderr } = await bench("--quick", "--rounds=1", "--only", " 64 connections");
  t.is(code, 0, stderr);
  const [head = "", columns = "", name = "", figures = ""] = stdout.split("\n");
  t.regex(head, /^driver (uring|poll), kernel /);
  t.regex(columns, /maniac +Node/);
  t.is(name, "TCP echo of 64 B, 64 connections");
  t.regex(figures, /thousands in a server's CPU second +[\d.]+ +[\d.]+.*Node/);
  t.is(stderr, "", "nothing is drawn where there is no terminal");
});

test.serial("sockets, with a client that cannot start: the error, and nothing is left running", async (t) => {
  t.timeout(PATIENCE);
  const words = ["--quick", "--rounds=1", "--only", " 64 connections", "--client", "/nonexistent"];
  const { code, stderr } = await bench(...words);
  t.is(code, 1);
  t.regex(stderr, /\/nonexistent .* has ended before it answered/);
  t.regex(stderr, /ENOENT/);
});

test.serial("a wrong command line says what would be right, and exits with 2", async (t) => {
  t.timeout(PATIENCE);
  for (const [words, said] of [
    [["--rounds", "0"], /whole number from 1 to/],
    [["--only", "nonsense"], /no bench has nonsense in its name; there are:\n {2}readFile/],
    [["--bun", path.join(folder, "none")], /--bun: .*none does not run/],
    [["more"], /more is one argument too many/],
  ] as const) {
    const { code, stdout, stderr } = await bench(...words);
    t.deepEqual([code, stdout], [2, ""], stderr);
    t.regex(stderr, said);
  }
});
