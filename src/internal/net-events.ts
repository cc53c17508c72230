/** Events as something to iterate over. */
import { type EventEmitter, on } from "node:events";

/** The arguments of an event, each time it comes, until the emitter is closed; an error of its own ends it with that. */
export async function* untilClosed(
  emitter: EventEmitter,
  event: string,
): AsyncGenerator<unknown[], void, undefined> {
  const ended = new AbortController();
  const close = (): void => ended.abort();
  const events = on(emitter, event, { signal: ended.signal });
  emitter.once("close", close);
  try {
    yield* events as AsyncIterable<unknown[]>;
  } catch (error) {
    if (!ended.signal.aborted) {
      throw error;
    }
  } finally {
    emitter.off("close", close);
  }
}
