/**
 * The documentation of every entry point, as an editor shows it to a program that imports the package: each export has a comment,
 * parameters have names and comments, functions and classes an example, definitions lie in the package; and each example compiles and
 * runs.
 */
import { execFile } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import test from "ava";
import ts from "typescript";
import { packageRoot } from "./fakes/subprocess.js";

const manifest = JSON.parse(fs.readFileSync(path.join(packageRoot, "package.json"), "utf8")) as {
  exports: Record<string, string>;
};
/** The entry points, as programs import them. */
const entries = Object.keys(manifest.exports)
  .filter((entry) => !entry.endsWith(".json"))
  .map((entry) => `maniac${entry.slice(1)}`);
/** Of `maniac/fs` every example is run by its own spec, in a furnished directory. */
const OWN_SPEC = new Set(["maniac/fs"]);
/** Its examples run as an entry point's do. */
const README = "README.md";
/** Exports that are Node's own objects, documented there. */
const NODES_OWN = new Set(["maniac/fs constants", "maniac/fs promises"]);
/** Types of Node's that an entry point passes on. */
const isNodes = (declaration: ts.Declaration): boolean =>
  declaration.getSourceFile().fileName.includes("/node_modules/@types/node/");

fs.mkdirSync(path.join(packageRoot, "target"), { recursive: true });
const scratch = fs.mkdtempSync(path.join(packageRoot, "target/docs-"));
const consumer = path.join(scratch, "consumer.mts");
fs.writeFileSync(
  consumer,
  entries.map((entry, at) => `import * as m${at} from "${entry}";\nm${at};\n`).join(""),
);
test.after.always(() => fs.rmSync(scratch, { recursive: true }));

const options: ts.CompilerOptions = {
  module: ts.ModuleKind.NodeNext,
  target: ts.ScriptTarget.ES2022,
  lib: ["lib.es2023.d.ts", "lib.esnext.disposable.d.ts"],
  types: ["node"],
  strict: true,
  noEmit: true,
};

const language = ts.createLanguageService({
  getCompilationSettings: () => options,
  getScriptFileNames: () => [consumer],
  getScriptVersion: () => "1",
  getScriptSnapshot: (name) =>
    fs.existsSync(name) ? ts.ScriptSnapshot.fromString(fs.readFileSync(name, "utf8")) : undefined,
  getCurrentDirectory: () => packageRoot,
  getDefaultLibFileName: ts.getDefaultLibFilePath,
  fileExists: ts.sys.fileExists,
  readFile: ts.sys.readFile,
  readDirectory: ts.sys.readDirectory,
  directoryExists: ts.sys.directoryExists,
  getDirectories: ts.sys.getDirectories,
  realpath: ts.sys.realpath as (name: string) => string,
});
const program = language.getProgram() as ts.Program;
const checker = program.getTypeChecker();
const source = program.getSourceFile(consumer) as ts.SourceFile;

interface Exported {
  readonly name: string;
  readonly symbol: ts.Symbol;
  readonly declaration: ts.Declaration;
}

/** The exports of an entry point, with `maniac/x name` as names. */
function exported(entry: string): Exported[] {
  const imports = source.statements.filter(ts.isImportDeclaration);
  const found = imports.find(({ moduleSpecifier }) => (moduleSpecifier as ts.StringLiteral).text === entry);
  const module = checker.getSymbolAtLocation((found as ts.ImportDeclaration).moduleSpecifier) as ts.Symbol;
  return checker.getExportsOfModule(module).flatMap((one) => {
    const symbol = one.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(one) : one;
    const name = `${entry} ${one.name}`;
    if (one.name === "default" || NODES_OWN.has(name)) return [];
    const declaration = symbol.declarations?.[0] as ts.Declaration;
    return isNodes(declaration) ? [] : [{ name, symbol, declaration }];
  });
}

const comment = (symbol: ts.Symbol): string =>
  ts.displayPartsToString(symbol.getDocumentationComment(checker));

/** What is wrong with the parameters of a function or method: of a function each has a comment, too. */
function parameters(of: ts.SignatureDeclaration, name: string, commented: boolean): string[] {
  return of.parameters.flatMap((parameter) => {
    if (!ts.isIdentifier(parameter.name)) return [`${name}: a parameter has no name`];
    const symbol = checker.getSymbolAtLocation(parameter.name);
    const text = parameter.name.text;
    if (/^(arg|args|_)\d*$/.test(text)) return [`${name}: a parameter is called ${text}`];
    if (!commented) return [];
    return symbol !== undefined && comment(symbol) !== "" ? [] : [`${name}: no @param ${text}`];
  });
}

/** Whether a member is for programs. */
function isPublic(member: ts.Node): boolean {
  const hidden = ts.getCombinedModifierFlags(member as ts.Declaration) & ts.ModifierFlags.Private;
  const internal = ts.getJSDocTags(member).some(({ tagName }) => tagName.text === "internal");
  const { name } = member as ts.NamedDeclaration;
  // What streams call themselves, and what Node calls by a symbol.
  const ofNode = name !== undefined && (name.getText().startsWith("_") || ts.isComputedPropertyName(name));
  return !hidden && !internal && !ofNode;
}

function members({ name, declaration }: Exported): string[] {
  if (!ts.isClassDeclaration(declaration) && !ts.isInterfaceDeclaration(declaration)) return [];
  const seen = new Set<ts.Symbol>();
  const list: readonly (ts.ClassElement | ts.TypeElement)[] = declaration.members;
  return list.filter(isPublic).flatMap((member) => {
    if (member.name === undefined || ts.isPrivateIdentifier(member.name)) return [];
    const own = checker.getSymbolAtLocation(member.name);
    const label = `${name}.${member.name.getText()}`;
    const found: string[] = [];
    // One comment serves all overloads; what is inherited from Node's types is documented there.
    if (own !== undefined && !seen.has(own) && comment(own) === "") found.push(`${label} has no comment`);
    if (own !== undefined) seen.add(own);
    if (ts.isMethodDeclaration(member) || ts.isMethodSignature(member)) {
      const overloads = own?.declarations?.length ?? 1;
      if (overloads === 1) found.push(...parameters(member, label, false));
    }
    return found;
  });
}

for (const entry of entries) {
  test(`${entry}: an editor shows a comment for every export, and goes to where it is defined`, (t) => {
    const all = exported(entry);
    t.true(all.length > 0);
    const wrong: string[] = [];
    for (const one of all) {
      const { name, symbol, declaration } = one;
      if (comment(symbol) === "") wrong.push(`${name} has no comment`);
      const file = declaration.getSourceFile().fileName;
      if (!file.startsWith(`${packageRoot}/dist/`)) wrong.push(`${name} is defined in ${file}`);
      const node = ts.getNameOfDeclaration(declaration) as ts.Node;
      const definitions = language.getDefinitionAtPosition(file, node.getStart()) ?? [];
      if (!definitions.some(({ fileName }) => fileName === file)) wrong.push(`${name} cannot be gone to`);
      const map = JSON.parse(fs.readFileSync(`${file}.map`, "utf8")) as { sources: string[] };
      const origin = path.resolve(path.dirname(file), map.sources[0] as string);
      if (!fs.existsSync(origin)) wrong.push(`${name}: ${origin} does not exist`);
      const callable = ts.isFunctionDeclaration(declaration) || ts.isClassDeclaration(declaration);
      const isExample = ({ name }: ts.JSDocTagInfo): boolean => name === "example";
      if (callable && !symbol.getJsDocTags(checker).some(isExample)) wrong.push(`${name} has no example`);
      if (ts.isFunctionDeclaration(declaration)) {
        const overloads = symbol.declarations?.filter(ts.isFunctionDeclaration) ?? [];
        const documented = overloads.some((overload) => parameters(overload, name, true).length === 0);
        if (!documented) wrong.push(...parameters(declaration, name, true));
      }
      wrong.push(...members(one));
    }
    t.deepEqual(wrong, []);
  });
}

interface Example {
  readonly name: string;
  readonly code: string;
}

/** The fenced TypeScript of an entry point's source, or of the README. */
function examples(entry: string): Example[] {
  if (entry === README) {
    const text = fs.readFileSync(path.join(packageRoot, README), "utf8");
    return [...text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map((found, at) => ({
      name: `readme-${at}`,
      code: `${found[1]}\nexport {};\n`,
    }));
  }
  const file = `src/${entry.slice("maniac/".length) || "index"}.ts`;
  const text = fs.readFileSync(path.join(packageRoot, file), "utf8");
  return [...text.matchAll(/^ *\* ```ts\n([\s\S]*?)^ *\* ```$/gm)].map((found, at) => ({
    name: `${file.replaceAll(/\W/g, "-")}-${at}`,
    code: (found[1] as string).replaceAll(/^ *\* ?/gm, ""),
  }));
}

/** Runs a compiled example; gives what went wrong. */
function run(file: string): Promise<string> {
  const command = ["--no-warnings", file];
  return new Promise((resolve) => {
    execFile(process.execPath, command, { cwd: packageRoot, timeout: 60_000 }, (error, _stdout, stderr) =>
      resolve(error === null ? "" : stderr || error.message),
    );
  });
}

for (const entry of [README, ...entries.filter((one) => !OWN_SPEC.has(one))]) {
  test(`${entry}: every example compiles and runs`, async (t) => {
    const all = examples(entry);
    t.true(all.length > 0);
    const files = all.map(({ name }) => path.join(scratch, `${name}.mts`));
    for (const [at, file] of files.entries()) fs.writeFileSync(file, (all[at] as Example).code);
    const compiled = ts.createProgram(files, { ...options, noEmit: false, types: ["node"] });
    const faults = ts.getPreEmitDiagnostics(compiled).map(({ messageText, file }) => {
      return `${path.basename(file?.fileName ?? "")}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`;
    });
    t.deepEqual(faults, []);
    compiled.emit();
    for (const file of files) t.is(await run(file.replace(/\.mts$/, ".mjs")), "", file);
  });
}
