/**
 * Puts the engine under the facade that `MANIAC_TEST_ENGINE` names: `native` (the default) or
 * `fake`. Import it before the first operation; the specs are the same for both.
 */
import { FakeBinding, type FakeEngine } from "./fake-engine.js";
import { binding } from "./internal.js";

/** Which engine the specs run on. */
export const engineName: "fake" | "native" = process.env.MANIAC_TEST_ENGINE === "fake" ? "fake" : "native";

const seed = Number(process.env.MANIAC_SEED ?? Date.now() % 1_000_000);
const hideTypes = process.env.MANIAC_FAKE_HIDE_TYPES === "1";
const fake = new FakeBinding({ inline: "random", seed, unkind: true, hideTypes });

if (engineName === "fake") {
  binding.useBinding(fake);
  process.stderr.write(`fake engine, MANIAC_SEED=${seed}\n`);
}

/** The fake engine, to look into; `undefined` on the native one and before the first operation. */
export function fakeEngine(): FakeEngine | undefined {
  return fake.last;
}
