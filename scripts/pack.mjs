// `node scripts/pack.mjs FOLDER`: the tarballs as they are published, from what was built. One for the package itself, which is
// free of scripts and names its platform packages, and one for each platform whose addon stands in src/.
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { ROOT } from "./lib/run.mjs";
import { npm } from "./lib/setup.mjs";

/** What only the repo needs. */
const PRIVATE_FIELDS = ["scripts", "devDependencies", "napi"];

/** @param {string} path @returns {Record<string, unknown>} */
function readJson(path) {
  return JSON.parse(readFileSync(path, "utf8"));
}

/** @param {string} from @param {string} to @returns {string} the tarball's path */
function npmPack(from, to) {
  const [program, ...args] = /** @type {[string, ...string[]]} */ (npm());
  const output = execFileSync(
    program,
    [...args, "pack", "--json", "--ignore-scripts", "--pack-destination", to],
    {
      cwd: from,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  return join(to, JSON.parse(output)[0].filename);
}

/** The folders of `npm/` whose addon has been built here. */
function platforms() {
  const folders = existsSync(join(ROOT, "npm")) ? readdirSync(join(ROOT, "npm")) : [];
  return folders.flatMap((folder) => {
    const manifest = readJson(join(ROOT, "npm", folder, "package.json"));
    const addon = join(ROOT, "src", String(manifest.main));
    return existsSync(addon)
      ? [{ folder: join(ROOT, "npm", folder), name: String(manifest.name), addon }]
      : [];
  });
}

/**
 * @param {string} to an empty folder
 * @returns {string[]} the tarballs, the package itself first
 */
export function pack(to) {
  const stage = join(to, "stage");
  mkdirSync(stage, { recursive: true });
  const built = platforms();
  execFileSync("tar", ["-xzf", npmPack(ROOT, to), "-C", stage]);
  const manifest = readJson(join(stage, "package/package.json"));
  for (const field of PRIVATE_FIELDS) delete manifest[field];
  manifest.optionalDependencies = Object.fromEntries(built.map(({ name }) => [name, manifest.version]));
  writeFileSync(join(stage, "package/package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  const tarballs = [npmPack(join(stage, "package"), to)];
  for (const { folder, name, addon } of built) {
    const copy = join(stage, name);
    cpSync(folder, copy, { recursive: true });
    cpSync(addon, join(copy, String(readJson(join(folder, "package.json")).main)));
    const own = readJson(join(copy, "package.json"));
    writeFileSync(
      join(copy, "package.json"),
      `${JSON.stringify({ ...own, version: manifest.version }, null, 2)}\n`,
    );
    tarballs.push(npmPack(copy, to));
  }
  rmSync(stage, { recursive: true });
  return tarballs;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const to = resolve(process.argv[2] ?? "target/pack");
  rmSync(to, { recursive: true, force: true });
  for (const tarball of pack(to)) console.log(tarball);
}
