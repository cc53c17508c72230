/** `maniac doctor`: what this machine gives the runtime, which driver it takes, and why. */
import { readFileSync } from "node:fs";
import { arch, availableParallelism, hostname, platform, totalmem, userInfo } from "node:os";
import { type Probe, probe } from "../index.js";
import { bytes } from "./screen.js";
import { parse } from "./usage.js";

/** What the doctor finds. */
interface Findings {
  readonly version: string;
  readonly node: string;
  readonly platform: string;
  readonly kernel: string;
  readonly driver: Probe["driver"];
  readonly reason: string;
  readonly uringRefusal: string | null;
  readonly ringEntries: number | null;
  readonly ringFlags: readonly string[];
  readonly lockedMemoryLimit: number | null;
  readonly openFilesLimit: string | null;
  readonly cpus: number;
  readonly memory: number;
  readonly environment: Readonly<Record<string, string>>;
  readonly host: string;
  readonly user: string;
  readonly directory: string;
}

/** One line of /proc/self/limits, its soft limit. */
function limit(name: string): string | null {
  try {
    const line = readFileSync("/proc/self/limits", "utf8")
      .split("\n")
      .find((text) => text.startsWith(name));
    return line?.slice(name.length).trim().split(/\s+/)[0] ?? null;
  } catch {
    return null;
  }
}

function user(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? "");
  }
}

function find(redact: boolean): Findings {
  const found = probe();
  const hide = (text: string): string => (redact ? "(redacted)" : text);
  const environment: Record<string, string> = {};
  for (const name of ["MANIAC_DRIVER", "UV_THREADPOOL_SIZE", "NODE_OPTIONS"]) {
    const value = process.env[name];
    if (value !== undefined) environment[name] = name === "NODE_OPTIONS" ? hide(value) : value;
  }
  return {
    version: found.version,
    node: process.version,
    platform: `${platform()}-${arch()}`,
    kernel: found.kernel,
    driver: found.driver,
    reason: found.reason,
    uringRefusal: found.uringRefusal ?? null,
    ringEntries: found.ringEntries ?? null,
    ringFlags: found.ringFlags,
    lockedMemoryLimit: found.lockedMemoryLimit ?? null,
    openFilesLimit: limit("Max open files"),
    cpus: availableParallelism(),
    memory: totalmem(),
    environment,
    host: hide(hostname()),
    user: hide(user()),
    directory: hide(process.cwd()),
  };
}

/** Runs the command; gives the exit code. */
export function doctor(words: readonly string[]): number {
  const { flags } = parse(words, ["--json", "--redact"]);
  const found = find(flags.has("--redact"));
  if (flags.has("--json")) {
    process.stdout.write(`${JSON.stringify(found, undefined, 2)}\n`);
    return 0;
  }
  const ring =
    found.ringEntries === null
      ? "none"
      : `${found.ringEntries} entries; ${found.ringFlags.join(", ") || "no flags"}`;
  const rows: [string, string][] = [
    ["maniac", found.version],
    ["Node", `${found.node} on ${found.platform}`],
    ["kernel", found.kernel],
    ["driver", `${found.driver}: ${found.reason}`],
    ["io_uring refused", found.uringRefusal ?? "no"],
    ["ring", ring],
    ["locked memory", found.lockedMemoryLimit === null ? "no limit" : bytes(found.lockedMemoryLimit)],
    ["open files", found.openFilesLimit ?? "unknown"],
    ["processors", String(found.cpus)],
    ["memory", bytes(found.memory)],
    [
      "environment",
      Object.entries(found.environment)
        .map((entry) => entry.join("="))
        .join(" ") || "nothing set",
    ],
    ["host", `${found.host}, user ${found.user}, in ${found.directory}`],
  ];
  for (const [name, value] of rows) process.stdout.write(`${name.padEnd(18)}${value}\n`);
  return 0;
}
