// Checks that every relative link in the repo's Markdown leads to a file, and every anchor to a heading.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { anchors, links } from "./lib/markdown.mjs";
import { ROOT } from "./lib/run.mjs";

/**
 * @param {string} file the Markdown file that holds the link
 * @param {string} target
 * @returns {string | undefined} what is wrong with it
 */
function fault(file, target) {
  if (/^[a-z][a-z\d+.-]*:|^\/\//i.test(target)) return undefined;
  const [path = "", anchor] = decodeURI(target).split("#");
  const relative = path.startsWith("/") ? path : join(dirname(file), path);
  const full = path === "" ? join(ROOT, file) : join(ROOT, normalize(relative));
  if (!existsSync(full)) return `${target} does not exist`;
  if (anchor === undefined || !full.endsWith(".md") || statSync(full).isDirectory()) return undefined;
  return anchors(readFileSync(full, "utf8")).has(anchor) ? undefined : `${target}: there is no such heading`;
}

const files = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"], {
  cwd: ROOT,
  encoding: "utf8",
})
  .split("\0")
  .filter((file) => file !== "" && existsSync(join(ROOT, file)));

let faults = 0;
for (const file of files) {
  for (const { target, line } of links(readFileSync(join(ROOT, file), "utf8"))) {
    const wrong = fault(file, target);
    if (wrong === undefined) continue;
    faults += 1;
    console.log(`${file}:${line}: ${wrong}`);
  }
}
if (faults > 0) process.exitCode = 1;
