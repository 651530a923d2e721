/**
 * What is made again under given drops, told from what they change of keeping everything, which is little. Time is
 * counted in steps; what is made again before a step is a run of values. All of it is arrays that are overwritten
 * from one choice to the next: thousands are looked at.
 */

import { type Arrays, arraysOf } from './arrays.ts';
import { type Reading, readingOf } from './reading.ts';
import type { Drops, Tape } from './tape.ts';

export type Redone = {
  readonly arrays: Arrays;
  readonly reading: Reading;
  readonly dropped: Uint8Array;
  /** 1 for steps before which something may be missing. */
  readonly isMissing: Uint8Array;
  /** Values whose lives may be others than where nothing is dropped or noted. */
  readonly touched: Int32Array;
  readonly isTouched: Uint8Array;
  touches: number;
  /** Of each value the place among what is made again, and those of the first and the last that are made of it; -1: none. */
  readonly again: Int32Array;
  readonly firstAgain: Int32Array;
  readonly readAgain: Int32Array;
  /** What is made again, in this order: the values, and their runs. */
  readonly made: Int32Array;
  readonly runOf: Int32Array;
  makings: number;
  /** The step that each run comes before. */
  readonly stepOf: Int32Array;
  runs: number;
  /** That it takes, of what is done again and of what is noted. */
  seconds: number;
};

export function redoneOf(tape: Tape): Redone {
  const arrays = arraysOf(tape);
  const reading = readingOf(tape, arrays);
  const size = tape.values.length;
  const numbers = () => new Int32Array(size).fill(-1);
  return {
    arrays,
    reading,
    dropped: new Uint8Array(size),
    isMissing: new Uint8Array(tape.steps.length),
    touched: numbers(),
    isTouched: new Uint8Array(size),
    touches: 0,
    again: numbers(),
    firstAgain: numbers(),
    readAgain: numbers(),
    made: numbers(),
    runOf: numbers(),
    makings: 0,
    stepOf: numbers(),
    runs: 0,
    seconds: 0,
  };
}

/** Finds what is made again. */
export function redoAll(redone: Redone, drops: Drops): void {
  forget(redone);
  redone.reading.begin(drops);
  note(redone);
  drop(redone, drops);
  goBack(redone);
}

function forget(redone: Redone): void {
  const { touched, touches, isTouched, again, firstAgain, readAgain } = redone;
  for (let i = 0; i < touches; i++) {
    const value = touched[i] as number;
    isTouched[value] = 0;
    again[value] = firstAgain[value] = readAgain[value] = -1;
  }
  redone.touches = redone.makings = redone.runs = 0;
  redone.seconds = 0;
}

function touch(redone: Redone, value: number): void {
  if (redone.isTouched[value] === 1) return;
  redone.isTouched[value] = 1;
  redone.touched[redone.touches++] = value;
}

function note(redone: Redone): void {
  const { bytes, noting } = redone.arrays;
  const { isNoted, depending } = redone.reading;
  const { starts, items } = depending;
  for (let i = 0; i < bytes.length; i++) {
    const value = bytes[i] as number;
    if (isNoted[value] === 0) continue;
    redone.seconds += noting[value] as number;
    const end = starts[i + 1] as number;
    for (let j = starts[i] as number; j < end; j++) touch(redone, items[j] as number);
  }
}

function drop(redone: Redone, drops: Drops): void {
  const { dropped, isMissing, reading } = redone;
  const { reads, makes, maker, followers, droppable, bytes } = redone.arrays;
  const { starts, items } = reads;
  const { firstStep } = reading;
  dropped.set(drops);
  for (let i = 0; i < bytes.length; i++) dropped[bytes[i] as number] = 0;
  for (let i = 0; i < followers.length; i++) {
    const step = followers[i] as number;
    const end = starts[step + 1] as number;
    for (let j = starts[step] as number; j < end; j++)
      if (dropped[items[j] as number] === 1) dropped[makes[step] as number] = 1;
  }
  for (let i = 0; i < droppable.length; i++) {
    const value = droppable[i] as number;
    if (dropped[value] === 0) continue;
    touch(redone, value);
    const first = firstStep[value] as number;
    if (first >= 0) isMissing[first] = 1;
    if (reading.want(value)) continue;
    // Then others may not be needed as long.
    const step = maker[value] as number;
    const end = starts[step + 1] as number;
    for (let j = starts[step] as number; j < end; j++) touch(redone, items[j] as number);
  }
}

/** Makes again what each step of the backward pass misses. */
function goBack(redone: Redone): void {
  const { isMissing, stepOf, arrays } = redone;
  const { reads, lean, leanBy } = arrays;
  const { isNoted } = redone.reading;
  for (let step = redone.reading.forward; step < isMissing.length; step++) {
    if (isMissing[step] === 0) continue;
    isMissing[step] = 0;
    const before = redone.makings;
    const by = leanBy[step] as number;
    const { starts, items } = by >= 0 && isNoted[by] === 1 ? lean : reads;
    const end = starts[step + 1] as number;
    for (let i = starts[step] as number; i < end; i++) redo(redone, items[i] as number);
    if (redone.makings > before) stepOf[redone.runs++] = step;
  }
}

/** Makes again what a value needs, each after what it is made of. */
function redo(redone: Redone, value: number): void {
  if (redone.dropped[value] === 0 || (redone.again[value] as number) >= 0) return;
  const { firstAgain, readAgain, arrays } = redone;
  const { starts, items } = arrays.reads;
  const step = arrays.maker[value] as number;
  const [first, end] = [starts[step] as number, starts[step + 1] as number];
  for (let i = first; i < end; i++) redo(redone, items[i] as number);
  const making = redone.makings++;
  for (let i = first; i < end; i++) {
    const read = items[i] as number;
    touch(redone, read);
    if ((firstAgain[read] as number) < 0) firstAgain[read] = making;
    readAgain[read] = making;
  }
  // What the forward pass has no use for is made once, here.
  if (redone.reading.isMade[value] === 1) redone.seconds += arrays.price[value] as number;
  redone.again[value] = readAgain[value] = making;
  redone.made[making] = value;
  redone.runOf[making] = redone.runs;
}
