#!/usr/bin/env node
/** The command line tool: finds the command and runs it. Exit codes: 0 done, 1 something went wrong, 2 wrong usage. */
import { UsageError } from "./usage.js";

const HELP = `maniac: an M:N async runtime for Node

  maniac tour [DIR] [--out FILE] [--json] [--quick]
                                            the runtime at work on the files below DIR, beside plain Node;
                                            the SHA-256 manifest goes to standard output or to FILE;
                                            --quick: a tenth of the latencies, answers and timers
  maniac doctor [--json] [--redact]         what this machine offers, which driver is used, and why
  maniac try [--runs N] [--json] -- COMMAND
                                            your own command without and with maniac/register: time, processor time,
                                            reads, and whether it does the same
  maniac bench [--quick] [--rounds N] [--only WORD] [--bun PROGRAM] [--json]
                                            files and sockets beside Node's own and Bun's, as a table;
                                            --quick: a tenth of the work
  maniac help                               this text
  maniac version                            the version

NO_COLOR=1 leaves colours out. MANIAC_DRIVER=uring or poll forces a driver.
Exit codes: 0 done, 1 something went wrong (the rest of the work was still done), 2 wrong usage.
`;

async function run([command = "help", ...words]: readonly string[]): Promise<number> {
  switch (command) {
    case "tour":
      return (await import("./tour.js")).tour(words);
    case "doctor":
      return (await import("./doctor.js")).doctor(words);
    case "try":
      return (await import("./try.js")).tryCommand(words);
    case "bench":
      return (await import("./bench.js")).bench(words);
    case "version":
    case "--version": {
      process.stdout.write(`${(await import("../index.js")).probe().version}\n`);
      return 0;
    }
    case "help":
    case "--help":
    case "-h":
      process.stdout.write(HELP);
      return 0;
    default:
      throw new UsageError(`there is no command ${command}`);
  }
}

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  const closed = error.code === "EPIPE" ? "whoever read standard output has gone" : error.message;
  process.stderr.write(`maniac: ${closed}\n`);
  process.exit(1);
});

run(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    if (error instanceof UsageError) {
      process.stderr.write(`maniac: ${error.message}\nTry: maniac help\n`);
      process.exitCode = 2;
    } else {
      process.stderr.write(`maniac: ${error instanceof Error ? error.message : String(error)}\n`);
      process.exitCode = 1;
    }
  },
);
