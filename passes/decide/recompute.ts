/**
 * Which values to compute again instead of keeping them, and of which a byte a cell will do: the whole curve of memory against time, for all budgets
 * from one run.
 *
 * The drops are looked for where each step frees what it no longer needs at once. What is found is then changed
 * where it lowers to a better plan, whose sessions hold what goes in and comes out a little longer; the points of the
 * curve are those of the plans.
 */
import { at } from '../../ir/box.ts';
import { valueOfBytes } from '../../ir/lean.ts';
import type { Strips } from '../../ir/schedule.ts';
import type { Profile } from './profile.ts';
import { type Basis, basisOf, type QuickCost, quickCost } from './recompute/cost.ts';
import { thinned } from './recompute/front.ts';
import { partsOf, type StripsPart } from './recompute/parts.ts';
import type { Pieces } from './recompute/pieces.ts';
import { searchPlans } from './recompute/search.ts';
import { allInStrips } from './recompute/strips.ts';
import { type Drops, type Tape, tapeOf } from './recompute/tape.ts';

export type RecomputeQuestion = {
  readonly profile: Profile;
  /** Seconds of each op of the profile on one micro-batch: forward, which is the price of computing it again. */
  readonly forward: readonly number[];
  /** And backward. */
  readonly backward: readonly number[];
  /** Bytes of each spatial value of one micro-batch on the device, margins included. */
  readonly bytes: ReadonlyMap<string, number>;
  /** Values of which bytes may be noted, and the seconds that this adds; absent: of none. */
  readonly noting?: ReadonlyMap<string, number>;
  /** Values of which bytes are noted in any case. */
  readonly noted?: readonly string[];
  /** Whether parts of the network may be done in strips of rows. */
  readonly strips?: boolean;
  /** What doing an op in pieces takes, as strips do; absent: shares of what it takes as a whole. */
  readonly pieces?: Pieces;
  /** Whether the executor has what a session gives twice when the session ends, as the one of this machine does. */
  readonly copies?: boolean;
};

/** One point of the curve: no other needs less memory and no more time. */
export type RecomputePoint = {
  readonly drop: readonly string[];
  /** Values of which bytes are noted. */
  readonly lean: readonly string[];
  readonly strips: readonly Strips[];
  /**
   * Most bytes alive at once in forward and backward of one micro-batch: inputs, activations, cotangents, working
   * sets. Parameters and their gradients are not counted.
   */
  readonly peak: number;
  /** Bytes that stay between forward and backward, which a pipeline has once for each micro-batch in flight. */
  readonly kept: number;
  /** The most beside them. */
  readonly working: number;
  readonly extraSeconds: number;
  /** For each op of the model: extra seconds of the backward pass, and bytes kept of what it makes or reads first. */
  readonly extra: readonly number[];
  readonly keptBytes: readonly number[];
};

/** From no recompute to the least memory. */
export function recomputeCurve(question: RecomputeQuestion): RecomputePoint[] {
  const ways = waysOf(question);
  const lowered = ways.flatMap((way) => {
    const share = way.inStrips.length === 0 ? 1 : 1 / ways.length;
    return searchPlans(way.tape, { share, basis: way.basis }).map((one) => ({ ...one, way }));
  });
  return thinned(lowered).map((one) => pointOf(one, question));
}

/** The network as it is, or with parts of it in strips. */
type Way = {
  readonly tape: Tape;
  readonly inStrips: readonly StripsPart[];
  readonly basis: Basis;
  readonly quick: QuickCost;
  readonly origins: Int32Array;
};

function wayOf(tape: Tape, inStrips: readonly StripsPart[] = []): Way {
  const basis = basisOf(tape);
  return { tape, inStrips, basis, quick: quickCost(tape, basis), origins: firstOrigins(tape) };
}

/** Those of which none needs less memory and no more time before anything is dropped. */
function waysOf(question: RecomputeQuestion): Way[] {
  const tape = { ...tapeOf(question), copies: question.copies === true };
  if (question.strips !== true) return [wayOf(tape)];
  const { profile, forward, backward, pieces } = question;
  const parts = partsOf({ model: profile.model, forward, backward, pieces }, tape);
  const ways = [
    wayOf(tape),
    ...parts.map((all) =>
      wayOf(
        allInStrips(
          tape,
          all.map(({ part }) => part),
        ),
        all,
      ),
    ),
  ];
  return thinned(ways.map((way) => ({ ...way.quick.cost(new Uint8Array(way.tape.values.length)), way }))).map(
    ({ way }) => way,
  );
}

type Chosen = { readonly way: Way; readonly drops: Drops };

function pointOf({ way, drops }: Chosen, { profile, noted = [] }: RecomputeQuestion): RecomputePoint {
  const { values } = way.tape;
  const { peak, seconds, kept, again, twice } = way.quick.detail(drops);
  const bytes = [...values.keys()].filter(
    (value) => drops[value] === 1 && values[value]?.noting !== undefined,
  );
  const extra = profile.ops.map((_, op) => way.inStrips.reduce((sum, one) => sum + at(one.extra, op), 0));
  const keptBytes = new Array<number>(profile.ops.length).fill(0);
  const add = (to: number[], value: number, amount = 0): void => {
    const origin = way.origins[value] as number;
    to[origin] = at(to, origin) + amount;
  };
  for (const value of twice) add(extra, value, values[value]?.price);
  for (const value of bytes) add(extra, value, values[value]?.noting);
  for (const value of kept) add(keptBytes, value, values[value]?.bytes);
  const keptInAll = keptBytes.reduce((sum, bytes) => sum + bytes, 0);
  return {
    drop: again
      .map((value) => at(values, value))
      .flatMap(({ name, price }) => (price === undefined ? [] : [name])),
    lean: [...noted, ...bytes.flatMap((value) => valueOfBytes(at(values, value).name) ?? [])],
    strips: way.inStrips.map(({ strips }) => strips),
    peak,
    kept: keptInAll,
    working: peak - keptInAll,
    extraSeconds: seconds,
    extra,
    keptBytes,
  };
}

/** The op that makes each value, or that reads it first. */
function firstOrigins({ values, steps }: Tape): Int32Array {
  const origins = new Int32Array(values.length);
  for (const { reads, makes, origin } of steps.toReversed()) {
    origins[makes] = origin;
    for (const value of reads) origins[value] = origin;
  }
  return origins;
}
