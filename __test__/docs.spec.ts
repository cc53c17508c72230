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

/** The consumer is edited once: see `used`. */
let edits = 0;
const language = ts.createLanguageService({
  getCompilationSettings: () => options,
  getScriptFileNames: () => [consumer],
  getScriptVersion: (name) => (name === consumer ? String(edits) : "0"),
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
  /** Exported as a type only. */
  readonly isType: boolean;
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
    const isType =
      !(symbol.flags & ts.SymbolFlags.Value) || (one.declarations ?? []).some(ts.isTypeOnlyExportDeclaration);
    return isNodes(declaration) ? [] : [{ name, symbol, declaration, isType }];
  });
}

/** Where the consumer uses an export, and within the brackets of its call, if it can be called. */
interface Use {
  readonly at: number;
  readonly call: number | undefined;
}

/** Edits the consumer, so that it uses every export once. */
function used(): ReadonlyMap<string, Use> {
  const uses = new Map<string, Use>();
  let text = fs.readFileSync(consumer, "utf8");
  for (const [number, entry] of entries.entries()) {
    for (const { name, symbol, isType } of exported(entry)) {
      const own = `m${number}.${name.slice(entry.length + 1)}`;
      const isClass = (symbol.flags & ts.SymbolFlags.Class) !== 0;
      const isFunction = (symbol.flags & ts.SymbolFlags.Function) !== 0;
      // A class is named in one place and called in another, where an editor speaks of its constructor.
      text += isType || isClass ? `export type T${uses.size} = ${own};\n` : isFunction ? "" : `${own};\n`;
      const named = text.length - 3;
      const isCalled = !isType && (isClass || isFunction);
      if (isCalled) text += `${isClass ? "new " : ""}${own}();\n`;
      uses.set(name, {
        at: isFunction ? text.length - 5 : named,
        call: isCalled ? text.length - 3 : undefined,
      });
    }
  }
  fs.writeFileSync(consumer, text);
  edits++;
  return uses;
}
const uses = used();

/** What an editor lacks where a program uses this export: its comment, the way to where it is defined, its parameters. */
function lacking({ name, declaration }: Exported): string[] {
  const wrong: string[] = [];
  const { at, call } = uses.get(name) as Use;
  const info = language.getQuickInfoAtPosition(consumer, at);
  if (ts.displayPartsToString(info?.documentation) === "") wrong.push(`${name} has no comment`);
  const target = ts.getNameOfDeclaration(declaration)?.getText() ?? "";
  const definitions = language.getDefinitionAtPosition(consumer, at) ?? [];
  const leads = definitions.some(({ fileName, textSpan: { start, length } }) => {
    const text = fs.readFileSync(fileName, "utf8");
    return fileName.startsWith(`${packageRoot}/dist/`) && text.slice(start, start + length) === target;
  });
  if (!leads) wrong.push(`${name} leads to ${definitions[0]?.fileName}`);
  if (call === undefined) return wrong;
  const items = language.getSignatureHelpItems(consumer, call, undefined)?.items ?? [];
  if (items.length === 0) wrong.push(`${name} has no signature`);
  const unnamed = items.flatMap(({ parameters }) => parameters.filter(({ name }) => NO_NAME.test(name)));
  if (unnamed.length > 0) wrong.push(`${name}: a parameter is called ${unnamed[0]?.name}`);
  // Of a function the parameters have comments, too; one overload's serve all.
  const commented = items.some(({ parameters }) =>
    parameters.every(({ documentation }) => ts.displayPartsToString(documentation) !== ""),
  );
  if (ts.isFunctionDeclaration(declaration) && !commented) wrong.push(`${name}: a parameter has no comment`);
  return wrong;
}

/** What is no name for a parameter. */
const NO_NAME = /^(arg|args|_)\d*$/;

const comment = (symbol: ts.Symbol): string =>
  ts.displayPartsToString(symbol.getDocumentationComment(checker));

/** What is wrong with the names of a method's parameters. */
function parameters(of: ts.SignatureDeclaration, name: string): string[] {
  return of.parameters.flatMap((parameter) => {
    if (!ts.isIdentifier(parameter.name)) return [`${name}: a parameter has no name`];
    const { text } = parameter.name;
    return NO_NAME.test(text) ? [`${name}: a parameter is called ${text}`] : [];
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
      if (overloads === 1) found.push(...parameters(member, label));
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
      wrong.push(...lacking(one));
      const file = declaration.getSourceFile().fileName;
      const map = JSON.parse(fs.readFileSync(`${file}.map`, "utf8")) as { sources: string[] };
      const origin = path.resolve(path.dirname(file), map.sources[0] as string);
      const target = ts.getNameOfDeclaration(declaration)?.getText() ?? "";
      if (!fs.existsSync(origin) || !fs.readFileSync(origin, "utf8").includes(target))
        wrong.push(`${name} is not in ${origin}`);
      const callable = ts.isFunctionDeclaration(declaration) || ts.isClassDeclaration(declaration);
      const isExample = ({ name }: ts.JSDocTagInfo): boolean => name === "example";
      if (callable && !symbol.getJsDocTags(checker).some(isExample)) wrong.push(`${name} has no example`);
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
