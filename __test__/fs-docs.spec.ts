/** The examples in the documentation of `maniac/fs`, each run in a furnished directory of its own. The rest: docs.spec.ts. */
import { execFile } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import ts from "typescript";
import { packageRoot } from "./fakes/subprocess.js";

const entry = path.join(packageRoot, "src/fs.ts");
const install = fileURLToPath(new URL("./fakes/install.js", import.meta.url));

interface Exported {
  readonly name: string;
  readonly symbol: ts.Symbol;
}

const program = ts.createProgram([entry], {
  module: ts.ModuleKind.NodeNext,
  target: ts.ScriptTarget.ES2022,
  lib: ["lib.es2023.d.ts", "lib.esnext.disposable.d.ts"],
  types: ["node"],
  noEmit: true,
});
const checker = program.getTypeChecker();
const source = program.getSourceFile(entry) as ts.SourceFile;

function exported(): Exported[] {
  const module = checker.getSymbolAtLocation(source) as ts.Symbol;
  return checker.getExportsOfModule(module).map((found) => {
    const symbol = found.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(found) : found;
    return { name: found.name, symbol };
  });
}

interface Example {
  readonly name: string;
  readonly code: string;
}

function examples(): Example[] {
  const found: Example[] = [];
  for (const { name, symbol } of exported()) {
    const text = symbol
      .getJsDocTags(checker)
      .filter((tag) => tag.name === "example")
      .map((tag) => ts.displayPartsToString(tag.text))
      .join("\n");
    const blocks = [...text.matchAll(/```ts\n(.*?)```/gs)];
    found.push(...blocks.map((block) => ({ name, code: block[1] as string })));
  }
  return found;
}

/** What the examples' programs find in their directory. */
function furnish(directory: string): void {
  const at = (name: string): string => path.join(directory, name);
  for (const name of [
    "a.txt",
    "b.txt",
    "in.bin",
    "draft.txt",
    "run.sh",
    "data",
    "log.txt",
    "stamp",
    "a.db",
    "logo.png",
  ]) {
    fs.writeFileSync(at(name), `${name}\n`);
  }
  fs.writeFileSync(at("data.bin"), Buffer.alloc(65_536));
  fs.writeFileSync(at("package.json"), '{ "name": "example" }');
  for (const name of ["src", "build/cache", "template", "node_modules", "releases/7"]) {
    fs.mkdirSync(at(name), { recursive: true });
  }
  fs.writeFileSync(at("src/index.ts"), "");
  fs.writeFileSync(at("template/file"), "");
  fs.symlinkSync("a.txt", at("link"));
  // The example has a package of its own around it, into which this one is installed.
  fs.symlinkSync(packageRoot, at("node_modules/maniac"));
}

/** Names that an example's own work would collide with. */
const MAKES: Record<string, string> = { symlink: "current" };

function run(one: Example, directory: string): Promise<string> {
  furnish(directory);
  if (MAKES[one.name] === undefined) {
    fs.symlinkSync("releases/7", path.join(directory, "current"));
  }
  const compiled = ts.transpileModule(one.code, {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
  }).outputText;
  const file = path.join(directory, "example.mjs");
  fs.writeFileSync(file, `import ${JSON.stringify(install)};\n${compiled}`);
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ["--no-warnings", file],
      { cwd: directory, timeout: 60_000 },
      (error, _stdout, stderr) => resolve(error === null ? "" : stderr),
    );
  });
}

test("every example compiles and runs", async (t) => {
  const list = examples();
  t.true(list.length > 35, `${list.length} examples`);
  fs.mkdirSync(path.join(packageRoot, "target"), { recursive: true });
  const home = fs.mkdtempSync(path.join(packageRoot, "target/docs-"));
  try {
    for (const one of list) {
      const directory = fs.mkdtempSync(path.join(home, "x-"));
      const failure = await run(one, directory);
      t.is(failure, "", `${one.name}:\n${one.code}`);
    }
  } finally {
    fs.rmSync(home, { recursive: true });
  }
});
