/** When the values of a tape live under given drops: the rules of `passes/lower/tasks.ts`, step by step. */
import { arraysOf } from '../../passes/decide/recompute/arrays.ts';
import type { Drops, Tape } from '../../passes/decide/recompute/tape.ts';

/** What one walk through the tape found; overwritten by the next. Moments are steps in the order of their doing; -1: never. */
export type Lives = {
  /** Of each value: its making, and its last reading. */
  readonly birth: Int32Array;
  readonly last: Int32Array;
  /** The same of its second life, where it is made again. */
  readonly birthAgain: Int32Array;
  readonly lastAgain: Int32Array;
  readonly dropped: Uint8Array;
  /** Of each moment: what it is done with, and the bytes of a parameter's gradient that it makes. */
  readonly session: Int32Array;
  readonly gradients: Float64Array;
  /** The most moments there can be. */
  readonly most: number;
  /** Goes through the tape. */
  walk(drops: Drops): Walk;
};

export type Walk = {
  readonly moments: number;
  /** Those of the forward pass. */
  readonly forward: number;
  /** Seconds of what is done again. */
  readonly seconds: number;
};

/** The session of what is done again. */
const again = 1;

export function livesOf(tape: Tape): Lives {
  const count = tape.values.length;
  const most = tape.steps.length + tape.forward + 1;
  const numbers = (size: number) => new Int32Array(size).fill(-1);
  const lives = {
    birth: numbers(count),
    last: numbers(count),
    birthAgain: numbers(count),
    lastAgain: numbers(count),
    dropped: new Uint8Array(count),
    session: numbers(most),
    gradients: new Float64Array(most),
    most,
  };
  return { ...lives, walk: walker(tape, lives) };
}

/** Plain loops over arrays, and the moment handed on from call to call. */
function walker(tape: Tape, lives: Omit<Lives, 'walk'>): Lives['walk'] {
  const { reads, makes, sessions, gradients, price, maker, followers, late, ...others } = arraysOf(tape);
  const { lean, leanBy, bytes, noting } = others;
  const { starts, items } = reads;
  const count = tape.steps.length;
  const wanted = new Uint8Array(tape.values.length);
  // 1 for bytes, and for those of them that are noted.
  const isBytes = new Uint8Array(tape.values.length);
  for (const value of bytes) isBytes[value] = 1;
  const isNoted = new Uint8Array(tape.values.length);
  const { birth, last, birthAgain, lastAgain, dropped } = lives;
  let seconds = 0;

  /** Reads a value in the backward pass. */
  const read = (value: number, now: number): void => {
    if (dropped[value] === 1 && (birthAgain[value] as number) >= 0) lastAgain[value] = now;
    else last[value] = now;
  };
  /** Makes again what a value needs, each after what it is made of; gives the moment after that. */
  const redo = (value: number, moment: number): number => {
    if (dropped[value] === 0 || (birthAgain[value] as number) >= 0) return moment;
    const step = maker[value] as number;
    const [first, end] = [starts[step] as number, starts[step + 1] as number];
    let now = moment;
    for (let i = first; i < end; i++) now = redo(items[i] as number, now);
    for (let i = first; i < end; i++) read(items[i] as number, now);
    birthAgain[value] = lastAgain[value] = now;
    // What the forward pass has no use for is made once, here.
    if ((birth[value] as number) >= 0) seconds += price[value] as number;
    lives.gradients[now] = gradients[step] as number;
    lives.session[now] = again;
    return now + 1;
  };
  /** What the forward pass makes: what is kept, and what that and the results are made of. */
  const want = (): void => {
    wanted.set(late);
    for (let step = tape.forward - 1; step >= 0; step--) {
      const made = makes[step] as number;
      if (dropped[made] === 1 && wanted[made] === 0) continue;
      if (isBytes[made] === 1 && isNoted[made] === 0) continue;
      wanted[made] = 1;
      const end = starts[step + 1] as number;
      for (let i = starts[step] as number; i < end; i++) wanted[items[i] as number] = 1;
    }
  };
  const begin = (drops: Drops): void => {
    dropped.set(drops);
    seconds = tape.seconds ?? 0;
    for (const value of bytes) {
      dropped[value] = 0;
      isNoted[value] = drops[value] as number;
      if (isNoted[value] === 1) seconds += noting[value] as number;
    }
    for (const step of followers) {
      const end = starts[step + 1] as number;
      for (let i = starts[step] as number; i < end; i++)
        if (dropped[items[i] as number] === 1) dropped[makes[step] as number] = 1;
    }
    want();
    for (const moments of [birth, last, birthAgain, lastAgain]) moments.fill(-1);
  };
  const make = (step: number, now: number): void => {
    const made = makes[step] as number;
    birth[made] = last[made] = now;
    lives.gradients[now] = gradients[step] as number;
    lives.session[now] = sessions[step] as number;
  };
  const goForward = (): number => {
    let now = 0;
    for (let step = 0; step < tape.forward; step++) {
      if (wanted[makes[step] as number] === 0) continue;
      const end = starts[step + 1] as number;
      for (let i = starts[step] as number; i < end; i++) last[items[i] as number] = now;
      make(step, now++);
    }
    return now;
  };
  const goBack = (forward: number): number => {
    let now = forward;
    for (let step = tape.forward; step < count; step++) {
      const by = leanBy[step] as number;
      const needed = by >= 0 && isNoted[by] === 1 ? lean : reads;
      const [first, end] = [needed.starts[step] as number, needed.starts[step + 1] as number];
      for (let i = first; i < end; i++) {
        const value = needed.items[i] as number;
        if (dropped[value] === 1) now = redo(value, now);
      }
      for (let i = first; i < end; i++) read(needed.items[i] as number, now);
      make(step, now++);
    }
    return now;
  };
  return (drops) => {
    begin(drops);
    const forward = goForward();
    return { moments: goBack(forward), forward, seconds };
  };
}
