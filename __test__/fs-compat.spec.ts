/**
 * `maniac/fs` beside `node:fs/promises`: every case of the table runs on both, each in a directory of its own with the same
 * content, and must come to the same: value or error, and what is left in the directory. The differences that are
 * intended are listed with their reasons, and each must really be one.
 */
import fsp from "node:fs/promises";
import { isDeepStrictEqual } from "node:util";
import test from "ava";
import "./fakes/install.js";
import * as maniac from "maniac/fs";
import { CASES, type Case, type Module } from "./fixtures/fs-cases.js";
import { DIFFERENCES } from "./fixtures/fs-differences.js";
import { Describer, outcomeOf } from "./fixtures/fs-outcome.js";
import { makeTree, picture, removeTree } from "./fixtures/fs-tree.js";

/** What a case came to. */
interface Seen {
  readonly outcome: unknown;
  readonly after: readonly string[];
}

/** A module's directory, made anew only when a case has changed it. */
class Stage {
  readonly #module: Module;
  #root = "";
  #before: string[] = [];

  constructor(module: Module) {
    this.#module = module;
  }

  async run(one: Case): Promise<Seen> {
    if (this.#root === "") {
      this.#root = makeTree();
      this.#before = picture(this.#root).sort();
    }
    const root = this.#root;
    process.chdir(root);
    const describer = new Describer(root, one.name.startsWith("mkdtemp"));
    const outcome = await outcomeOf(() => one.run(this.#module), describer);
    const after = picture(root)
      .map((line) => describer.text(line))
      .sort();
    if (!isDeepStrictEqual(after, this.#before)) {
      this.end();
    }
    return { outcome, after };
  }

  end(): void {
    process.chdir("/");
    removeTree(this.#root);
    this.#root = "";
  }
}

// Warnings are compared where they are what a case is about; here they would only fill the screen.
process.removeAllListeners("warning");
process.umask(0o022);

const groups = new Map<string, Case[]>();
for (const one of CASES) {
  const group =
    /^[\w.]+(?:\(.*?\) \w+)?/.exec(one.name.replace(/^FileHandle\([^)]*\) (\w+).*/s, "FileHandle.$1"))?.[0] ??
    "";
  groups.set(group, [...(groups.get(group) ?? []), one]);
}

const plain = (_key: string, value: unknown): unknown => (typeof value === "bigint" ? `${value}n` : value);

/** One differing case, as short as it can be said. */
function report(name: string, expected: Seen, actual: Seen): string {
  const differ = !isDeepStrictEqual(expected.outcome, actual.outcome);
  const outcome = differ
    ? `\n  node: ${JSON.stringify(expected.outcome, plain)}\n  ours: ${JSON.stringify(actual.outcome, plain)}`
    : "";
  const missing = expected.after
    .filter((line) => !actual.after.includes(line))
    .map((line) => `\n  - ${line}`);
  const extra = actual.after.filter((line) => !expected.after.includes(line)).map((line) => `\n  + ${line}`);
  return `${name}${outcome}${missing.join("")}${extra.join("")}`;
}

const nodeStage = new Stage(fsp);
const ourStage = new Stage(maniac as unknown as Module);
const used = new Set<unknown>();

for (const [group, list] of groups) {
  test.serial(`${group}: ${list.length} cases`, async (t) => {
    const wrong: string[] = [];
    for (const one of list) {
      if (process.env.MANIAC_TEST_VERBOSE) {
        process.stderr.write(`${one.name}\n`);
      }
      const expected = await nodeStage.run(one);
      const actual = await ourStage.run(one);
      if (!isDeepStrictEqual(actual, expected)) {
        const known = DIFFERENCES.find(({ cases }) => cases.test(one.name));
        if (known === undefined) {
          wrong.push(report(one.name, expected, actual));
        }
        used.add(known);
      }
    }
    for (const one of wrong.slice(0, Number(process.env.MANIAC_SHOWN ?? 20))) {
      t.log(one);
    }
    t.is(wrong.length, 0, `${wrong.length} of ${list.length} cases differ`);
  });
}

test.serial("every listed difference is one", (t) => {
  const major = Number.parseInt(process.versions.node, 10);
  const idle = DIFFERENCES.filter((one) => !used.has(one) && (one.node?.includes(major) ?? true));
  t.deepEqual(
    idle.map(({ cases }) => String(cases)),
    [],
  );
});

test.after.always(() => {
  nodeStage.end();
  ourStage.end();
});
