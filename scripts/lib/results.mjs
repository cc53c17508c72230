// benches/RESULTS.md: what `npm run bench` found, as a page.
import { cpus, release } from "node:os";

/**
 * @typedef {{ group: string, bench: string, unit: string, rounds: number, results: Record<string, number> }} Result
 * @typedef {{ notRun: string, why: string }} NotRun
 */

/** Peers and rows that no machine has. @type {readonly NotRun[]} */
const NEVER = [
  {
    notRun: "may, in most rows of two workers and of spawning from outside",
    why: "it has one scheduler a process, whose workers are set once; where a server or a ticker has a process of its own, it runs",
  },
  {
    notRun: "may, in wake, timers and files",
    why: "its coroutines have no wakers, its timers no handle to cancel, and its files are the standard library's",
  },
  {
    notRun: "monoio, compio beside tasks that do not yield, and on two workers",
    why: "each has one thread a runtime, which such a task has for itself",
  },
  {
    notRun: "go in spawning from outside and in waking",
    why: "there is no outside: main is a goroutine; and no waker",
  },
  { notRun: "tokio-uring, glommio", why: "thread-bound, as monoio and compio, which stand for them" },
  { notRun: "deno", why: "Node and Bun stand for the runtimes of JavaScript" },
];

/** Peers that never move a task, limits, and what is ours as well: no peers to be compared with. */
const BESIDE = /thread-bound|limit|^maniac/;

/** @param {Result} result */
export function figures({ results }) {
  return Object.entries(results)
    .map(([name, figure]) => `${name} ${show(figure)}`)
    .join(" · ");
}

/** @param {number} figure */
function show(figure) {
  return figure >= 100 ? figure.toFixed(0) : figure.toFixed(figure >= 10 ? 1 : 2);
}

/**
 * How many times better ours is than the best of the peers that may be compared; nothing where there is none, or no ratio.
 * @param {Result} result
 */
export function verdict({ unit, results }) {
  const [ours, ...peers] = Object.entries(results);
  const comparable = peers.filter(([name]) => !BESIDE.test(name)).map(([, figure]) => figure);
  if (ours === undefined || comparable.length === 0) return "";
  const more = unit.endsWith("second");
  const best = more ? Math.max(...comparable) : Math.min(...comparable);
  const ratio = more ? ours[1] / best : best / ours[1];
  return Number.isFinite(ratio) ? ratio.toFixed(2) : "";
}

/**
 * @param {readonly Result[]} results
 * @param {readonly NotRun[]} notRun
 * @param {string} rounds
 */
export function page(results, notRun, rounds) {
  const tables = [...grouped(results)].map(([group, rows]) => {
    const lines = rows.map(
      (row) => `| ${row.bench} | ${row.unit} | ${figures(row).replaceAll(" · ", "<br>")} | ${verdict(row)} |`,
    );
    return `## ${group}\n\n| bench | unit | medians | ours against the best peer |\n|---|---|---|---|\n${lines.join("\n")}\n`;
  });
  const absent = [...notRun, ...NEVER].map(({ notRun: who, why }) => `| ${who} | ${why} |`);
  const day = new Date().toISOString().slice(0, 10);
  const processors = cpus();
  return `# Results

Made by \`npm run bench\` on ${day}: ${processors.length} processors (${processors[0]?.model.trim()}), Linux ${release()}, Node ${process.versions.node}.
All of a row's runtimes ran in turn; medians of ${rounds} rounds. Compare within a row: the figures of two days, or two
machines, have nothing to say to each other. The last column is how many times better ours is than the best peer whose tasks can move between
threads; below 1 it is worse. Runtimes marked thread-bound never move a task and stand there for comparison, as do the system's own
calls, marked as limits. Servers run in processes of their own, whose processor time alone is counted; so do Go and Bun, and, in preemption and memory, all.
Tickers' figures are of all ticks of all rounds.

${tables.join("\n")}
## Not run

| peer | why |
|---|---|
${absent.join("\n")}
`;
}

/** @param {readonly Result[]} results */
function grouped(results) {
  /** @type {Map<string, Result[]>} */
  const groups = new Map();
  for (const result of results) groups.set(result.group, [...(groups.get(result.group) ?? []), result]);
  return groups;
}
