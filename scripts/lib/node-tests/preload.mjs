// Preloaded into Node's own tests: `maniac/register` for files, and `maniac/net` where the program asks for `net` or `dgram`, by require or
// by import. Node's own modules keep theirs: a server of `http` is not what is tested. At exit a line tells how much went through maniac.
import dgram from "node:dgram";
import { appendFileSync } from "node:fs";
import Module, { register } from "node:module";
import net from "node:net";
import { metrics } from "maniac";
import * as maniac from "maniac/net";
import { registerReport } from "maniac/register";

const { MANIAC_NODE_TESTS_FILE: file } = process.env;

/** Calls of `net` and `dgram`, by name. @type {Record<string, number>} */
const calls = {};

/** Counts calls of a function, and what a class makes. @template {Function} F @param {string} name @param {F} ours @returns {F} */
function counted(name, ours) {
  const count = () => {
    calls[name] = (calls[name] ?? 0) + 1;
  };
  return new Proxy(ours, {
    apply(target, self, values) {
      count();
      return Reflect.apply(target, self, values);
    },
    construct(target, values, newTarget) {
      count();
      return Reflect.construct(target, values, newTarget);
    },
  });
}

const Socket = counted("net.Socket", maniac.Socket);
const connect = counted("net.connect", maniac.connect);
/** What a program gets for `net`: what is not here is Node's own (BlockList, isIP, the defaults). */
const ours = {
  Socket,
  Stream: Socket,
  Server: counted("net.Server", maniac.Server),
  connect,
  createConnection: connect,
  createServer: counted("net.createServer", maniac.createServer),
};
/** @type {Map<string, object>} */
const modules = new Map([
  ["net", Object.defineProperties({}, { ...Object.getOwnPropertyDescriptors(net), ...describe(ours) })],
  [
    "dgram",
    {
      ...dgram,
      Socket: counted("dgram.Socket", maniac.DatagramSocket),
      createSocket: counted("dgram.createSocket", maniac.createSocket),
    },
  ],
]);

/** @param {object} value */
function describe(value) {
  return Object.getOwnPropertyDescriptors(value);
}

/** @param {string} request */
const substitute = (request) => modules.get(request.replace(/^node:/, ""));

const internals = /** @type {{ _load(request: string, ...rest: unknown[]): unknown }} */ (
  /** @type {unknown} */ (Module)
);
const load = internals._load;
/** @this {unknown} @param {string} request @param {...unknown} rest */
internals._load = function _load(request, ...rest) {
  return substitute(request) ?? Reflect.apply(load, this, [request, ...rest]);
};

const isModule = process.argv[1]?.endsWith(".mjs");
// Hooks run in a thread of their own, so only programs that are ES modules get them.
if (isModule) {
  const symbol = Symbol.for("maniac.node-tests");
  Object.defineProperty(globalThis, symbol, { value: Object.fromEntries(modules) });
  const names = Object.fromEntries([...modules].map(([name, module]) => [name, Object.keys(module)]));
  register("./esm.mjs", import.meta.url, { data: names });
}

if (file !== undefined) {
  process.on("exit", () => {
    const { intercepted, passed } = registerReport();
    Object.assign(calls, intercepted);
    // Node's loader of ES modules reads them by this one; the test itself may, too, but does more then.
    if (isModule) delete calls["promises.readFile"];
    const { flushes, wakeups } = metrics().operations;
    appendFileSync(file, `${JSON.stringify({ calls, passed, crossings: flushes + wakeups })}\n`);
  });
}
