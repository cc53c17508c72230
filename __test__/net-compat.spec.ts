/**
 * `maniac/net` beside `node:net` and `node:dgram`: every case runs with Node on both sides, and must come to the same with maniac on
 * both, and with maniac on either.
 */
import dgram from "node:dgram";
import net from "node:net";
import { isDeepStrictEqual } from "node:util";
import test from "ava";
import * as maniac from "maniac/net";
import { NET_CASES, type NetCase, type NetModule, Trace } from "./fixtures/net-cases.js";

const node: NetModule = { ...net, createSocket: dgram.createSocket } as unknown as NetModule;
const ours = maniac as unknown as NetModule;

async function trace(one: NetCase, listening: NetModule, connecting: NetModule): Promise<unknown> {
  const trace = new Trace();
  await one.run(listening, connecting, trace);
  await trace.settled();
  return trace.seen;
}

const SIDES: readonly [string, NetModule, NetModule][] = [
  ["maniac on both sides", ours, ours],
  ["maniac listening", ours, node],
  ["maniac connecting", node, ours],
];

for (const one of NET_CASES) {
  test.serial(one.name, async (t) => {
    const expected = await trace(one, node, node);
    for (const [name, listening, connecting] of SIDES) {
      const actual = await trace(one, listening, connecting);
      if (!isDeepStrictEqual(actual, expected)) {
        t.log(name);
        t.deepEqual(actual, expected);
      }
    }
    t.pass();
  });
}
