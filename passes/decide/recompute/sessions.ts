/**
 * The account where steps run in sessions. A value that leaves its session is there for the whole of all sessions
 * from the one that makes it to the last that reads it; so of each session it is enough to know what of that is
 * there, and the most of what it has of its own.
 */
import { type Account, above, add, type Lives, type Plain } from './account.ts';
import type { Redone } from './redone.ts';
import type { Tape } from './tape.ts';

type State = {
  readonly plain: Plain;
  readonly redone: Redone;
  /** Whether the executor has what a session gives twice when it ends. */
  readonly copies: boolean;
  /** 1 for what is there before the first step, and for what is there after the last. */
  readonly early: Uint8Array;
  readonly late: Uint8Array;
  /** Values that are neither, and those that are. */
  readonly usual: Int32Array;
  readonly special: Int32Array;
  /** 1 for steps that begin a session whatever is made again; steps that give the gradient of a parameter. */
  readonly begins: Uint8Array;
  readonly giving: Int32Array;
  /** The session of each step, and of each run. */
  readonly ofStep: Int32Array;
  readonly ofRun: Int32Array;
  sessions: number;
  /** Of each session what is there of values that enter or leave it, and what it gives. */
  readonly across: Float64Array;
  readonly given: Float64Array;
  /** The changes of what a session has of its own, from step to step and from making to making. */
  readonly inner: Float64Array;
  readonly innerAgain: Float64Array;
  /** Bytes that are there at each step, and at each making. */
  readonly alive: Float64Array;
  readonly aliveAgain: Float64Array;
};

export function accountOfSessions(tape: Tape, redone: Redone, plain: Plain): Account {
  const state = stateOf(tape, redone, plain);
  return {
    alive: state.alive,
    aliveAgain: state.aliveAgain,
    peak(lives) {
      number(state);
      begin(state);
      placeUsual(state);
      placeSpecial(state);
      place(state, lives);
      return total(state);
    },
    excess: (limit) =>
      above(state.alive, state.alive.length, limit) + above(state.aliveAgain, redone.makings, limit),
  };
}

function stateOf(tape: Tape, redone: Redone, plain: Plain): State {
  const { sessions, gradients, late } = redone.arrays;
  const count = tape.steps.length;
  const size = tape.values.length;
  const amounts = (length: number) => new Float64Array(length);
  const early = Uint8Array.from(tape.values, (value) => (value.early === true ? 1 : 0));
  const isSpecial = (value: number) => early[value] === 1 || late[value] === 1;
  const values = [...plain.steps.keys()].filter((value) => (plain.steps[value] as number) >= 0);
  return {
    plain,
    redone,
    copies: tape.copies === true,
    early,
    late,
    usual: Int32Array.from(values.filter((value) => !isSpecial(value))),
    special: Int32Array.from(values.filter(isSpecial)),
    begins: Uint8Array.from(sessions, (session, step) => (session === sessions[step - 1] ? 0 : 1)),
    giving: Int32Array.from([...gradients.keys()].filter((step) => (gradients[step] as number) > 0)),
    ofStep: new Int32Array(count),
    ofRun: new Int32Array(size),
    sessions: 0,
    across: amounts(2 * count + 2),
    given: amounts(2 * count + 2),
    inner: amounts(count + 1),
    innerAgain: amounts(size + 1),
    alive: amounts(count),
    aliveAgain: amounts(size),
  };
}

/** Numbers the sessions: each run is one, and parts the steps around it. */
function number(state: State): void {
  const { begins, ofStep, ofRun, redone } = state;
  const { stepOf, runs } = redone;
  let session = -1;
  let run = 0;
  let next = runs > 0 ? (stepOf[0] as number) : -1;
  for (let step = 0; step < ofStep.length; step++) {
    if (step === next) {
      ofRun[run++] = ++session;
      session++;
      next = run < runs ? (stepOf[run] as number) : -1;
    } else session += begins[step] as number;
    ofStep[step] = session;
  }
  state.sessions = session + 1;
}

function begin({ copies, giving, ofStep, sessions, across, given, inner, innerAgain, redone }: State): void {
  const { gradients } = redone.arrays;
  across.fill(0, 0, sessions + 1);
  given.fill(0, 0, sessions + 1);
  inner.fill(0);
  innerAgain.fill(0, 0, redone.makings + 1);
  if (!copies) return;
  for (let i = 0; i < giving.length; i++) {
    const step = giving[i] as number;
    const session = ofStep[step] as number;
    given[session] = (given[session] as number) + (gradients[step] as number);
  }
}

/** All values that live as if everything were kept. */
function placeUsual({ usual, plain, redone, ofStep, across, given, inner }: State): void {
  const { isTouched } = redone;
  const { steps, lastSteps, bytes } = plain;
  for (let i = 0; i < usual.length; i++) {
    const value = usual[i] as number;
    if (isTouched[value] === 1) continue;
    const [step, last] = [steps[value] as number, lastSteps[value] as number];
    const [from, until] = [ofStep[step] as number, ofStep[last] as number];
    const own = bytes[value] as number;
    if (from === until) add(inner, step, last + 1, own);
    else {
      add(across, from, until + 1, own);
      given[from] = (given[from] as number) + own;
    }
  }
}

function placeSpecial(state: State): void {
  const { special, plain, redone, ofStep } = state;
  for (let i = 0; i < special.length; i++) {
    const value = special[i] as number;
    if (redone.isTouched[value] === 1) continue;
    const last = plain.lastSteps[value] as number;
    if (last >= 0)
      leave(state, value, ofStep[plain.steps[value] as number] as number, ofStep[last] as number);
  }
}

/** A value that is there for the whole of some sessions. */
function leave({ plain, early, across, given }: State, value: number, from: number, until: number): void {
  const own = plain.bytes[value] as number;
  const isGiven = early[value] === 0;
  add(across, isGiven ? from : 0, until + 1, own);
  if (isGiven) given[from] = (given[from] as number) + own;
}

function place(state: State, lives: Lives): void {
  const { plain, redone, early, late, ofStep, ofRun, inner, innerAgain } = state;
  const { runOf } = redone;
  const { bytes } = plain;
  const { values, steps, makings, lastSteps, lastMakings, count } = lives;
  for (let i = 0; i < count; i++) {
    const value = values[i] as number;
    const making = makings[i] as number;
    const step = steps[i] as number;
    const lastMaking = lastMakings[i] as number;
    const last = lastSteps[i] as number;
    const from = making < 0 ? (ofStep[step] as number) : (ofRun[runOf[making] as number] as number);
    const until = lastMaking < 0 ? (ofStep[last] as number) : (ofRun[runOf[lastMaking] as number] as number);
    const isFirst = making < 0 && (early[value] === 1 || late[value] === 1);
    if (from !== until || isFirst) leave(state, value, from, until);
    else if (making < 0) add(inner, step, last + 1, bytes[value] as number);
    else add(innerAgain, making, lastMaking + 1, bytes[value] as number);
  }
}

/** From changes to what is there; gives the most. What a session gives is there twice when it ends, and nothing of its own. */
function total(state: State): number {
  const { sessions, across, given, copies, ofStep, ofRun, inner, innerAgain, alive, aliveAgain } = state;
  const { runOf, makings } = state.redone;
  let now = 0;
  for (let session = 0; session < sessions; session++) {
    now += across[session] as number;
    across[session] = now;
    if (!copies) given[session] = 0;
  }
  let peak = 0;
  now = 0;
  for (let step = 0; step < alive.length; step++) {
    now += inner[step] as number;
    const session = ofStep[step] as number;
    const twice = given[session] as number;
    const bytes = (across[session] as number) + (now > twice ? now : twice);
    alive[step] = bytes;
    if (bytes > peak) peak = bytes;
  }
  now = 0;
  for (let making = 0; making < makings; making++) {
    now += innerAgain[making] as number;
    const session = ofRun[runOf[making] as number] as number;
    const twice = given[session] as number;
    const bytes = (across[session] as number) + (now > twice ? now : twice);
    aliveAgain[making] = bytes;
    if (bytes > peak) peak = bytes;
  }
  return peak;
}
