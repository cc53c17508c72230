// Tests of Node's that do not pass on maniac, each with the reason. Whoever mends one takes it off.

const CLUSTER =
  "node:cluster: the primary process listens for its workers and hands descriptors over; a worker's sockets here are its own";
const SOONER =
  "the signal is aborted turns of the event loop later; the operation, whose data is cached, has ended by then";

/** @type {Readonly<Record<string, string>>} */
export const REASONS = {
  "parallel/test-dgram-bind-socket-close-before-cluster-reply.js": CLUSTER,
  "parallel/test-dgram-exclusive-implicit-bind.js": CLUSTER,
  "parallel/test-net-server-close-before-ipc-response.js": CLUSTER,
  "sequential/test-dgram-bind-shared-ports.js": CLUSTER,
  "sequential/test-net-listen-shared-ports.js": CLUSTER,
  "parallel/test-net-listen-handle-in-cluster-1.js":
    "process.send with a server: Node's channel takes handles of its own classes only",
  "parallel/test-dgram-deprecation-error.js":
    "the deprecated insides of dgram.Socket (DEP0112: _queue, _bindState, _receiving, …) are not there",
  "parallel/test-fs-promises-file-handle-read-worker.js":
    "a FileHandle cannot be sent to a Worker: what makes an object transferable is not open to packages",
  "parallel/test-fs-promises-file-handle-readFile.js": SOONER,
  "parallel/test-fs-promises-file-handle-writeFile.js": SOONER,
  "parallel/test-net-perf_hooks.js": "entries of type `net` in perf_hooks can be made by Node alone",
  "parallel/test-net-server-keepalive.js":
    "puts a function into _handle.onconnection: connections do not come by way of such a handle",
  "parallel/test-net-server-nodelay.js":
    "puts a function into _handle.onconnection: connections do not come by way of such a handle",
  "parallel/test-net-socket-setnodelay.js": "makes a socket of an object of its own with { handle }",
};
