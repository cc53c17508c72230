/** File times on their way to the kernel: whole seconds and nanoseconds. */
import { errnoOf } from "./os-errors.js";
import type { Request } from "./request.js";
import { NODE_MAJOR } from "./validate.js";

/** Nanoseconds that mean "the present time". */
const NOW = -1;

/** Splits seconds as libuv does: whole seconds, and nanoseconds of microsecond precision. */
function splitSeconds(seconds: number): { readonly whole: number; readonly nanoseconds: number } | undefined {
  if (!Number.isFinite(seconds)) {
    // libuv before 1.50 hands the kernel an invalid time; later ones take it for "now".
    return NODE_MAJOR < 22 ? undefined : { whole: 0, nanoseconds: NOW };
  }
  const whole = Math.floor(seconds);
  const micros = Math.floor((seconds * 1e6) % 1e6);
  return { whole, nanoseconds: (micros < 0 ? micros + 1e6 : micros) * 1e3 };
}

/** Puts both times of a utimes operation into `request`; an error number if one cannot be expressed. */
export function putTimes(request: Request, atime: number, mtime: number): number {
  const access = splitSeconds(atime);
  const modification = splitSeconds(mtime);
  if (access === undefined || modification === undefined) {
    return errnoOf("EINVAL");
  }
  request.position = access.whole;
  request.arg0 = access.nanoseconds;
  request.extra = modification.whole;
  request.arg1 = modification.nanoseconds;
  return 0;
}
