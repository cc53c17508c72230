// Brings Node's own test files onto this machine: the source package of Debian, by apt, whose signatures say that it is the real one.
// They land in target/, and nothing of them is ever committed.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT, run, which } from "../run.mjs";

/** Where they are unpacked. */
export const SOURCE = join(ROOT, "target/node-tests/source");

/** Debian's release that has Node 20. */
const SUITE = "trixie";
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
const MIRROR = "http://deb.debian.org/debian";

/** The mirror that this machine uses anyway, if it is a Debian's. */
function mirror() {
  const list = "/etc/apt/sources.list.d/debian.sources";
  const uri = existsSync(list) ? /^URIs: *(\S+)/m.exec(readFileSync(list, "utf8"))?.[1] : undefined;
  return uri ?? MIRROR;
}

/**
 * Unpacks the tests unless they are there; says why that cannot be done, if it cannot.
 * @returns {Promise<string | undefined>}
 */
export async function withoutNodeTests() {
  if (existsSync(join(SOURCE, "test/parallel"))) return undefined;
  for (const program of ["apt-get", "tar", "xz"]) {
    if (which(program) === undefined)
      return `there is no ${program} to fetch Debian's source package of Node with`;
  }
  if (!existsSync(KEYRING))
    return `${KEYRING} is not there, by which Debian's source package of Node is checked`;
  const folder = join(ROOT, "target/node-tests/apt");
  rmSync(folder, { recursive: true, force: true });
  for (const part of ["lists/partial", "cache/archives/partial", "etc"]) {
    mkdirSync(join(folder, part), { recursive: true });
  }
  writeFileSync(join(folder, "status"), "");
  writeFileSync(
    join(folder, "etc/node.sources"),
    `Types: deb-src\nURIs: ${mirror()}\nSuites: ${SUITE}\nComponents: main\nSigned-By: ${KEYRING}\n`,
  );
  return await fetched(folder);
}

/** @param {string} folder with apt's settings in it */
async function fetched(folder) {
  const settings = Object.entries({
    "Dir::State::Lists": join(folder, "lists"),
    "Dir::State::status": join(folder, "status"),
    "Dir::Etc::sourcelist": "/dev/null",
    "Dir::Etc::sourceparts": join(folder, "etc"),
    "Dir::Cache": join(folder, "cache"),
    "Acquire::Languages": "none",
    "Acquire::Retries": "5",
    "APT::Sandbox::User": "",
  }).flatMap(([key, value]) => ["-o", `${key}=${value}`]);
  /** @param {readonly string[]} command */
  const apt = (command) =>
    run(["apt-get", ...settings, "-qq", ...command], {
      log: join(folder, "apt.log"),
      cwd: folder,
      minutes: 10,
    });
  const update = await apt(["update"]);
  // A mirror that is between two versions may lack the packaging; the tests are in the archive of the original, which is checked by itself.
  const download = await apt(["--download-only", "source", "nodejs"]);
  const archive = readdirSync(folder).find((name) => /^nodejs_.*\.orig\.tar\.xz$/.test(name));
  if (archive === undefined) {
    const said = `${update.output}\n${download.output}`.split("\n").filter((line) => line.startsWith("E:"));
    return `Debian's source package of Node could not be fetched: ${said[0] ?? download.ended ?? "apt-get said no reason"}`;
  }
  const partial = `${SOURCE}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  const unpacked = await run(
    [
      "tar",
      "-xf",
      archive,
      "-C",
      partial,
      "--strip-components=1",
      "--wildcards",
      "*/test/*",
      "*/node_version.h",
    ],
    { log: join(folder, "tar.log"), cwd: folder, minutes: 10 },
  );
  if (unpacked.code !== 0) return `${archive} could not be unpacked: ${unpacked.output.trim()}`;
  // They are scripts; without this file they would be what this repo's own package.json says.
  writeFileSync(join(partial, "package.json"), "{}\n");
  renameSync(partial, SOURCE);
  rmSync(folder, { recursive: true, force: true });
  return undefined;
}

/** The version of Node that the tests belong to. */
export function testsVersion() {
  const header = readFileSync(join(SOURCE, "src/node_version.h"), "utf8");
  return ["MAJOR", "MINOR", "PATCH"]
    .map((part) => new RegExp(`#define NODE_${part}_VERSION (\\d+)`).exec(header)?.[1])
    .join(".");
}
