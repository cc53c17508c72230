import assert from "node:assert/strict";
import { test } from "node:test";
import { describe } from "./workspace.mjs";

test("what the steps know of a crate", () => {
  /** @param {string} folder @param {string} name @param {...string} uses */
  const package_ = (folder, name, ...uses) => ({
    name,
    manifest_path: `/repo/${folder}/Cargo.toml`,
    dependencies: uses.map((use) => ({ name: use })),
  });
  const crates = describe(
    [
      package_("crates/maniac-driver", "maniac-driver", "mio"),
      package_("crates/maniac-runtime", "maniac-runtime", "maniac-driver"),
      package_("crates/maniac-io", "maniac-io", "maniac-runtime", "maniac-io"),
      package_("crates/maniac-wheel", "maniac-wheel"),
      package_("bindings/node", "maniac-node", "maniac-io", "napi"),
      package_("xtask", "xtask", "serde_json"),
    ],
    (folder) => (folder.includes("wheel") ? ["loom.rs", "model.rs"] : []),
  );
  const names = (/** @type {(crate: import("./workspace.mjs").Crate) => boolean} */ has) =>
    crates.filter(has).map(({ name }) => name);
  assert.deepEqual(
    names(({ onDriver }) => onDriver),
    ["maniac-driver", "maniac-runtime", "maniac-io", "maniac-node"],
  );
  assert.deepEqual(
    names(({ napi }) => napi),
    ["maniac-node"],
  );
  assert.deepEqual(
    names(({ loom }) => loom),
    ["maniac-wheel"],
  );
  assert.deepEqual(
    names(({ product }) => !product),
    ["maniac-node", "xtask"],
  );
});
