// Installs the tarballs into an empty project and uses them there as a stranger would.
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exit, preparation } from "./lib/counts.mjs";
import { ROOT } from "./lib/run.mjs";
import { nodeModule, npm } from "./lib/setup.mjs";
import { runSteps } from "./lib/steps.mjs";
import { pack } from "./pack.mjs";

const RESOLUTIONS = ["node16", "nodenext", "bundler"];
/** A program that uses the sub-paths, however it loads them. */
const WORK = `
async function work(load, file) {
  const { readFile } = await load("maniac/fs");
  if (!(await readFile(file, "utf8")).includes("maniac/fs")) throw new Error("readFile gave something else");
  const { setTimeout } = await load("maniac/timers");
  if ((await setTimeout(1, "value")) !== "value") throw new Error("setTimeout gave something else");
  const { mpsc } = await load("maniac/channel");
  const { sender, receiver } = mpsc(1);
  await sender.send({ value: 1 });
  if ((await receiver.recv()).value !== 1) throw new Error("the channel gave something else");
  const { Pool } = await load("maniac/pool");
  const pool = new Pool({ filename: "data:text/javascript,export default (n) => n + 1", maxThreads: 1 });
  if ((await pool.run(1)) !== 2) throw new Error("the pool gave something else");
  await pool.close();
}`;
/** What a TypeScript program says of them. */
const TYPED = `
import { readFile } from "maniac/fs";
import { setTimeout } from "maniac/timers";
import { mpsc, type Receiver } from "maniac/channel";
const text: Promise<string> = readFile("x", "utf8");
const value: Promise<5> = setTimeout(1, 5 as const);
const receiver: Receiver<number> = mpsc<number>(1).receiver;
// @ts-expect-error: a channel of numbers takes no text
mpsc<number>(1).sender.trySend("text");
export { receiver, text, value };`;
const folder = realpathSync(mkdtempSync(join(tmpdir(), "maniac-packed-")));
const project = join(folder, "project");
const tarballs = pack(join(folder, "tarballs"));
const [own = ""] = tarballs;
/** @type {{ exports: Record<string, string> }} */
const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
const entries = Object.keys(manifest.exports)
  .filter((entry) => !entry.endsWith(".json"))
  .map((entry) => `maniac${entry.slice(1)}`);
writeProject();

/** @param {...string} args */
const inProject = (...args) => [
  process.execPath,
  "--eval",
  `process.chdir(process.argv[1]); ${args.join("\n")}`,
  project,
];

/** @type {import("./lib/steps.mjs").Step[]} */
const steps = [
  {
    name: "install",
    about: "the tarballs install into an empty project",
    command: [
      ...npm(),
      "install",
      "--prefix",
      project,
      "--ignore-scripts",
      "--no-audit",
      "--no-fund",
      ...tarballs,
    ],
    count: preparation,
  },
  {
    name: "no-scripts",
    about: "nothing runs at installation, and no repo file is shipped",
    command: inProject(
      `const manifest = JSON.parse(fs.readFileSync("node_modules/maniac/package.json", "utf8"));`,
      `assert.equal(manifest.scripts, undefined);`,
      `const files = fs.readdirSync("node_modules/maniac", { recursive: true }).map(String);`,
      `const stray = files.filter((file) => /\\.(node|tsbuildinfo|tgz)$|\\.spec\\./.test(file));`,
      `assert.deepEqual(stray, []);`,
    ),
    count: exit,
  },
  { name: "esm", about: "by import", command: [process.execPath, join(project, "esm.mjs")], count: exit },
  {
    name: "require",
    about: "by require(esm)",
    command: [process.execPath, join(project, "cjs.cjs")],
    count: exit,
  },
  {
    name: "cli",
    about: "the command line tool runs",
    command: [process.execPath, join(project, "node_modules/maniac/dist/cli/main.js"), "doctor", "--json"],
    count: exit,
  },
  ...RESOLUTIONS.map((resolution) => ({
    name: `types-${resolution}`,
    about: `a TypeScript program compiles against it with ${resolution}`,
    command: [...nodeModule("typescript/bin/tsc"), "-p", join(project, `tsconfig.${resolution}.json`)],
    count: exit,
  })),
  {
    name: "publint",
    about: "publint finds nothing",
    command: [...nodeModule("publint/src/cli.js"), own, "--strict"],
    count: exit,
  },
  {
    name: "attw",
    about: "are the types wrong? no",
    command: [
      ...nodeModule("@arethetypeswrong/cli/dist/index.js"),
      own,
      "--profile",
      "esm-only",
      "--no-emoji",
    ],
    count: exit,
  },
].map((step, index) => (index === 0 ? step : { ...step, after: ["install"] }));

const { passed, failed } = await runSteps(steps, { logs: "packed" });
rmSync(folder, { recursive: true });
console.log(`${passed} passed, ${failed} failed`);
if (failed > 0) process.exitCode = 1;

function writeProject() {
  mkdirSync(project, { recursive: true });
  const use = (/** @type {string} */ load) =>
    [
      `const entries = ${JSON.stringify(entries)};`,
      `for (const entry of entries) {`,
      `  const module = ${load};`,
      `  if (Object.keys(module).length === 0) throw new Error(entry + " exports nothing");`,
      `}`,
    ].join("\n");
  writeFileSync(
    join(project, "package.json"),
    `{ "name": "consumer", "version": "1.0.0", "private": true }\n`,
  );
  writeFileSync(
    join(project, "esm.mjs"),
    [
      `import { fileURLToPath } from "node:url";`,
      use("await import(entry)"),
      WORK,
      `await work((entry) => import(entry), fileURLToPath(import.meta.url));`,
    ].join("\n"),
  );
  const failed = `(error) => { console.error(error); process.exitCode = 1; }`;
  writeFileSync(
    join(project, "cjs.cjs"),
    [use("require(entry)"), WORK, `work(require, __filename).catch(${failed});`].join("\n"),
  );
  const imports = entries.map((entry, index) => `import * as m${index} from "${entry}";\nvoid m${index};`);
  writeFileSync(join(project, "consumer.mts"), `${imports.join("\n")}\n${TYPED}\n`);
  const compilerOptions = {
    noEmit: true,
    strict: true,
    lib: ["es2023", "esnext.disposable"],
    // Node's own types are the consumer's affair; here ours serve.
    types: ["node"],
    typeRoots: [join(ROOT, "node_modules/@types")],
  };
  for (const resolution of RESOLUTIONS) {
    const module =
      resolution === "bundler" ? { module: "esnext", moduleResolution: resolution } : { module: resolution };
    const config = { compilerOptions: { ...compilerOptions, ...module }, files: ["consumer.mts"] };
    writeFileSync(join(project, `tsconfig.${resolution}.json`), JSON.stringify(config));
  }
}
