/** Types of `maniac/fs`: a program that compiles against `node:fs/promises` compiles against it. */
import type * as nodeFs from "node:fs";
import type * as fsp from "node:fs/promises";
import * as fs from "maniac/fs";
import { describe, expect, test } from "tstyche";

type Module = typeof fsp;
type DropIn = Omit<Module, "default">;

describe("drop-in", () => {
  test("every function can take the place of Node's", () => {
    expect<typeof fs>().type.toBeAssignableTo<DropIn>();
    expect<typeof fs.promises>().type.toBeAssignableTo<DropIn>();
    expect<typeof fs.default>().type.toBe<typeof fs.promises>();
    expect(fs.constants).type.toBe<typeof nodeFs.constants>();
  });

  test("functions that take or give handles know the package's own", () => {
    type Handle = fs.FileHandle;
    expect(fs.open("x")).type.toBe<Promise<Handle>>();
    expect(fs.open("x", "r", 0o666)).type.toBe<Promise<Handle>>();
    expect(fs.opendir("x")).type.toBe<Promise<fs.Dir>>();
    expect(fs.readFile({} as Handle)).type.toBeAssignableTo<Promise<Buffer>>();
    expect(fs.writeFile).type.toBeCallableWith({} as Handle, "x");
    expect(fs.appendFile).type.toBeCallableWith({} as Handle, "x");
  });

  test("a handle has the methods of Node's", () => {
    expect<fs.FileHandle>().type.toBeAssignableTo<fsp.FileHandle>();
    expect<fs.Dir>().type.toBeAssignableTo<Pick<nodeFs.Dir, "path" | "close" | "closeSync" | "readSync">>();
  });
});

describe("results follow the options", () => {
  test("readFile", () => {
    expect(fs.readFile("x", "utf8")).type.toBe<Promise<string>>();
    expect(fs.readFile("x", { encoding: "latin1", flag: "r" })).type.toBe<Promise<string>>();
    expect(fs.readFile("x")).type.toBeAssignableTo<Promise<Uint8Array<ArrayBuffer>>>();
    expect(fs.readFile("x", { signal: AbortSignal.abort() })).type.toBeAssignableTo<Promise<Buffer>>();
    expect(fs.readFile).type.not.toBeCallableWith(5);
    expect(fs.readFile).type.not.toBeCallableWith("x", "nonsense");
  });

  test("stat", () => {
    expect(fs.stat("x")).type.toBe<Promise<nodeFs.Stats>>();
    expect(fs.stat("x", { bigint: true })).type.toBe<Promise<nodeFs.BigIntStats>>();
    expect(fs.stat("x", { bigint: true, signal: AbortSignal.abort() })).type.toBe<
      Promise<nodeFs.BigIntStats>
    >();
    expect(fs.stat("x", { throwIfNoEntry: false })).type.toBe<Promise<nodeFs.Stats | undefined>>();
    expect(fs.stat("x", { bigint: true, throwIfNoEntry: false })).type.toBe<
      Promise<nodeFs.BigIntStats | undefined>
    >();
    expect(fs.statfs("x", { bigint: true })).type.toBe<Promise<nodeFs.BigIntStatsFs>>();
  });

  test("readdir", () => {
    expect(fs.readdir("x")).type.toBe<Promise<string[]>>();
    expect(fs.readdir("x", "buffer")).type.toBeAssignableTo<Promise<Buffer[]>>();
    expect(fs.readdir("x", { withFileTypes: true })).type.toBe<Promise<nodeFs.Dirent[]>>();
    expect(fs.readdir("x", { recursive: true, signal: AbortSignal.abort() })).type.toBe<Promise<string[]>>();
  });

  test("mkdir, readlink, realpath, mkdtemp", async () => {
    expect(fs.mkdir("x")).type.toBe<Promise<void>>();
    expect(fs.mkdir("x", { recursive: true })).type.toBe<Promise<string | undefined>>();
    expect(fs.readlink("x")).type.toBe<Promise<string>>();
    expect(fs.realpath("x", "buffer")).type.toBeAssignableTo<Promise<Buffer>>();
    expect(fs.mkdtemp("x", { encoding: "buffer" })).type.toBeAssignableTo<Promise<Buffer>>();
    expect(fs.mkdtempDisposable("x")).type.toBe<Promise<fs.DisposableTempDir>>();
    expect((await fs.mkdtempDisposable("x", { encoding: "buffer" })).path).type.toBeAssignableTo<Buffer>();
  });

  test("FileHandle.read gives back the buffer's type", async () => {
    const file = {} as fs.FileHandle;
    expect((await file.read(new Uint16Array(4))).buffer).type.toBe<Uint16Array<ArrayBuffer>>();
    expect((await file.read(Buffer.alloc(4), 0, 4, 5n)).bytesRead).type.toBe<number>();
    expect((await file.read()).buffer).type.toBeAssignableTo<Buffer>();
    expect((await file.write("text", 0, "utf8")).buffer).type.toBe<string>();
    expect(file.copyTo(file, { position: 0, length: 5 })).type.toBe<Promise<number>>();
  });
});

describe("what Node does not have", () => {
  test("readMany tells data from error", async () => {
    for await (const entry of fs.readMany(["a", "b"])) {
      expect(entry.path).type.toBeAssignableTo<string>();
      if (entry.error === undefined) {
        expect(entry.data).type.toBe<Buffer>();
      } else {
        expect(entry.data).type.toBe<undefined>();
      }
    }
    for await (const { data } of fs.readMany([new URL("file:///x")], { encoding: "utf8", concurrency: 2 })) {
      expect(data).type.toBe<string | undefined>();
    }
  });

  test("allocAligned", () => {
    expect(fs.allocAligned(4096, 512)).type.toBeAssignableTo<Buffer>();
    expect(fs.allocAligned).type.not.toBeCallableWith("4096");
  });
});
