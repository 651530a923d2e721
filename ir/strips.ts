/**
 * Strips: a part of the network of which the backward pass is done in rows of its results, a few at a time. Here
 * stands what is a part of one, and what the values of a strip are called; for passes and the verifier.
 */
import { isSpatial, modelTypes } from './intervals.ts';
import type { Model } from './model.ts';
import { ops } from './ops/table.ts';
import type { Strips } from './schedule.ts';

/** Places in the model of the first and the last op; -1 where there is none of that name. */
export function endsOfStrips(model: Model, { from, to }: Strips): readonly [number, number] {
  const place = (name: string) => model.ops.findIndex(({ output }) => output === name);
  return [place(from), place(to)];
}

/**
 * The ops, by their place in the model, that are done in strips: of those between the two ends the ones that give
 * maps or sum over them. Vectors have no rows: those between are computed, and differentiated, as a whole.
 */
export function opsInStrips(model: Model, strips: Strips): number[] {
  const [first, last] = endsOfStrips(model, strips);
  const types = modelTypes(model);
  return model.ops.flatMap(({ kind, output }, index) => {
    const hasRows = isSpatial(types.get(output)) || ops[kind].sumsOwnedCells === true;
    return hasRows && first <= index && index <= last ? [index] : [];
  });
}

/** A strip: which of the schedule's `strips`, and which of its strips. */
export type Strip = { readonly strips: number; readonly strip: number };

type Kind = 'strip' | 'rows' | 'share';

const ending = (kind: Kind, { strips, strip }: Strip): string => `~${kind}${strips}.${strip}`;

/** What a strip computes again of a value. */
export const inStrip = (value: string, strip: Strip): string => `${value}${ending('strip', strip)}`;

/** The rows that a strip reads of a value from before it. */
export const rowsOf = (value: string, strip: Strip): string => `${value}${ending('rows', strip)}`;

/** What a strip adds to the cotangent of a value from before it. */
export const shareOf = (value: string, strip: Strip): string => `${value}${ending('share', strip)}`;

export type StripName = Strip & { readonly value: string; readonly kind: Kind };

/** Takes such a name apart; undefined for all others. */
export function readStripName(name: string): StripName | undefined {
  const [, value, kind, strips, strip] = /^(.+)~(strip|rows|share)(\d+)\.(\d+)$/.exec(name) ?? [];
  if (value === undefined) return undefined;
  return { value, kind: kind as Kind, strips: Number(strips), strip: Number(strip) };
}
