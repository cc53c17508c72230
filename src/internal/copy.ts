/** Copies between descriptors within the kernel: `FileHandle.copyTo`. */
import type { Abortable } from "node:events";
import type { Completion } from "./completion.js";
import type { Descriptor } from "./descriptor.js";
import { onDescriptor } from "./handle-io.js";
import { invalidType } from "./node-errors.js";
import { OP_COPY } from "./ops.js";
import type { Held, Operation } from "./request.js";
import { runWith } from "./run.js";
import { signalOf, validInt32, validInteger } from "./validate.js";

/** Where {@link FileHandle.copyTo} copies to: an open file, or anything with a descriptor. */
export interface CopyTarget {
  /** The descriptor's number. */
  readonly fd: number;
}

/** Options of {@link FileHandle.copyTo}. */
export interface CopyOptions extends Abortable {
  /** Where in this file to start; `null` means the cursor, which then moves. Default `null`. */
  position?: number | null | undefined;
  /** Where in the target to write; `null` means its cursor, as sockets need it. Default `null`. */
  targetPosition?: number | null | undefined;
  /** Bytes to copy at most. Default: to the end of this file. */
  length?: number | undefined;
}

/** The protocol's "to the end". */
const TO_END = -1;

const COPY: Operation = {
  code: OP_COPY,
  steps: ["copy_file_range"],
  finish: (_request, completion: Completion) => completion.extra,
};

/** Starts a copy; both files stay open until it has ended. */
export function copyBetween(
  source: Descriptor,
  target: CopyTarget,
  targetDescriptor: Descriptor | undefined,
  options: CopyOptions,
): Promise<number> {
  if (target === null || typeof target !== "object" || typeof target.fd !== "number") {
    throw invalidType("target", "an instance of FileHandle or an object with a descriptor", target);
  }
  const request = onDescriptor(COPY, source);
  request.arg0 = validInt32(target.fd, "target.fd", 0);
  request.position = position(options.position, "options.position");
  request.extra2 = position(options.targetPosition, "options.targetPosition");
  request.extra = options.length === undefined ? TO_END : validInteger(options.length, "options.length", 0);
  const signal = signalOf(options);
  source.ref();
  targetDescriptor?.ref();
  const both: Held = {
    unref() {
      source.unref();
      targetDescriptor?.unref();
    },
  };
  request.hold(both);
  return runWith(request, signal);
}

function position(value: number | null | undefined, name: string): number {
  return value === null || value === undefined ? -1 : validInteger(value, name, 0);
}
