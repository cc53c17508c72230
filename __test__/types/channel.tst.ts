/** Types of `maniac/channel`: values keep their type from end to end, also by a handle. */
import { type Channel, mpsc, oneshot, Receiver, type ReceiverHandle, Sender, spsc } from "maniac/channel";
import { describe, expect, test } from "tstyche";

interface Job {
  readonly id: number;
}

describe("channels", () => {
  test("both ends have the type of the values", () => {
    expect(mpsc<Job>(1)).type.toBe<Channel<Job>>();
    expect(spsc<Job>(1).sender).type.toBe<Sender<Job>>();
    expect(oneshot<Job>().receiver).type.toBe<Receiver<Job>>();
    expect(mpsc<Job>(1).receiver.recv()).type.toBe<Promise<Job>>();
    expect(mpsc<Job>(1).receiver.recvBlocking({ timeout: 5 })).type.toBe<Job>();
    expect(mpsc<Job>(1).receiver.tryRecv()?.value).type.toBe<Job | undefined>();
    expect(mpsc<Job>(1).sender.trySend({ id: 1 })).type.toBe<boolean>();
    expect(mpsc<Job>(1).sender.send).type.not.toBeCallableWith("job");
    expect(mpsc).type.not.toBeCallableWith("1");
  });

  test("a handle carries it", () => {
    const { sender, receiver } = mpsc<Job>(1);
    expect(receiver.handle()).type.toBe<ReceiverHandle<Job>>();
    expect(Receiver.from(receiver.handle())).type.toBe<Receiver<Job>>();
    expect(Sender.from(sender.handle())).type.toBe<Sender<Job>>();
    expect(Receiver.from).type.not.toBeCallableWith(sender.handle());
  });

  test("ends are closed by await using, and receivers iterated", () => {
    expect<Sender<Job>>().type.toBeAssignableTo<AsyncDisposable>();
    expect<Receiver<Job>>().type.toBeAssignableTo<AsyncDisposable & AsyncIterable<Job>>();
  });
});
