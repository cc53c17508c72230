// Finds the links of a Markdown file and the anchors that its headings have on the forge.

/** Blanks code, where nothing is a link or a heading, and keeps the line numbers. @param {string} text */
function withoutCode(text) {
  /** @param {string} code */
  const blank = (code) => code.replaceAll(/[^\n]/g, " ");
  return text
    .replaceAll(/^( *)(`{3,}|~{3,})[^\n]*\n[\s\S]*?^ *\2[`~]* *$/gm, blank)
    .replaceAll(/<!--[\s\S]*?-->/g, blank)
    .replaceAll(/(`+)(?!`)[^\n]*?(?<!`)\1(?!`)/g, blank);
}

/**
 * @param {string} text
 * @returns {{ target: string, line: number }[]} targets of inline links, images and reference definitions
 */
export function links(text) {
  const clean = withoutCode(text);
  const inline = clean.matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+["'(][^)]*)?\s*\)/g);
  const definitions = clean.matchAll(/^ {0,3}\[[^\]]+\]:\s*<?([^\s>]+)/gm);
  return [...inline, ...definitions].map((match) => ({
    target: match[1] ?? "",
    line: clean.slice(0, match.index).split("\n").length,
  }));
}

/** @param {string} text @returns {Set<string>} */
export function anchors(text) {
  /** @type {Map<string, number>} */
  const seen = new Map();
  const found = new Set([...text.matchAll(/<a\s+(?:id|name)="([^"]+)"/g)].map((match) => match[1] ?? ""));
  for (const heading of headings(text)) {
    const slug = slugOf(heading);
    const times = seen.get(slug) ?? 0;
    seen.set(slug, times + 1);
    found.add(times === 0 ? slug : `${slug}-${times}`);
  }
  return found;
}

/** The text of each heading, code spans included. @param {string} text */
function headings(text) {
  const clean = withoutCode(text).split("\n");
  return text
    .split("\n")
    .filter((_, index) => /^ {0,3}#{1,6}\s/.test(clean[index] ?? ""))
    .map((line) => line.replace(/^ *#+\s+/, "").replace(/\s+#*\s*$/, ""));
}

/** As the forge makes it: lower case, no punctuation, a hyphen for each space. @param {string} heading */
function slugOf(heading) {
  return heading
    .replaceAll(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{M}\p{N}\p{Pc} -]/gu, "")
    .replaceAll(" ", "-");
}
