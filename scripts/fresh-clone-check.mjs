// Does what a new user does: clones the repo (its last commit) and, with an empty home and as the very first command, runs
// `npm test` in one clone and `npm start` in another. Of this user's home only the Rust toolchain is lent.
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { closing, exit, preparation } from "./lib/counts.mjs";
import { ROOT } from "./lib/run.mjs";
import { main } from "./lib/steps.mjs";

const folder = realpathSync(mkdtempSync(join(tmpdir(), "maniac-fresh-")));
const inherited = Object.keys(process.env).filter((name) => /^(npm_|NODE_|CARGO|XDG_|INIT_CWD)/i.test(name));

/** @param {string} name */
function stranger(name) {
  const home = join(folder, `home-${name}`);
  mkdirSync(home);
  return {
    ...Object.fromEntries(inherited.map((variable) => [variable, undefined])),
    HOME: home,
    RUSTUP_HOME: process.env.RUSTUP_HOME ?? join(homedir(), ".rustup"),
  };
}

/**
 * @param {string} name
 * @param {string} command
 * @param {import("./lib/counts.mjs").Reader} count
 * @returns {import("./lib/steps.mjs").Step[]}
 */
function inClone(name, command, count) {
  const cwd = join(folder, name);
  const env = stranger(name);
  return [
    {
      name: `clone-${name}`,
      about: "git clone",
      command: ["git", "clone", "--quiet", "--no-local", ROOT, cwd],
      count: preparation,
    },
    {
      name,
      about: command,
      after: [`clone-${name}`],
      command: ["bash", "-o", "pipefail", "-c", `cd '${cwd}' && ${command}`],
      env,
      count,
      show: true,
      minutes: 60,
    },
    {
      name: `clean-${name}`,
      about: "and it leaves no file that git would see",
      after: [`clone-${name}`],
      command: ["bash", "-c", `cd '${cwd}' && git status --porcelain && test -z "$(git status --porcelain)"`],
      count: exit,
    },
  ];
}

await main([...inClone("test", "npm test", closing), ...inClone("start", "npm start | sha256sum -c", exit)], {
  program: "fresh-clone-check",
  logs: "fresh-clone",
  closing: ({ passed, failed }) => `${passed} passed, ${failed} failed`,
});
rmSync(folder, { recursive: true, force: true });
