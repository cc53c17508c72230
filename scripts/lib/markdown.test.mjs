import assert from "node:assert/strict";
import { test } from "node:test";
import { anchors, links } from "./markdown.mjs";

test("links, images and definitions, but nothing in code", () => {
  const text = [
    "[a](one.md) and ![b](two.png 'title') and [c](<three.md#x>)",
    "`[d](four.md)` and ``[e](`five.md`)``",
    "```md",
    "[f](six.md)",
    "```",
    "[g]: seven.md",
  ].join("\n");
  assert.deepEqual(links(text), [
    { target: "one.md", line: 1 },
    { target: "two.png", line: 1 },
    { target: "three.md#x", line: 1 },
    { target: "seven.md", line: 6 },
  ]);
});

test("anchors are what the forge makes of headings", () => {
  const text =
    '# One: `two` & three!\n## Same\n### Same\n#### [Linked](x.md) under_score\n```\n# not one\n```\n<a id="own"></a>\n';
  assert.deepEqual([...anchors(text)].sort(), [
    "linked-under_score",
    "one-two--three",
    "own",
    "same",
    "same-1",
  ]);
});
