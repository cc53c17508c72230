/** The line of a pool's waiting tasks, with a clock of the spec's own. */
import test from "ava";
import { poolTask } from "./fakes/internal.js";

type Task = InstanceType<typeof poolTask.Task>;

test.serial("each task that stepped back waits no longer than the line's patience", (t) => {
  const { now } = performance;
  t.teardown(() => {
    performance.now = now;
  });
  let time = 0;
  performance.now = () => time;
  const make = (overdue: boolean): Task => {
    const task = new poolTask.Task(undefined, undefined, undefined);
    task.burst = { overdue };
    return task;
  };
  const line = new poolTask.Line(200);
  const long = [make(true), make(true), make(true)] as const;
  const short = make(false);
  for (const task of [...long, short]) line.push(task);
  t.is(line.first(), short);
  time = 199;
  t.is(line.first(), short);
  time = 200;
  // One after the other, though others wait all the time; and one that was sent and taken back does not step back again.
  for (const task of [long[0], long[1]]) {
    t.is(line.first(), task);
    t.true(line.remove(task));
  }
  line.giveBack([long[0]]);
  t.true(line.remove(long[2]));
  t.is(line.first(), long[0]);
  t.true(line.remove(long[0]));
  t.is(line.first(), short);
});
