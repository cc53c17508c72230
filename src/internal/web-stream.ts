/** Web streams over open files: `FileHandle.readableWebStream`. */
import { ReadableStream } from "node:stream/web";
import type { Descriptor } from "./descriptor.js";
import { read } from "./handle-io.js";
import { invalidState } from "./node-errors.js";
import { validBoolean, validObject } from "./validate.js";

/** Options of {@link FileHandle.readableWebStream}. */
export interface WebStreamOptions {
  /** Accepted as in Node; the stream always is one of bytes. */
  type?: "bytes" | undefined;
  /** Whether the handle is closed at the stream's end. Default false. */
  autoClose?: boolean | undefined;
}

/** What a web stream needs of its handle. */
interface Owner {
  close(): Promise<void>;
  on(event: "close", listener: () => void): unknown;
}

/** Bytes that the stream allocates for a reader that brings no buffer. */
const CHUNK = 16 * 1024;

const locked = new WeakSet<Descriptor>();

/** A web stream of bytes from the file's cursor to its end. */
export function webStreamOn(owner: Owner, descriptor: Descriptor, options: WebStreamOptions): ReadableStream {
  if (descriptor.fd === -1) {
    throw invalidState("The FileHandle is closed");
  }
  if (descriptor.closing) {
    throw invalidState("The FileHandle is closing");
  }
  if (locked.has(descriptor)) {
    throw invalidState("The FileHandle is locked");
  }
  validObject(options, "options");
  const { autoClose = false } = options;
  validBoolean(autoClose, "options.autoClose");
  locked.add(descriptor);
  let attached = true;
  const done = async (): Promise<void> => {
    if (attached) {
      attached = false;
      descriptor.unref();
      if (autoClose) {
        await owner.close();
      }
    }
  };
  const stream = new ReadableStream({
    type: "bytes",
    autoAllocateChunkSize: CHUNK,
    async pull(controller): Promise<void> {
      // With autoAllocateChunkSize every pull comes with a request.
      const request = controller.byobRequest as NonNullable<typeof controller.byobRequest>;
      const view = request.view as NodeJS.ArrayBufferView;
      const { bytesRead } = (await read(descriptor, view, 0, view.byteLength, null)) as { bytesRead: number };
      if (bytesRead === 0) {
        controller.close();
        await done();
      }
      request.respond(bytesRead);
    },
    cancel: done,
  });
  descriptor.ref();
  owner.on("close", () => {
    // A locked stream refuses to be cancelled from outside; its reader sees the file end instead.
    stream.cancel().catch(() => done());
  });
  return stream;
}
