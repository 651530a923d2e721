/**
 * What the steps of a tape take, in bytes and seconds, under given drops: by going through all of them, moment by
 * moment. The costs of the search, which are told from what a choice changes, are held against it.
 */
import { at } from '../../ir/box.ts';
import type { Cost, Detail } from '../../passes/decide/recompute/cost.ts';
import type { Drops, Tape } from '../../passes/decide/recompute/tape.ts';
import { type Lives, livesOf, type Walk } from './tape-lives.ts';

export type Memory = {
  cost(drops: Drops): Cost;
  detail(drops: Drops): Detail;
};

export function memoryOf(tape: Tape): Memory {
  const lives = livesOf(tape);
  const peakOf = accountOf(tape, lives);
  let walk: Walk = { moments: 0, forward: 0, seconds: 0 };
  const cost = (drops: Drops): Cost => {
    walk = lives.walk(drops);
    return { peak: peakOf(walk), seconds: walk.seconds };
  };
  return {
    cost,
    detail(drops) {
      const paid = cost(drops);
      const kept: number[] = [];
      const again: number[] = [];
      for (let value = 0; value < tape.values.length; value++) {
        if (isKept(tape, lives, walk, value)) kept.push(value);
        if (moment(lives.birthAgain, value) >= 0) again.push(value);
      }
      return {
        ...paid,
        kept,
        again,
        twice: again.filter((value) => moment(lives.birth, value) >= 0),
      };
    },
  };
}

function isKept({ values }: Tape, { birth, last }: Lives, { forward }: Walk, value: number): boolean {
  const { early, late } = at(values, value);
  const isMade = early === true || (moment(birth, value) >= 0 && moment(birth, value) < forward);
  return isMade && (late === true || moment(last, value) >= forward);
}

const moment = (moments: Int32Array, index: number): number => moments[index] as number;

/** The most bytes alive at once, of the lives found last. A value that leaves its session is there as long as the sessions run that make it and read it last. */
function accountOf(tape: Tape, lives: Lives): (walk: Walk) => number {
  const { birth, last, birthAgain, lastAgain, most } = lives;
  const { begin, end, mark } = sessionsOf(tape, lives);
  const counted = Int32Array.from(tape.values.flatMap(({ bytes }, value) => (bytes > 0 ? [value] : [])));
  const bytes = Float64Array.from(tape.values, (value) => value.bytes);
  const early = Uint8Array.from(tape.values, (value) => (value.early === true ? 1 : 0));
  const late = Uint8Array.from(tape.values, (value) => (value.late === true ? 1 : 0));
  const copies = tape.copies === true;
  const alive = new Float64Array(most + 1);
  // Of that what lives inside of one session alone, and, by their first moments, what sessions give.
  const inner = new Float64Array(most + 1);
  const given = new Float64Array(most + 1);

  const add = (to: Float64Array, moment: number, amount: number): void => {
    to[moment] = (to[moment] as number) + amount;
  };
  const between = (to: Float64Array, value: number, from: number, until: number): void => {
    add(to, from, bytes[value] as number);
    add(to, until, -(bytes[value] as number));
  };
  const live = (value: number, first: number, final: number): void => {
    const from = begin[first] as number;
    if (from === begin[final]) {
      between(alive, value, first, final + 1);
      if (copies) between(inner, value, first, final + 1);
    } else {
      between(alive, value, from, (end[final] as number) + 1);
      if (copies) add(given, from, bytes[value] as number);
    }
  };
  const place = (value: number, moments: number): void => {
    if (early[value] === 1) {
      // It is loaded before the first session, and so is there for the whole of the last that reads it.
      const until = (last[value] as number) < 0 ? 0 : (end[last[value] as number] as number) + 1;
      between(alive, value, 0, late[value] === 1 ? moments : until);
    } else if ((birth[value] as number) >= 0) {
      if (late[value] === 1) {
        const from = begin[birth[value] as number] as number;
        between(alive, value, from, moments);
        if (copies) add(given, from, bytes[value] as number);
      } else live(value, birth[value] as number, last[value] as number);
    }
    if ((birthAgain[value] as number) >= 0)
      live(value, birthAgain[value] as number, lastAgain[value] as number);
  };
  /** From changes to amounts. While a session ends its results are there twice, and what it had of its own no more. */
  const total = (moments: number): number => {
    let now = 0;
    let own = 0;
    let peak = 0;
    for (let moment = 0; moment < moments; moment++) {
      now += alive[moment] as number;
      if (copies) own += inner[moment] as number;
      const twice = copies ? (given[begin[moment] as number] as number) - own : 0;
      alive[moment] = twice > 0 ? now + twice : now;
      peak = Math.max(peak, alive[moment] as number);
    }
    return peak;
  };
  return ({ moments }) => {
    mark(moments);
    alive.fill(0, 0, moments + 1);
    if (copies) {
      inner.fill(0, 0, moments + 1);
      given.fill(0, 0, moments + 1);
    }
    for (let i = 0; i < counted.length; i++) place(counted[i] as number, moments);
    for (let moment = 0; copies && moment < moments; moment++)
      add(given, begin[moment] as number, lives.gradients[moment] as number);
    return total(moments);
  };
}

/** The first and the last moment of the session that each moment belongs to. */
function sessionsOf(tape: Tape, { session, most }: Lives) {
  const begin = new Int32Array(most);
  const end = new Int32Array(most);
  const joins = (moment: number): boolean => session[moment] === session[moment - 1];
  // Each moment is on its own, whatever is dropped.
  if (!tape.sessions) for (let moment = 0; moment < most; moment++) begin[moment] = end[moment] = moment;
  const mark = (moments: number): void => {
    if (!tape.sessions) return;
    begin[0] = 0;
    for (let moment = 1; moment < moments; moment++)
      begin[moment] = joins(moment) ? (begin[moment - 1] as number) : moment;
    end[moments - 1] = moments - 1;
    for (let moment = moments - 2; moment >= 0; moment--)
      end[moment] = joins(moment + 1) ? (end[moment + 1] as number) : moment;
  };
  return { begin, end, mark };
}
