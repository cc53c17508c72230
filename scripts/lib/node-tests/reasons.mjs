// Tests of Node's that do not pass on maniac, each with the reason. Whoever mends one takes it off.

/** @type {Readonly<Record<string, string>>} */
export const REASONS = {};
