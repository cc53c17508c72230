// `npm run format`: puts every file into the form that `npm run check` asks for.
import { preparation } from "./lib/counts.mjs";
import { requireMachine } from "./lib/machine.mjs";
import { modulesSteps, nodeModule } from "./lib/setup.mjs";
import { runSteps } from "./lib/steps.mjs";
import { pythonTool } from "./lib/tools.mjs";

requireMachine();
const taplo = pythonTool("taplo");
const { failed } = await runSteps(
  [
    ...modulesSteps(),
    { name: "rustfmt", about: "Rust", command: ["cargo", "fmt", "--all"], count: preparation },
    {
      name: "biome",
      about: "TypeScript, JavaScript and JSON, with the safe fixes of its lints",
      command: [...nodeModule("@biomejs/biome/bin/biome"), "check", "--write"],
      count: preparation,
    },
    { name: "taplo", about: "TOML", unable: taplo.unable, command: [taplo.path, "fmt"], count: preparation },
  ],
  { logs: "format" },
);
if (failed > 0) process.exitCode = 1;
