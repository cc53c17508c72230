// `node scripts/sanitize.mjs`: the short forms of what `npm run deep` does with miri and the address sanitizer, for whoever
// has touched an island.
import { requireMachine } from "./lib/machine.mjs";
import { sanitizerSteps } from "./lib/sanitizers.mjs";
import { main } from "./lib/steps.mjs";
import { crates } from "./lib/workspace.mjs";

requireMachine();
await main(sanitizerSteps(crates(), { short: true }), {
  program: "node scripts/sanitize.mjs",
  logs: "sanitize",
  closing: ({ passed, failed, notRun }) => `${passed} passed, ${failed} failed, ${notRun} not run`,
});
