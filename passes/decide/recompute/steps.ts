/** The account where each step is on its own, and frees at once what it no longer needs. */
import { type Account, above, add, type Lives, type Plain } from './account.ts';
import type { Redone } from './redone.ts';
import type { Tape } from './tape.ts';

type State = {
  readonly plain: Plain;
  readonly redone: Redone;
  /** The changes from step to step of what is there, where all is kept, and now. */
  readonly base: Float64Array;
  readonly changes: Float64Array;
  /** Bytes that are there at each step, and at each making. */
  readonly alive: Float64Array;
  readonly aliveAgain: Float64Array;
  /** Of each run what is there before it and not after it, and what it makes that is there after it. */
  readonly leaving: Float64Array;
  readonly staying: Float64Array;
  /** Of each making what nobody reads after it. */
  readonly freed: Float64Array;
};

export function accountOfSteps(tape: Tape, redone: Redone, plain: Plain): Account {
  const count = tape.steps.length;
  const size = tape.values.length;
  const amounts = (length: number) => new Float64Array(length);
  const base = amounts(count + 1);
  plain.steps.forEach((step, value) => {
    if (step >= 0) add(base, step, (plain.lastSteps[value] as number) + 1, plain.bytes[value] as number);
  });
  const state = {
    plain,
    redone,
    base,
    changes: amounts(count + 1),
    alive: amounts(count),
    aliveAgain: amounts(size),
    leaving: amounts(size),
    staying: amounts(size),
    freed: amounts(size),
  };
  return {
    alive: state.alive,
    aliveAgain: state.aliveAgain,
    peak(lives) {
      begin(state);
      place(state, lives);
      return Math.max(totalOfSteps(state), totalOfRuns(state));
    },
    excess: (limit) => above(state.alive, count, limit) + above(state.aliveAgain, redone.makings, limit),
  };
}

function begin({ plain, redone, base, changes, leaving, staying, freed }: State): void {
  const { touched, touches, runs, makings } = redone;
  const { steps, lastSteps, bytes } = plain;
  changes.set(base);
  leaving.fill(0, 0, runs);
  staying.fill(0, 0, runs);
  freed.fill(0, 0, makings);
  for (let i = 0; i < touches; i++) {
    const value = touched[i] as number;
    const step = steps[value] as number;
    if (step >= 0) add(changes, step, (lastSteps[value] as number) + 1, -(bytes[value] as number));
  }
}

function place({ plain, redone, changes, leaving, staying, freed }: State, lives: Lives): void {
  const { runOf, stepOf } = redone;
  const { bytes } = plain;
  const { values, steps, makings, lastSteps, lastMakings, count } = lives;
  for (let i = 0; i < count; i++) {
    const own = bytes[values[i] as number] as number;
    const making = makings[i] as number;
    const lastMaking = lastMakings[i] as number;
    const born = making < 0 ? -1 : (runOf[making] as number);
    let until = (lastSteps[i] as number) + 1;
    if (lastMaking >= 0) {
      const run = runOf[lastMaking] as number;
      freed[lastMaking] = (freed[lastMaking] as number) + own;
      if (run === born) continue;
      leaving[run] = (leaving[run] as number) + own;
      until = stepOf[run] as number;
    }
    if (born >= 0) staying[born] = (staying[born] as number) + own;
    add(changes, born < 0 ? (steps[i] as number) : (stepOf[born] as number), until, own);
  }
}

/** From changes to what is there at each step; gives the most. */
function totalOfSteps({ changes, alive }: State): number {
  let now = 0;
  let peak = 0;
  for (let step = 0; step < alive.length; step++) {
    now += changes[step] as number;
    alive[step] = now;
    if (now > peak) peak = now;
  }
  return peak;
}

/** The same while something is made again. */
function totalOfRuns({ plain, redone, alive, aliveAgain, leaving, staying, freed }: State): number {
  const { made, runOf, stepOf, makings } = redone;
  const { makes } = redone.arrays;
  const { bytes } = plain;
  let peak = 0;
  let run = -1;
  let inside = 0;
  for (let making = 0; making < makings; making++) {
    if (runOf[making] !== run) {
      run++;
      const step = stepOf[run] as number;
      // What is there on both sides of the run, and what is read by it for the last time.
      const across = (alive[step] as number) - (bytes[makes[step] as number] as number);
      inside = across - (staying[run] as number) + (leaving[run] as number);
    }
    inside += bytes[made[making] as number] as number;
    aliveAgain[making] = inside;
    if (inside > peak) peak = inside;
    inside -= freed[making] as number;
  }
  return peak;
}
