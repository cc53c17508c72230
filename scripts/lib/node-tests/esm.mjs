// Module hooks of preload.mjs: an import of `net` or `dgram` gives what a require gives.

/** The names that each module exports. @type {Record<string, readonly string[]>} */
let names = {};

/** @param {Record<string, readonly string[]>} data */
export function initialize(data) {
  names = data;
}

/** @type {import("node:module").ResolveHook} */
export function resolve(specifier, context, next) {
  const name = specifier.replace(/^node:/, "");
  return name in names ? { url: `maniac-node-tests:${name}`, shortCircuit: true } : next(specifier, context);
}

/** @type {import("node:module").LoadHook} */
export function load(url, context, next) {
  const name = /^maniac-node-tests:(.*)$/.exec(url)?.[1];
  if (name === undefined) return next(url, context);
  const exported = (names[name] ?? []).map((one) => `export const ${one} = module[${JSON.stringify(one)}];`);
  const source =
    `const module = globalThis[Symbol.for("maniac.node-tests")][${JSON.stringify(name)}];\n` +
    `export default module;\n${exported.join("\n")}\n`;
  return { format: "module", source, shortCircuit: true };
}
