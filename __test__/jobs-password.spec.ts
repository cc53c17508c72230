/** Keys from passwords: `maniac/jobs` beside `node:crypto`, published vectors, and hashes as text. */
import crypto from "node:crypto";
import { promisify } from "node:util";
import test from "ava";
import { argon2, hashPassword, pbkdf2, scrypt, verifyPassword } from "maniac/jobs";

const odd = (value: unknown): never => value as never;
const nodeScrypt = promisify(crypto.scrypt) as (
  password: string,
  salt: string,
  keylen: number,
  options: crypto.ScryptOptions,
) => Promise<Buffer>;

/** RFC 9106, section 5. */
const ARGON2 = {
  argon2d: "512b391b6f1162975371d30919734294f868e3be3984f3c1a13a4db9fabe4acb",
  argon2i: "c814d9d1dc7f37aa13f0d77f2494bda1c8de6b016dd388d29952a4c4672b6ce8",
  argon2id: "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659",
} as const;
/** What each of these makes of "password". */
const STORED = [
  // The reference implementation's own tests.
  "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
  "$argon2i$m=65536,t=2,p=1$c29tZXNhbHQ$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ",
  "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E",
];
const costs = { parallelism: 1, tagLength: 32, memory: 64, passes: 1 };

test("argon2: the published vectors", async (t) => {
  const parameters = {
    message: Buffer.alloc(32, 1),
    nonce: Buffer.alloc(16, 2),
    secret: Buffer.alloc(8, 3),
    associatedData: Buffer.alloc(12, 4),
    parallelism: 4,
    tagLength: 32,
    memory: 32,
    passes: 3,
  };
  for (const [algorithm, wanted] of Object.entries(ARGON2)) {
    t.is((await argon2(odd(algorithm), parameters)).toString("hex"), wanted, algorithm);
  }
});

test("scrypt gives what node:crypto gives", async (t) => {
  const options = [
    {},
    { N: 1024, r: 4, p: 3 },
    { cost: 2, blockSize: 1, parallelization: 1 },
    { N: 0, r: 0, p: 0 },
  ];
  for (const given of options) {
    for (const length of [0, 1, 32, 100]) {
      const wanted = await nodeScrypt("password", "salt", length, given);
      t.deepEqual(await scrypt("password", "salt", length, given), wanted, JSON.stringify(given));
    }
  }
  const wanted = await nodeScrypt("", "", 64, { N: 16, r: 1, p: 1 });
  t.deepEqual(await scrypt("", "", 64, { N: 16, r: 1, p: 1 }), wanted);
});

test("pbkdf2 gives what node:crypto gives", async (t) => {
  for (const digest of ["sha224", "sha256", "SHA384", "sha512", "sha512-256"]) {
    for (const [rounds, length] of [
      [1, 20],
      [1000, 64],
      [5000, 7],
      [2, 200],
    ] as const) {
      const wanted = crypto.pbkdf2Sync("password", "salt", rounds, length, digest);
      t.deepEqual(await pbkdf2("password", "salt", rounds, length, digest), wanted, `${digest} ${rounds}`);
    }
    // Node 20 gives the same; newer ones fail.
    t.is((await pbkdf2("password", "salt", 3, 0, digest)).length, 0);
  }
});

test("a password is hashed with a salt of its own and verified, by every algorithm", async (t) => {
  const options = [
    { memory: 64, passes: 1 },
    { algorithm: "scrypt", cost: 1024 },
    { algorithm: "pbkdf2-sha256", iterations: 1000 },
    { algorithm: "pbkdf2-sha512", iterations: 1000, saltLength: 32 },
  ] as const;
  for (const given of options) {
    const [first, second] = await Promise.all([
      hashPassword("correct horse", given),
      hashPassword("correct horse", given),
    ]);
    t.not(first, second);
    t.true(await verifyPassword("correct horse", first));
    t.true(await verifyPassword(Buffer.from("correct horse"), second));
    t.false(await verifyPassword("correct hors", first));
  }
  t.regex(
    await hashPassword("x"),
    /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/,
  );
});

test("hashes that other programs made are verified", async (t) => {
  for (const stored of STORED) {
    t.true(await verifyPassword("password", stored), stored);
    t.false(await verifyPassword("Password", stored), stored);
  }
});

test("what is no hash is refused, and no hash is in the message", async (t) => {
  const [good = ""] = STORED;
  const wrong = [
    "",
    "password",
    good.slice(0, -1).replace(/\$[^$]*$/, "$"),
    "$scrypt$ln=4,r=8,p=1$c2FsdHNhbHQ$A",
    "$pbkdf2-sha256$i=1000$c2FsdHNhbHQ$QUFB",
    "$pbkdf2-sha256$i=1000,l=31$c2FsdHNhbHQ$YWJjZGVmZ2hpamtsbW5vcA",
    good.replace("v=19", "v=20"),
    good.replace("argon2id", "argon2x"),
    good.replace("m=65536,", ""),
    "$2b$12$abcdefghijklmnopqrstuv",
  ];
  for (const stored of wrong) {
    const error = await t.throwsAsync(
      verifyPassword("password", stored),
      { code: "ERR_INVALID_ARG_VALUE" },
      stored,
    );
    t.false(stored.length > 9 && error?.message.includes(stored.slice(-9)));
  }
  await t.throwsAsync(verifyPassword("password", odd(5)), { code: "ERR_INVALID_ARG_TYPE" });
});

test("memory is limited by name", async (t) => {
  const limit = { code: "ERR_MANIAC_LIMIT" };
  const message = { message: "x", nonce: "saltsalt" };
  await t.throwsAsync(argon2("argon2id", { ...message, ...costs, memory: 2 ** 21 }), limit);
  await t.throwsAsync(
    argon2("argon2id", { ...message, ...costs, memory: 1024 }, { maxMemory: 2 ** 20 - 1 }),
    limit,
  );
  t.is((await argon2("argon2id", { ...message, ...costs, memory: 1024 }, { maxMemory: 2 ** 20 })).length, 32);
  await t.throwsAsync(verifyPassword("password", STORED[0] as string, { maxMemory: 2 ** 25 }), limit);
  await t.throwsAsync(verifyPassword("password", STORED[2] as string, { maxMemory: 2 ** 25 }), limit);
  await t.throwsAsync(verifyPassword("x", "$scrypt$ln=62,r=8,p=1$c2FsdHNhbHQ$YWJjZGVmZ2hpamtsbW5vcA"), limit);
  const invalid = { code: "ERR_CRYPTO_INVALID_SCRYPT_PARAMS", instanceOf: RangeError };
  await t.throwsAsync(scrypt("x", "y", 8, { N: 2 ** 16 }), invalid);
  await t.throwsAsync(scrypt("x", "y", 8, { N: 1000 }), invalid);
  await t.throwsAsync(scrypt("x", "y", 8, { N: 1 }), invalid);
  // More than any machine has.
  const huge = { ...message, ...costs, memory: 2 ** 32 - 1 };
  await t.throwsAsync(argon2("argon2id", huge, { maxMemory: 100 }), limit);
});

test("an abort rejects at once; pbkdf2 ends soon after", async (t) => {
  const controller = new AbortController();
  const { signal } = controller;
  const endless = Array.from({ length: 16 }, () => pbkdf2("x", "y", 2 ** 31 - 1, 64, "sha512", { signal }));
  const others = [
    argon2("argon2id", { message: "x", nonce: "saltsalt", ...costs, memory: 65_536 }, { signal }),
    scrypt("x", "y", 32, { signal }),
    hashPassword("x", { signal }),
    verifyPassword("x", STORED[0] as string, { signal }),
  ];
  controller.abort("enough");
  for (const one of [...endless, ...others]) {
    t.is((await t.throwsAsync(one as Promise<unknown>, { code: "ABORT_ERR" }))?.cause, "enough");
  }
  // Would never come if those were still at it.
  t.is((await pbkdf2("x", "y", 1, 8, "sha256")).length, 8);
});

test("wrong arguments reject with Node's codes", async (t) => {
  const type = { code: "ERR_INVALID_ARG_TYPE" };
  const range = { code: "ERR_OUT_OF_RANGE" };
  await t.throwsAsync(pbkdf2("x", "y", 1, 8, "md0"), { code: "ERR_CRYPTO_INVALID_DIGEST" });
  await t.throwsAsync(pbkdf2("x", "y", 1, 8, "blake3"), { code: "ERR_CRYPTO_INVALID_DIGEST" });
  await t.throwsAsync(pbkdf2("x", "y", 0, 8, "sha256"), range);
  await t.throwsAsync(pbkdf2(odd(1), "y", 1, 8, "sha256"), type);
  await t.throwsAsync(scrypt("x", odd(1), 8), type);
  await t.throwsAsync(scrypt("x", "y", -1), range);
  await t.throwsAsync(scrypt("x", "y", 8, { N: 2, cost: 2 }), { code: "ERR_INCOMPATIBLE_OPTION_PAIR" });
  await t.throwsAsync(argon2(odd("argon3"), { message: "x", nonce: "saltsalt", ...costs }), {
    code: "ERR_INVALID_ARG_VALUE",
  });
  await t.throwsAsync(argon2("argon2id", { message: "x", nonce: "short", ...costs }), range);
  await t.throwsAsync(argon2("argon2id", { message: "x", nonce: "saltsalt", ...costs, memory: 7 }), range);
  await t.throwsAsync(hashPassword("x", { algorithm: odd("md5") }), { code: "ERR_INVALID_ARG_VALUE" });
  await t.throwsAsync(hashPassword("x", { algorithm: "scrypt", cost: 1000 }), {
    code: "ERR_INVALID_ARG_VALUE",
  });
});
