/** When the values of a tape live under given drops: the rules of `passes/lower/tasks.ts`, fast enough to try thousands. */
import type { Tape } from './recompute-tape.ts';

/** 1 for each value that is dropped, and for bytes that are noted. */
export type Drops = Uint8Array;

/** What one walk through the tape found; overwritten by the next. Moments are steps in the order of their doing; -1: never. */
export type Lives = {
  /** Of each value: its making, and its last reading. */
  readonly birth: Int32Array;
  readonly last: Int32Array;
  /** The same of its second life, where it is made again. */
  readonly birthAgain: Int32Array;
  readonly lastAgain: Int32Array;
  /** Its last reading in the forward pass, and its first in the backward pass. */
  readonly ahead: Int32Array;
  readonly back: Int32Array;
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
    ahead: numbers(count),
    back: numbers(count),
    dropped: new Uint8Array(count),
    session: numbers(most),
    gradients: new Float64Array(most),
    most,
  };
  return { ...lives, walk: walker(tape, lives) };
}

/** The tape as arrays. */
function arraysOf({ values, steps, forward }: Tape) {
  // What has no bytes need not be followed.
  const isFollowed = values.map(({ bytes, price }) => bytes > 0 || price !== undefined);
  const maker = new Int32Array(values.length).fill(-1);
  steps.forEach(({ makes }, step) => {
    maker[makes] = step;
  });
  return {
    reads: steps.map((step) => Int32Array.from(step.reads.filter((value) => isFollowed[value] === true))),
    makes: Int32Array.from(steps, ({ makes }) => makes),
    sessions: Int32Array.from(steps, ({ session = 0 }) => session),
    gradients: Float64Array.from(steps, ({ makes }) => values[makes]?.gradientBytes ?? 0),
    price: Float64Array.from(values, (value) => value.price ?? 0),
    maker,
    followers: steps.flatMap(({ makes }, step) =>
      step < forward && values[makes]?.follows === true ? [step] : [],
    ),
    late: Uint8Array.from(values, ({ late }) => (late === true ? 1 : 0)),
    lean: steps.map(({ lean }) => (lean === undefined ? undefined : Int32Array.from(lean.reads))),
    leanBy: Int32Array.from(steps, ({ lean }) => lean?.bytes ?? -1),
    bytes: values.flatMap(({ noting }, value) => (noting === undefined ? [] : [value])),
    noting: Float64Array.from(values, ({ noting = 0 }) => noting),
  };
}

function walker(tape: Tape, lives: Omit<Lives, 'walk'>): Lives['walk'] {
  const { reads, makes, sessions, gradients, price, maker, followers, late, ...others } = arraysOf(tape);
  const { lean, leanBy, bytes, noting } = others;
  const wanted = new Uint8Array(tape.values.length);
  // 1 for bytes, and for those of them that are noted.
  const isBytes = new Uint8Array(tape.values.length);
  for (const value of bytes) isBytes[value] = 1;
  const isNoted = new Uint8Array(tape.values.length);
  const { birth, last, birthAgain, lastAgain, ahead, back, dropped } = lives;
  let now = 0;
  let forward = 0;
  let seconds = 0;

  const read = (value: number): void => {
    if (dropped[value] === 1 && (birthAgain[value] as number) >= 0) lastAgain[value] = now;
    else last[value] = now;
    if (now < forward) ahead[value] = now;
    else if ((back[value] as number) < 0) back[value] = now;
  };
  const make = (step: number, session: number): void => {
    lives.gradients[now] = gradients[step] as number;
    lives.session[now++] = session;
  };
  const readsOf = (step: number): Int32Array => {
    const by = leanBy[step] as number;
    return (by >= 0 && isNoted[by] === 1 ? lean[step] : reads[step]) as Int32Array;
  };
  const run = (step: number): void => {
    const needed = readsOf(step);
    for (let i = 0; i < needed.length; i++) read(needed[i] as number);
    const made = makes[step] as number;
    birth[made] = last[made] = ahead[made] = now;
    make(step, sessions[step] as number);
  };
  /** Makes again what a value needs, each after what it is made of. */
  const redo = (value: number): void => {
    if (dropped[value] === 0 || (birthAgain[value] as number) >= 0) return;
    const step = maker[value] as number;
    for (const input of reads[step] as Int32Array) redo(input);
    for (const input of reads[step] as Int32Array) read(input);
    birthAgain[value] = lastAgain[value] = now;
    // What the forward pass has no use for is made once, here.
    if ((birth[value] as number) >= 0) seconds += price[value] as number;
    make(step, again);
  };
  /** What the forward pass makes: what is kept, and what that and the results are made of. */
  const want = (): void => {
    wanted.set(late);
    for (let step = tape.forward - 1; step >= 0; step--) {
      const made = makes[step] as number;
      if (dropped[made] === 1 && wanted[made] === 0) continue;
      if (isBytes[made] === 1 && isNoted[made] === 0) continue;
      wanted[made] = 1;
      for (const value of reads[step] as Int32Array) wanted[value] = 1;
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
    for (const step of followers)
      for (const input of reads[step] as Int32Array)
        if (dropped[input] === 1) dropped[makes[step] as number] = 1;
    want();
    for (const moments of [birth, last, birthAgain, lastAgain, ahead, back]) moments.fill(-1);
    now = 0;
    forward = lives.most;
  };
  return (drops) => {
    begin(drops);
    for (let step = 0; step < tape.forward; step++) if (wanted[makes[step] as number] === 1) run(step);
    forward = now;
    for (let step = tape.forward; step < tape.steps.length; step++) {
      const needed = readsOf(step);
      for (let i = 0; i < needed.length; i++) {
        const value = needed[i] as number;
        if (dropped[value] === 1) redo(value);
      }
      run(step);
    }
    return { moments: now, forward, seconds };
  };
}
