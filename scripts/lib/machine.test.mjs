import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeIsNewEnough, rustIsNewEnough, whatIsMissing } from "./machine.mjs";

test("Node's lines", () => {
  for (const version of ["v20.19.0", "v20.20.2", "v22.12.0", "v23.0.0", "v24.1.0"])
    assert.ok(nodeIsNewEnough(version), version);
  for (const version of ["v18.20.0", "v20.18.9", "v21.7.0", "v22.11.0"])
    assert.ok(!nodeIsNewEnough(version), version);
});

test("Rust's versions", () => {
  assert.ok(rustIsNewEnough("rustc 1.88.0 (6b00bc388 2025-06-23)", "1.88"));
  assert.ok(rustIsNewEnough("rustc 1.100.0-nightly (x 2026-01-01)", "1.88"));
  assert.ok(!rustIsNewEnough("rustc 1.87.0 (x)", "1.88"));
  assert.ok(!rustIsNewEnough("", "1.88"));
});

test("this machine will do", () => {
  assert.equal(whatIsMissing(), undefined);
});
