// Everything that CI runs, and the same anywhere else: `bash .ci/run`.

import { cargo, closing, exit } from "./lib/counts.mjs";
import { crossSteps, installed, machineSteps } from "./lib/cross.mjs";
import { requireMachine } from "./lib/machine.mjs";
import { succeeds, which } from "./lib/run.mjs";
import { inRepo, npm } from "./lib/setup.mjs";
import { main } from "./lib/steps.mjs";
import { crates, targetFolder } from "./lib/workspace.mjs";

requireMachine();
const MSRV = "1.88.0";

await main(
  [
    {
      name: "check",
      about: "npm run check",
      command: [process.execPath, "scripts/check.mjs"],
      count: closing,
      show: true,
      minutes: 30,
    },
    {
      name: "test",
      about: "npm test",
      command: [...npm(), "test"],
      count: closing,
      show: true,
      minutes: 60,
    },
    {
      name: "binding",
      about: "the addon's generated loader and types are the committed ones",
      after: ["test"],
      unable: () => (inRepo("bindings/node") ? undefined : "bindings/node does not exist yet"),
      command: ["git", "diff", "--exit-code", "--", "src/binding.cjs", "src/binding.d.cts"],
      count: exit,
    },
    {
      name: "features",
      about: "the public crate builds and passes its tests with no feature, with each alone, and with all",
      command: ["cargo", "xtask", "features"],
      count: cargo,
      minutes: 30,
    },
    {
      name: "ecosystem",
      about: "well-known crates on maniac, one program each",
      command: ["cargo", "test", "--manifest-path", "examples/ecosystem/Cargo.toml", "--examples"],
      env: { CARGO_TARGET_DIR: targetFolder("ecosystem") },
      count: cargo,
      minutes: 30,
    },
    {
      name: "msrv",
      about: `every crate compiles with Rust ${MSRV}`,
      unable: withoutMsrv,
      command: ["cargo", `+${MSRV}`, "check", "--workspace"],
      env: { CARGO_TARGET_DIR: targetFolder("msrv") },
      count: exit,
    },
    ...crossSteps(crates()),
    ...machineSteps(500),
  ],
  { program: ".ci/run", logs: "ci", closing: ({ passed, failed }) => `${passed} passed, ${failed} failed` },
);

async function withoutMsrv() {
  const there = () => succeeds(["cargo", `+${MSRV}`, "--version"]);
  if (there()) return undefined;
  if (which("rustup") === undefined) return "there is no rustup to install it with";
  return await installed(
    ["rustup", "toolchain", "install", MSRV, "--profile", "minimal", "--no-self-update"],
    there,
  );
}
