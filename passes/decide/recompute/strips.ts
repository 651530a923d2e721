/**
 * What a tape becomes when a part of it is done in strips: of the forward pass only what enters the part is kept; in
 * the backward pass each strip cuts out its rows, computes the part again on them, differentiates that, and adds to
 * whole cotangents of what enters. One strip stands for all of them, the largest.
 */
import { at } from '../../../ir/box.ts';
import type { Tape, TapeStep, TapeValue } from './tape.ts';

export type Part = {
  /** The steps of the forward pass that are done in strips, both ends included. */
  readonly first: number;
  readonly last: number;
  readonly count: number;
  /** For values that the part makes or reads the share of the rows that the largest strip holds, margins included. */
  readonly shares: ReadonlyMap<number, number>;
  /** Seconds that it adds. */
  readonly seconds: number;
  /** The first time is left to the backward pass: nothing after the part reads of it but sums. */
  readonly fused: boolean;
};

/**
 * How many bytes of the cotangent that a backward step makes are of values that enter the part; all of them where
 * a step makes the cotangent of one value.
 */
export type Entering = (step: number, entering: ReadonlySet<number>) => number;

/** What strips make is not kept anyhow, and not made again as a whole. */
function withoutPrice(values: readonly TapeValue[], made: readonly number[]): TapeValue[] {
  const inside = new Set(made);
  return values.map((value, index) => {
    const { price: _, ...rest } = value;
    return inside.has(index) ? rest : value;
  });
}

// Strips have no bytes: what they would stand for is gone with the strip.
const isBytes = (tape: Tape, { makes }: TapeStep): boolean => at(tape.values, makes).noting !== undefined;

type Ends = Pick<Part, 'first' | 'last' | 'fused'>;

/** The steps of the backward pass that differentiate a part. */
function backwardOf(tape: Tape, stretch: readonly TapeStep[]): number[] {
  const origins = new Set(stretch.map(({ origin }) => origin));
  return tape.steps.flatMap(({ origin }, step) =>
    step >= tape.forward && origins.has(origin) ? [step] : [],
  );
}

/**
 * The forward steps that strips carry out: where the forward pass has been through the part, only those that the way
 * back reads of, which is nothing of a convolution that the part ends with.
 */
export function stepsInStrips(tape: Tape, { first, last, fused }: Ends): TapeStep[] {
  const stretch = tape.steps.slice(first, last + 1).filter((step) => !isBytes(tape, step));
  if (fused) return stretch;
  const wanted = new Set(backwardOf(tape, stretch).flatMap((step) => at(tape.steps, step).reads));
  return stretch
    .toReversed()
    .filter(({ reads, makes }) => {
      if (!wanted.has(makes)) return false;
      for (const value of reads) wanted.add(value);
      return true;
    })
    .reverse();
}

/** Of each parameter that a part has a share in the gradient of. */
export const gradientBytesOf = (tape: Tape, { first, last }: Ends): number[] =>
  backwardOf(tape, tape.steps.slice(first, last + 1)).flatMap((step) => {
    const { gradientBytes } = at(tape.values, at(tape.steps, step).makes);
    return gradientBytes === undefined ? [] : [gradientBytes];
  });

/** With several parts in strips, in the order of the model: the last first, so that the steps of others stay where they are. */
export const allInStrips = (tape: Tape, parts: readonly Part[], bytesEntering?: Entering): Tape =>
  parts.reduceRight((before, part) => inStrips(before, part, bytesEntering), tape);

export function inStrips(tape: Tape, part: Part, bytesEntering?: Entering): Tape {
  const stretch = tape.steps.slice(part.first, part.last + 1);
  const inside = stretch.filter((step) => !isBytes(tape, step));
  const computed = stepsInStrips(tape, part);
  const within = new Set(stretch.filter((step) => isBytes(tape, step)).map(({ makes }) => makes));
  const values: TapeValue[] = withoutPrice(
    tape.values,
    computed.map(({ makes }) => makes),
  ).map(({ noting, ...value }, index) =>
    noting === undefined || within.has(index) ? value : { ...value, noting },
  );
  const add = (name: string, bytes: number) => values.push({ name, bytes }) - 1;
  const back = backwardOf(tape, inside);
  const [begin, end] = [at(back, 0), at(back, back.length - 1)];
  const isBack = new Set(back);
  const made = new Set([...inside, ...back.map((step) => at(tape.steps, step))].map(({ makes }) => makes));
  const entering = new Set(inside.flatMap(({ reads }) => reads).filter((value) => !made.has(value)));
  const readInside = new Set(
    [...computed, ...back.map((step) => at(tape.steps, step))].flatMap(({ reads }) => reads),
  );
  const given = [...entering].filter((value) => readInside.has(value));
  const outside = tape.steps.slice(tape.forward).filter((_, index) => !isBack.has(tape.forward + index));
  const readOutside = new Set(outside.flatMap(({ reads }) => reads));

  const block: TapeStep[] = [];
  const run = (reads: readonly number[], makes: number, origin: number) =>
    block.push({ reads, makes, origin, session: 2 * part.first + 2 });
  const { origin } = at(tape.steps, begin);
  run(given, add('strips~begin', 0), origin);
  // The whole cotangents that leave, and the classes that the forward pass does not give now.
  const whole = new Map<number, number>();
  for (const step of back) {
    const { makes } = at(tape.steps, step);
    if (!readOutside.has(makes)) continue;
    const bytes = bytesEntering?.(step, entering) ?? at(values, makes).bytes;
    whole.set(makes, add(`${at(values, makes).name}~whole`, bytes));
    run([], whole.get(makes) as number, origin);
  }
  if (part.fused) for (const { makes } of inside) if (at(values, makes).late === true) run([], makes, origin);
  // What a strip has of each value.
  const own = new Map<number, number>();
  const incoming = new Set<number>();
  const sums: number[] = [];
  const shareOf = (value: number): number => part.shares.get(value) ?? 1 / part.count;
  const piece = (value: number, share: number): number => {
    const { name, bytes } = at(values, value);
    const number = add(`${name}~strip`, bytes * share);
    own.set(value, number);
    return number;
  };
  const read = (value: number): number => {
    const known = own.get(value);
    if (known !== undefined || at(values, value).bytes === 0) return known ?? value;
    if (!entering.has(value)) incoming.add(value);
    const cut = piece(value, shareOf(value));
    run([value], cut, origin);
    return cut;
  };
  const compute = (step: TapeStep, share: number): void => {
    const reads = step.reads.map(read);
    const { bytes, gradientBytes = 0 } = at(values, step.makes);
    if (bytes > 0) run(reads, piece(step.makes, share), step.origin);
    else {
      // A strip's share of a parameter's gradient is there beside the sum that it is added to.
      sums.push(add('strips~sum', gradientBytes));
      run(reads, at(sums, sums.length - 1), step.origin);
    }
  };
  for (const step of computed) compute(step, shareOf(step.makes));
  // A cotangent that a step makes is of what its op reads.
  const widest = new Map(
    inside.map(({ origin, reads }) => [origin, Math.max(1 / part.count, ...reads.map(shareOf))]),
  );
  for (const index of back) {
    const step = at(tape.steps, index);
    compute(step, widest.get(step.origin) ?? 1);
  }
  const parts = [...whole.keys()].flatMap((value) => own.get(value) ?? []);
  // What a strip gives, and what it is given, is there from the beginning to the end of its session.
  block.push({
    reads: [...given, ...incoming, ...parts, ...sums],
    makes: add('strips~end', 0),
    origin,
    session: 2 * part.first + 3,
  });

  const outer = (step: TapeStep): TapeStep => ({
    ...step,
    reads: step.reads.map((value) => whole.get(value) ?? value),
    ...(step.lean === undefined
      ? {}
      : {
          lean: { ...step.lean, reads: step.lean.reads.map((value) => whole.get(value) ?? value) },
        }),
  });
  const forward = tape.steps
    .slice(0, tape.forward)
    .filter((one, step) => step < part.first || step > part.last || !(part.fused || isBytes(tape, one)));
  return {
    ...tape,
    values,
    forward: forward.length,
    steps: [
      ...forward,
      ...tape.steps.slice(tape.forward, begin),
      ...block,
      ...tape.steps.slice(end + 1).map(outer),
    ],
    seconds: (tape.seconds ?? 0) + part.seconds,
  };
}
