// What a machine must have before anything here can run: Node and a Rust toolchain. Said in words before a stack trace says it.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./run.mjs";

/** @param {string} version such as `v20.19.0` or `1.88` */
export function parseVersion(version) {
  const [major = 0, minor = 0, patch = 0] = version.replace(/^v/, "").split(/[.-]/).map(Number);
  return { major, minor, patch };
}

/** package.json's `engines` in code: ^20.19.0 || >=22.12.0. @param {string} version */
export function nodeIsNewEnough(version) {
  const { major, minor } = parseVersion(version);
  return (major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22;
}

/** @param {string} version what `rustc --version` prints @param {string} least such as `1.88` */
export function rustIsNewEnough(version, least) {
  const have = parseVersion(/\d+\.\d+\.\d+/.exec(version)?.[0] ?? "0");
  const want = parseVersion(least);
  return have.major > want.major || (have.major === want.major && have.minor >= want.minor);
}

/** What is wrong with this machine, in words for a person, or nothing. @returns {string | undefined} */
export function whatIsMissing() {
  if (!nodeIsNewEnough(process.version)) {
    return `maniac needs Node 20.19 or newer of the 20 line, or 22.12 and newer; this is ${process.version}. See https://nodejs.org`;
  }
  const manifest = readFileSync(join(ROOT, "Cargo.toml"), "utf8");
  const least = /^rust-version = "([\d.]+)"/m.exec(manifest)?.[1] ?? "0";
  try {
    execFileSync("cargo", ["--version"], { stdio: ["ignore", "pipe", "pipe"] });
    const version = execFileSync("rustc", ["--version"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    });
    if (rustIsNewEnough(version, least)) return undefined;
    return `maniac needs Rust ${least} or newer; this is ${version.trim()}. 'rustup update stable' brings it up to date`;
  } catch (error) {
    const { stderr } = /** @type {{ stderr?: Buffer | string }} */ (error);
    const said = stderr?.toString().trim();
    return `maniac is built with a Rust toolchain (${least} or newer), and cargo does not run here${said ? `: ${said}` : ""}. See https://rustup.rs`;
  }
}

/** Ends the program with a clear message where the machine lacks something. */
export function requireMachine() {
  const missing = whatIsMissing();
  if (missing === undefined) return;
  console.error(missing);
  process.exit(1);
}
