// `npm start [-- DIR]`: sets itself up, builds what is stale and shows the runtime at work (`maniac tour`).
// Standard output belongs to the tour.
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { join } from "node:path";
import { requireMachine } from "./lib/machine.mjs";
import { ROOT } from "./lib/run.mjs";
import { buildSteps } from "./lib/setup.mjs";
import { runSteps } from "./lib/steps.mjs";

requireMachine();
const { failed, notRun } = await runSteps(buildSteps(), { logs: "start", out: process.stderr });
if (failed + notRun > 0) {
  console.error("maniac could not be built; the lines above say why");
  process.exit(1);
}
// Whoever interrupts us interrupts the tour, which ends in its own way; we end after it.
process.removeAllListeners("SIGINT").on("SIGINT", () => {});
process.removeAllListeners("SIGTERM").on("SIGTERM", () => tour.kill("SIGTERM"));
const command = [join(ROOT, "dist/cli/main.js"), "tour", ...process.argv.slice(2)];
const tour = spawn(process.execPath, command, { stdio: "inherit" });
tour.once("exit", (code, signal) => {
  process.exitCode = code ?? 128 + constants.signals[signal ?? "SIGTERM"];
});
