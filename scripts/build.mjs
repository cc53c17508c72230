// `npm run build`: the addon and the facade, nothing more.
import { requireMachine } from "./lib/machine.mjs";
import { buildSteps } from "./lib/setup.mjs";
import { runSteps } from "./lib/steps.mjs";

requireMachine();
const { failed } = await runSteps(buildSteps(), { logs: "build" });
if (failed > 0) process.exitCode = 1;
