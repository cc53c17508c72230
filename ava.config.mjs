// The specs are compiled to target/js first (see scripts/build.mjs); they import the package by its name, as a user does.
export default {
  files: ["target/js/__test__/**/*.spec.js"],
  // The addon tells main thread and worker_threads apart, so a spec gets a process of its own.
  workerThreads: false,
  timeout: "120s",
};
