/**
 * What drops cost, in bytes and seconds; fast enough to try thousands. Of most values the life is as if all were kept;
 * the others are those that are made again, or read for that.
 */
import type { Account, Lives, Plain } from './account.ts';
import { type Redone, redoAll, redoneOf } from './redone.ts';
import { accountOfSessions } from './sessions.ts';
import { accountOfSteps } from './steps.ts';
import type { Drops, Tape } from './tape.ts';

export type Cost = {
  /** Most bytes alive at once. */
  readonly peak: number;
  /** Seconds of what is done again. */
  readonly seconds: number;
};

export type Detail = Cost & {
  /** Values that are alive between the forward and the backward pass. */
  readonly kept: readonly number[];
  /** Values that are made in the backward pass. */
  readonly again: readonly number[];
  /** Those of them that the forward pass makes as well. */
  readonly twice: readonly number[];
};

export type QuickCost = {
  /** What is made again, and the account, under the drops looked at last. */
  readonly redone: Redone;
  readonly account: Account;
  cost(drops: Drops): Cost;
  detail(drops: Drops): Detail;
  /** What is above `limit` under the drops looked at last: the sum over all moments. */
  excess(limit: number): number;
};

/** What does not depend on how the memory of a tape is counted: one is enough for all of its accounts, one after another. */
export type Basis = { readonly redone: Redone; readonly plain: Plain; readonly lives: Lives };

export function basisOf(tape: Tape): Basis {
  const redone = redoneOf(tape);
  const numbers = () => new Int32Array(2 * tape.values.length);
  const lives: Lives = {
    values: numbers(),
    steps: numbers(),
    makings: numbers(),
    lastSteps: numbers(),
    lastMakings: numbers(),
    count: 0,
  };
  return { redone, plain: plainOf(tape, redone), lives };
}

export function quickCost(tape: Tape, { redone, plain, lives } = basisOf(tape)): QuickCost {
  const account = (tape.sessions ? accountOfSessions : accountOfSteps)(tape, redone, plain);
  const last = tape.steps.length - 1;
  const already = tape.seconds ?? 0;
  const cost = (drops: Drops): Cost => {
    redoAll(redone, drops);
    findLives(redone, lives, last);
    return { peak: account.peak(lives), seconds: already + redone.seconds };
  };
  return {
    redone,
    account,
    cost,
    detail(drops) {
      const paid = cost(drops);
      return { ...paid, ...detailOf(tape, redone) };
    },
    excess: account.excess,
  };
}

function detailOf({ values, forward }: Tape, redone: Redone): Omit<Detail, keyof Cost> {
  const { arrays, reading, dropped, again, readAgain } = redone;
  const { maker, late } = arrays;
  const found = { kept: [] as number[], again: [] as number[], twice: [] as number[] };
  for (let value = 0; value < values.length; value++) {
    const step = maker[value] as number;
    const isMade = reading.isMade[value] === 1;
    const isThere = step < 0 ? values[value]?.early === true : isMade && step < forward;
    const isRead = (reading.lastStep[value] as number) >= 0 || (readAgain[value] as number) >= 0;
    if (isThere && (late[value] === 1 || (isRead && dropped[value] === 0))) found.kept.push(value);
    if ((again[value] as number) < 0) continue;
    found.again.push(value);
    if (isMade) found.twice.push(value);
  }
  return found;
}

function plainOf(tape: Tape, { arrays, reading }: Redone): Plain {
  const { maker, late } = arrays;
  const bytes = new Float64Array(tape.values.map((value) => value.bytes));
  const isThere = (value: number) =>
    bytes[value] !== 0 &&
    reading.isMade[value] === 1 &&
    ((maker[value] as number) >= 0 || tape.values[value]?.early === true);
  return {
    steps: maker.map((step, value) => (isThere(value) ? Math.max(0, step) : -1)),
    lastSteps: maker.map((step, value) =>
      late[value] === 1
        ? tape.steps.length - 1
        : Math.max(step, reading.aheadStep[value] as number, reading.lastStep[value] as number),
    ),
    bytes,
  };
}

/** The lives of all values that are touched. */
function findLives(redone: Redone, lives: Lives, last: number): void {
  const { touched, touches, dropped, again, readAgain, runOf, stepOf } = redone;
  const { maker, late } = redone.arrays;
  const { isMade, aheadStep, lastStep } = redone.reading;
  const { values, steps, makings, lastSteps, lastMakings } = lives;
  let count = 0;
  for (let i = 0; i < touches; i++) {
    const value = touched[i] as number;
    const step = maker[value] as number;
    const from = step < 0 ? 0 : step;
    const next = aheadStep[value] as number;
    const ahead = late[value] === 1 ? last : next > step ? next : step;
    const back = lastStep[value] as number;
    const read = readAgain[value] as number;
    const readBefore = read < 0 ? -1 : (stepOf[runOf[read] as number] as number);
    const isKept = dropped[value] === 0;
    if (isMade[value] === 1) {
      const until = isKept && back > ahead ? back : ahead;
      const isReadAgain = isKept && readBefore > until;
      values[count] = value;
      steps[count] = from;
      makings[count] = -1;
      lastSteps[count] = isReadAgain ? -1 : until;
      lastMakings[count++] = isReadAgain ? read : -1;
    }
    const making = again[value] as number;
    if (isKept || making < 0) continue;
    const isReadAgain = readBefore > back;
    values[count] = value;
    steps[count] = -1;
    makings[count] = making;
    lastSteps[count] = isReadAgain ? -1 : back;
    lastMakings[count++] = isReadAgain ? read : -1;
  }
  lives.count = count;
}
