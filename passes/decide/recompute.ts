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
import { type Found, thinned } from './recompute/front.ts';
import type { Drops } from './recompute/lives.ts';
import { type Memory, memoryOf } from './recompute/memory.ts';
import { partsOf, type StripsPart } from './recompute/parts.ts';
import { refine, search } from './recompute/search.ts';
import { inStrips } from './recompute/strips.ts';
import { type Tape, tapeOf } from './recompute/tape.ts';
import { droppedUnits, notedUnits } from './recompute/units.ts';

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
  /** Whether a part of the network may be done in strips of rows. */
  readonly strips?: boolean;
  /** Whether the executor has what a session gives twice when the session ends, as the one of this machine does. */
  readonly copies?: boolean;
  /** Tiles of the first axis, one of which the device has; 1 where not given. */
  readonly rowTiles?: number;
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
    const memory = memoryOf(way.tape);
    const share = way.inStrips === undefined ? 1 : 1 / ways.length;
    const origins = firstOrigins(way.tape);
    return answersOf(way.tape, share).map((one) => ({ ...one, way, memory, origins }));
  });
  return thinned(lowered).map((one) => pointOf(one, question));
}

/** Drops alone, and then with bytes: more to choose from is never worse, however short the search is. */
function answersOf(tape: Tape, share: number): Found[] {
  const drops = droppedUnits(tape);
  const found = search({ ...tape, sessions: false, copies: false }, share, drops);
  const plain = refine(tape, found, share, drops);
  if (notedUnits(tape).length === 0) return plain;
  return [...plain, ...refine(tape, plain, share)];
}

/** The network as it is, or with a part of it in strips. */
type Way = { readonly tape: Tape; readonly inStrips?: StripsPart };

/** Those of which none needs less memory and no more time before anything is dropped. */
function waysOf(question: RecomputeQuestion): Way[] {
  const tape = { ...tapeOf(question), copies: question.copies === true };
  if (question.strips !== true) return [{ tape }];
  const { profile, forward, backward, rowTiles = 1 } = question;
  const parts = partsOf({ model: profile.model, forward, backward, rowTiles }, tape);
  const ways = [{ tape }, ...parts.map((one): Way => ({ tape: inStrips(tape, one.part), inStrips: one }))];
  return thinned(
    ways.map((way) => ({ ...memoryOf(way.tape).cost(new Uint8Array(way.tape.values.length)), way })),
  ).map(({ way }) => way);
}

type Chosen = {
  readonly way: Way;
  readonly memory: Memory;
  readonly origins: Int32Array;
  readonly drops: Drops;
};

/** The first, and so the fastest, point of a curve that needs no more than the given bytes. */
export const cheapestWithin = (curve: readonly RecomputePoint[], bytes: number): RecomputePoint | undefined =>
  curve.find(({ peak }) => peak <= bytes);

function pointOf(
  { way, memory, origins, drops }: Chosen,
  { profile, noted = [] }: RecomputeQuestion,
): RecomputePoint {
  const { tape } = way;
  const count = profile.ops.length;
  const bytes = [...tape.values.keys()].filter(
    (value) => drops[value] === 1 && at(tape.values, value).noting !== undefined,
  );
  const { peak, seconds, kept, again, twice } = memory.detail(drops);
  const extra = [...(way.inStrips?.extra ?? new Array<number>(count).fill(0))];
  const keptBytes = new Array<number>(count).fill(0);
  for (const value of twice) {
    const origin = origins[value] ?? 0;
    extra[origin] = at(extra, origin) + (at(tape.values, value).price ?? 0);
  }
  for (const value of bytes) {
    const origin = origins[value] ?? 0;
    extra[origin] = at(extra, origin) + (at(tape.values, value).noting ?? 0);
  }
  for (const value of kept) {
    const origin = origins[value] ?? 0;
    keptBytes[origin] = at(keptBytes, origin) + at(tape.values, value).bytes;
  }
  const keptInAll = keptBytes.reduce((sum, bytes) => sum + bytes, 0);
  return {
    drop: again.flatMap((value) => {
      const { name, price } = at(tape.values, value);
      return price === undefined ? [] : [name];
    }),
    lean: [...noted, ...bytes.flatMap((value) => valueOfBytes(at(tape.values, value).name) ?? [])],
    strips: way.inStrips === undefined ? [] : [way.inStrips.strips],
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
