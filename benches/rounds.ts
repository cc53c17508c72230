/** What the benches of pools and jobs share: their command line and their medians. */
import { parseArgs } from "node:util";

/** What the command line says: `[--rounds N]`. */
export function options(): { readonly rounds: number } {
  const { values } = parseArgs({ options: { rounds: { type: "string", default: "5" } } });
  const rounds = Number(values.rounds);
  if (!(rounds > 0)) throw new Error("--rounds takes a number");
  return { rounds };
}

/** The value below which `part` of the values lie. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}
