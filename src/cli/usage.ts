/** A command line that asks for what does not exist: exit code 2. */
export class UsageError extends Error {}

/** The arguments of a command: flags, flags with a value, and the rest. */
export interface Arguments {
  readonly flags: ReadonlySet<string>;
  readonly values: ReadonlyMap<string, string>;
  readonly rest: readonly string[];
}

/**
 * Takes a command line apart.
 *
 * @param words - what follows the command.
 * @param flags - the flags that it knows, such as `--json`.
 * @param valued - the flags that take a value.
 * @param most - how many further words it takes.
 */
export function parse(
  words: readonly string[],
  flags: readonly string[],
  valued: readonly string[] = [],
  most = 0,
): Arguments {
  const found = { flags: new Set<string>(), values: new Map<string, string>(), rest: [] as string[] };
  let plain = false;
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string;
    const [name = "", ...after] = word.split("=");
    if (plain || !word.startsWith("-") || word === "-") {
      found.rest.push(word);
    } else if (word === "--") {
      plain = true;
    } else if (flags.includes(word)) {
      found.flags.add(word);
    } else if (valued.includes(name)) {
      const value = word.includes("=") ? after.join("=") : words[++at];
      if (value === undefined || value === "") throw new UsageError(`${name} needs a value`);
      found.values.set(name, value);
    } else {
      throw new UsageError(`there is no option ${word}`);
    }
  }
  if (found.rest.length > most) {
    throw new UsageError(`${found.rest[most]} is one argument too many`);
  }
  return found;
}
