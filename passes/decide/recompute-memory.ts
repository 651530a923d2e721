/** What the steps of a tape take, in bytes and seconds, under given drops: the rules of `passes/lower/tasks.ts`. */
import type { Tape } from './recompute-tape.ts';

/** 1 for each value that is dropped. */
export type Drops = Uint8Array;

export type Cost = {
  /** Most bytes alive at once. */
  readonly peak: number;
  /** Seconds of what is done again. */
  readonly seconds: number;
};

export type Detail = Cost & {
  /** Values that are alive between the forward and the backward pass. */
  readonly kept: readonly number[];
  /** Steps that are done again. */
  readonly again: readonly number[];
};

export type Memory = {
  cost(drops: Drops): Cost;
  detail(drops: Drops): Detail;
  /** What is above `limit` under the drops looked at last: the sum over all moments. */
  excess(limit: number): number;
  /**
   * How much of that the dropping of a kept value would take away, if nothing else changed: its bytes while nobody
   * reads it, at the moments that are above the limit. `excess` was asked for just before.
   */
  relief(value: number): number;
};

/** A value lives from its making to its last reading; a dropped one has a second life, from its second making. */
export function memoryOf(tape: Tape): Memory {
  const count = tape.values.length;
  const copies = tape.copies === true;
  const most = tape.steps.length + tape.forward + 1;
  // What is not counted need not be followed.
  const counted = Int32Array.from(
    tape.values.flatMap((value, index) => (value.bytes > 0 || value.price !== undefined ? [index] : [])),
  );
  const isCounted = new Set(counted);
  const reads = tape.steps.map((step) => Int32Array.from(step.reads.filter((value) => isCounted.has(value))));
  const makes = Int32Array.from(tape.steps, (step) => step.makes);
  const bytes = Float64Array.from(tape.values, (value) => value.bytes);
  const price = Float64Array.from(tape.values, (value) => value.price ?? 0);
  const early = tape.values.map((value) => value.early === true);
  const late = tape.values.map((value) => value.late === true);
  const followers = tape.steps.flatMap(({ makes: made }, step) =>
    step < tape.forward && tape.values[made]?.follows === true ? [step] : [],
  );
  const sessionOf = Int32Array.from(tape.steps, (step) => step.session ?? 0);
  const maker = new Int32Array(count).fill(-1);
  makes.forEach((value, step) => {
    maker[value] = step;
  });
  const wanted = readAhead(tape);
  const dropped = new Uint8Array(count);
  const birth = new Int32Array(count);
  const last = new Int32Array(count);
  const birthAgain = new Int32Array(count);
  const lastAgain = new Int32Array(count);
  // The first and the last moment of the session that each moment belongs to.
  const begin = new Int32Array(most);
  const end = new Int32Array(most);
  const session = new Int32Array(most);
  const alive = new Float64Array(most + 1);
  const gradients = Float64Array.from(makes, (value) => tape.values[value]?.gradientBytes ?? 0);
  const gradientAt = new Float64Array(most);
  const inner = new Float64Array(most + 1);
  // By the first moment of a session: bytes that it gives to others.
  const given = new Float64Array(most + 1);
  // When a value is read last in the forward pass, and first in the backward pass.
  const ahead = new Int32Array(count);
  const back = new Int32Array(count);
  // How many moments before each one are above the limit.
  const above = new Int32Array(most + 2);
  let forwardMoments = 0;
  let length = 0;
  let seconds = 0;

  const run = (step: number, again: number): void => {
    for (const value of reads[step] as Int32Array) {
      if (dropped[value] === 1 && (birthAgain[value] as number) >= 0) lastAgain[value] = length;
      else last[value] = length;
      if (length < forwardMoments) ahead[value] = length;
      else if ((back[value] as number) < 0) back[value] = length;
    }
    const made = makes[step] as number;
    if (again === 1) {
      birthAgain[made] = length;
      lastAgain[made] = length;
      seconds += price[made] as number;
    } else {
      birth[made] = length;
      last[made] = length;
      ahead[made] = length;
    }
    gradientAt[length] = gradients[step] as number;
    session[length++] = again === 1 ? 1 : (sessionOf[step] as number);
  };
  /** Does again what a value needs, each step after those it reads of. */
  const redo = (value: number): void => {
    if (dropped[value] === 0 || (birthAgain[value] as number) >= 0) return;
    const step = maker[value] as number;
    for (const input of reads[step] as Int32Array) redo(input);
    run(step, 1);
  };
  const mark = (drops: Drops): void => {
    dropped.set(drops);
    for (const step of followers)
      for (const input of reads[step] as Int32Array)
        if (dropped[input] === 1) dropped[makes[step] as number] = 1;
  };
  const walk = (drops: Drops): void => {
    mark(drops);
    birth.fill(-1);
    last.fill(-1);
    birthAgain.fill(-1);
    back.fill(-1);
    ahead.fill(-1);
    forwardMoments = most;
    lastAgain.fill(-1);
    length = 0;
    seconds = tape.seconds ?? 0;
    for (let step = 0; step < tape.forward; step++)
      if (wanted[makes[step] as number] === 1 || dropped[makes[step] as number] === 0) run(step, 0);
    forwardMoments = length;
    for (let step = tape.forward; step < tape.steps.length; step++) {
      for (const value of reads[step] as Int32Array) redo(value);
      run(step, 0);
    }
  };
  const sessions = (): void => {
    if (!tape.sessions) {
      for (let moment = 0; moment < length; moment++) begin[moment] = end[moment] = moment;
      return;
    }
    for (let moment = 0; moment < length; moment++)
      begin[moment] =
        moment > 0 && session[moment] === session[moment - 1] ? (begin[moment - 1] as number) : moment;
    for (let moment = length - 1; moment >= 0; moment--)
      end[moment] =
        moment < length - 1 && session[moment] === session[moment + 1] ? (end[moment + 1] as number) : moment;
  };
  const change = (value: number, from: number, to: number): void => {
    alive[from] = (alive[from] as number) + (bytes[value] as number);
    alive[to] = (alive[to] as number) - (bytes[value] as number);
  };
  const live = (value: number, first: number, final: number): void => {
    if (begin[first] === begin[final]) {
      change(value, first, final + 1);
      if (copies) within(value, first, final + 1);
    } else {
      change(value, begin[first] as number, (end[final] as number) + 1);
      given[begin[first] as number] = (given[begin[first] as number] as number) + (bytes[value] as number);
    }
  };
  /** What lives inside a session alone. */
  const within = (value: number, from: number, to: number): void => {
    inner[from] = (inner[from] as number) + (bytes[value] as number);
    inner[to] = (inner[to] as number) - (bytes[value] as number);
  };
  const fill = (): number => {
    sessions();
    alive.fill(0, 0, length + 1);
    if (copies) {
      inner.fill(0, 0, length + 1);
      given.fill(0, 0, length + 1);
    }
    for (const value of counted) {
      if (early[value] === true) {
        // It is loaded before the first session, and so is there for the whole of the last that reads it.
        const to = (last[value] as number) < 0 ? 0 : (end[last[value] as number] as number) + 1;
        change(value, 0, late[value] === true ? length : to);
      } else if ((birth[value] as number) >= 0) {
        if (late[value] === true) {
          const from = begin[birth[value] as number] as number;
          change(value, from, length);
          given[from] = (given[from] as number) + (bytes[value] as number);
        } else live(value, birth[value] as number, last[value] as number);
      }
      if ((birthAgain[value] as number) >= 0)
        live(value, birthAgain[value] as number, lastAgain[value] as number);
    }
    if (copies)
      for (let moment = 0; moment < length; moment++) {
        const from = begin[moment] as number;
        given[from] = (given[from] as number) + (gradientAt[moment] as number);
      }
    let now = 0;
    let own = 0;
    let peak = 0;
    for (let moment = 0; moment < length; moment++) {
      now += alive[moment] as number;
      if (copies) own += inner[moment] as number;
      // While a session ends its results are there twice, and what it had of its own no more.
      const twice = copies ? (given[begin[moment] as number] as number) - own : 0;
      alive[moment] = twice > 0 ? now + twice : now;
      if ((alive[moment] as number) > peak) peak = alive[moment] as number;
    }
    return peak;
  };
  const cost = (drops: Drops): Cost => {
    walk(drops);
    return { peak: fill(), seconds };
  };
  const isKept = (value: number): boolean =>
    (early[value] || ((birth[value] as number) >= 0 && (birth[value] as number) < forwardMoments)) &&
    (late[value] || (last[value] as number) >= forwardMoments);
  return {
    cost,
    detail(drops) {
      const paid = cost(drops);
      const all = Array.from({ length: count }, (_, value) => value);
      const again = all.filter((value) => (birthAgain[value] as number) >= 0);
      return { ...paid, kept: all.filter(isKept), again: again.map((value) => maker[value] as number) };
    },
    excess(limit) {
      let sum = 0;
      for (let moment = 0; moment < length; moment++) {
        const over = (alive[moment] as number) - limit;
        above[moment + 1] = (above[moment] as number) + (over > 0 ? 1 : 0);
        if (over > 0) sum += over;
      }
      return sum;
    },
    relief(value) {
      if (dropped[value] === 1 || (back[value] as number) < 0) return 0;
      const moments =
        (above[back[value] as number] as number) - (above[(ahead[value] as number) + 1] as number);
      return (bytes[value] as number) * moments;
    },
  };
}

/** Values that the forward pass makes a result of: others it makes for the backward pass alone, and once. */
function readAhead({ values, steps, forward }: Tape): Uint8Array {
  const ahead = Uint8Array.from(values, ({ late }) => (late === true ? 1 : 0));
  for (const { reads, makes } of steps.slice(0, forward).reverse())
    if (ahead[makes] === 1) for (const value of reads) ahead[value] = 1;
  return ahead;
}
