/** Asking an echo server over many connections, as the tour and the benches do it. Knows the shape of a socket, no module. */
import { once } from "node:events";
import type nodeNet from "node:net";
import type * as maniacNet from "../net.js";

/** A socket of either module. */
export type Socket = maniacNet.Socket | nodeNet.Socket;

/** Bytes of a question and of its answer. */
export const BYTES = 64;

/** One connection's questions, each when the one before is answered; `told` hears of each answer how long it took. */
export function ask(
  socket: Socket,
  questions: number,
  told: (took: number) => void = () => undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const question = Buffer.alloc(BYTES, "?");
    let asked = 0;
    let missing = 0;
    let start = 0;
    const next = (): void => {
      if (asked++ === questions) {
        socket.off("data", take).off("error", reject);
        resolve();
        return;
      }
      missing = BYTES;
      start = performance.now();
      socket.write(question);
    };
    const take = (answer: Buffer): void => {
      missing -= answer.length;
      if (missing <= 0) {
        told(performance.now() - start);
        next();
      }
    };
    socket.on("data", take).on("error", reject);
    next();
  });
}

/** Connects until `into` has `count` sockets, `atOnce` at a time: fewer than a listener lets wait. */
export async function connectAll(
  connect: () => Socket,
  count: number,
  atOnce: number,
  into: Socket[],
): Promise<void> {
  while (into.length < count) {
    const some = Array.from({ length: Math.min(atOnce, count - into.length) }, connect);
    into.push(...some);
    await Promise.all(some.map((socket) => once(socket, "connect")));
  }
}
