/** A first-in-first-out queue of operations: a ring that grows by doubling and shrinks when it has run empty. */
import type { Request } from "./request.js";

const SMALL = 256;
/** A larger ring is given up when it is empty: it was a burst's. */
const KEPT = 4096;

const ring = (size: number): (Request | undefined)[] => new Array<Request | undefined>(size).fill(undefined);

/** Operations that wait, oldest first. Unbounded on purpose: each is a promise that the program holds. */
export class RequestQueue {
  #ring = ring(SMALL);
  #mask = SMALL - 1;
  #head = 0;
  #tail = 0;

  /** Operations in it. */
  get length(): number {
    return this.#tail - this.#head;
  }

  /** Puts one at the end. */
  push(request: Request): void {
    if (this.#tail - this.#head > this.#mask) {
      this.#grow();
    }
    this.#ring[this.#tail++ & this.#mask] = request;
  }

  /** The oldest, which stays. */
  peek(): Request | undefined {
    return this.#ring[this.#head & this.#mask];
  }

  /** Takes the oldest away. */
  drop(): void {
    this.#ring[this.#head++ & this.#mask] = undefined;
    if (this.#head === this.#tail) {
      this.#head = 0;
      this.#tail = 0;
      if (this.#mask >= KEPT) {
        this.#ring = ring(SMALL);
        this.#mask = SMALL - 1;
      }
    }
  }

  /** Forgets all. */
  clear(): void {
    while (this.length !== 0) {
      this.drop();
    }
  }

  #grow(): void {
    const count = this.length;
    const grown = ring((this.#mask + 1) * 2);
    for (let index = 0; index < count; index++) {
      grown[index] = this.#ring[(this.#head + index) & this.#mask];
    }
    this.#ring = grown;
    this.#mask = grown.length - 1;
    this.#head = 0;
    this.#tail = count;
  }
}
