import assert from "node:assert/strict";
import { test } from "node:test";
import { page, verdict } from "./results.mjs";

/** @param {string} unit @param {Record<string, number>} results */
const result = (unit, results) => ({ group: "tasks", bench: "spawn", unit, rounds: 5, results });

test("the verdict compares with the best peer, whichever way is better", () => {
  assert.equal(verdict(result("ns", { maniac: 50, tokio: 200, may: 100 })), "2.00");
  assert.equal(verdict(result("thousands a second", { maniac: 50, tokio: 200, may: 100 })), "0.25");
});

test("the verdict leaves thread-bound peers, limits and our other ways out", () => {
  const results = { maniac: 50, "monoio (thread-bound)": 10, "raw ring (limit)": 5, "maniac on epoll": 20 };
  assert.equal(verdict(result("ns", results)), "");
  assert.equal(verdict(result("ns", { ...results, tokio: 100 })), "2.00");
});

test("nothing against nothing has no ratio", () => {
  assert.equal(verdict(result("of 32", { maniac: 0, tokio: 0 })), "");
});

test("the page has a table for each group and one of what was not run", () => {
  const rows = [result("ns", { maniac: 50, tokio: 100 }), { ...result("ns", { maniac: 1 }), group: "net" }];
  const text = page(rows, [{ notRun: "go", why: "there is no Go here" }], "5");
  assert.match(text, /## tasks\n\n.*\n.*\n\| spawn \| ns \| maniac 50\.0<br>tokio 100 \| 2\.00 \|/);
  assert.match(text, /## net\n/);
  assert.match(text, /## Not run\n\n.*\n.*\n\| go \| there is no Go here \|/);
});
