/**
 * What drops cost: the same as the account of `memory.ts`, faster. Of most values the life is as if all
 * were kept; the others are those that are made again, or read for that.
 */
import type { Account, Lives, Plain } from './account.ts';
import type { Drops } from './lives.ts';
import type { Cost } from './memory.ts';
import { type Redone, redoAll, redoneOf } from './redone.ts';
import { accountOfSessions } from './sessions.ts';
import { accountOfSteps } from './steps.ts';
import type { Tape } from './tape.ts';

export type QuickCost = {
  /** What is made again, and the account, under the drops looked at last. */
  readonly redone: Redone;
  readonly account: Account;
  cost(drops: Drops): Cost;
  /** What is above `limit` under the drops looked at last: the sum over all moments. */
  excess(limit: number): number;
};

export function quickCost(tape: Tape): QuickCost {
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
  const account = (tape.sessions ? accountOfSessions : accountOfSteps)(tape, redone, plainOf(tape, redone));
  const last = tape.steps.length - 1;
  const already = tape.seconds ?? 0;
  return {
    redone,
    account,
    cost(drops) {
      redoAll(redone, drops);
      findLives(redone, lives, last);
      return { peak: account.peak(lives), seconds: already + redone.seconds };
    },
    excess: account.excess,
  };
}

function plainOf(tape: Tape, { arrays, reading }: Redone): Plain {
  const { maker, late } = arrays;
  const bytes = Float64Array.from(tape.values, (value) => value.bytes);
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
