/**
 * Strips: a part of the network of which the backward pass is done in rows of its results, a few at a time. Here
 * stands what is a part of one, and what the values of a strip are called; for passes and the verifier.
 *
 * Rows are what strips are of: those of an image, or its columns, or slices of what has three axes.
 */
import { at } from './box.ts';
import type { Op } from './graph.ts';
import { isSpatial } from './intervals.ts';
import type { Model } from './model.ts';
import { ops } from './ops/table.ts';
import { axisOf, type Schedule, type Strips } from './schedule.ts';
import { chunkOfOps } from './stages.ts';

/** Places in the model of the first and the last op; -1 where there is none of that name. */
export function endsOfStrips(model: Model, { from, to }: Strips): readonly [number, number] {
  const place = (name: string) => model.ops.findIndex(({ output }) => output === name);
  return [place(from), place(to)];
}

/** The axis along which strips follow one another; less than 0 where there is none of that name. */
export const axisOfStrips = ({ rank }: Pick<Model, 'rank'>, { of }: Pick<Strips, 'of'>): number =>
  of === undefined ? 0 : axisOf(rank, of);

/**
 * The ops, by their place in the model, that are done in strips: of those between the two ends the ones that give
 * maps or sum over them. Vectors have no rows: those between are computed, and differentiated, as a whole.
 */
export function opsInStrips(model: Model, strips: Strips): number[] {
  const [first, last] = endsOfStrips(model, strips);
  return model.ops.flatMap((op, index) => (hasRows(op) && first <= index && index <= last ? [index] : []));
}

const hasRows = ({ kind, type }: Op): boolean => isSpatial(type) || ops[kind].sumsOwnedCells === true;

/**
 * Whether the forward pass leaves a part to the backward pass, which then goes through it once: it is the end of the
 * network, and nothing is made of it but sums that no way back depends on.
 */
export function isLeftToBackward(model: Model, schedule: Pick<Schedule, 'chunks'>, strips: Strips): boolean {
  const [first, last] = endsOfStrips(model, strips);
  const inside = new Set(opsInStrips(model, strips));
  const chunkOf = chunkOfOps(model, schedule);
  const made = new Set<string>();
  let sums = false;
  for (const [index, op] of model.ops.entries()) {
    const { kind, inputs, output, type } = op;
    if (inside.has(index)) {
      made.add(output);
      sums ||= ops[kind].sumsOwnedCells === true;
    } else if (index > last && hasRows(op)) return false;
    else if (inputs.some((name) => made.has(name))) {
      const isArithmetic = type.kind === 'array' && ops[kind].needsSums !== true;
      if (!isArithmetic || at(chunkOf, index) !== at(chunkOf, first)) return false;
      made.add(output);
    }
  }
  return sums;
}

/** A strip: which of the schedule's `strips`, and which of its strips. */
export type Strip = { readonly strips: number; readonly strip: number };

type Kind = 'strip' | 'own' | 'rows' | 'share';

const ending = (kind: Kind, { strips, strip }: Strip): string => `~${kind}${strips}.${strip}`;

/** What a strip computes again of a value. */
export const inStrip = (value: string, strip: Strip): string => `${value}${ending('strip', strip)}`;

/** What a strip gives of a value that the forward pass leaves to it: its own rows, or its part of a sum. */
export const ownOf = (value: string, strip: Strip): string => `${value}${ending('own', strip)}`;

/** The rows that a strip reads of a value from before it. */
export const rowsOf = (value: string, strip: Strip): string => `${value}${ending('rows', strip)}`;

/** What a strip adds to the cotangent of a value from before it. */
export const shareOf = (value: string, strip: Strip): string => `${value}${ending('share', strip)}`;

export type StripName = Strip & { readonly value: string; readonly kind: Kind };

const endsInDigit = (name: string): boolean => {
  const last = name.charCodeAt(name.length - 1);
  return last >= 48 && last <= 57;
};

/** Takes such a name apart; undefined for all others. */
export function readStripName(name: string): StripName | undefined {
  // Most names are of no strip, and verification asks of all.
  if (!endsInDigit(name)) return undefined;
  const [, value, kind, strips, strip] = /^(.+)~(strip|own|rows|share)(\d+)\.(\d+)$/.exec(name) ?? [];
  if (value === undefined) return undefined;
  return { value, kind: kind as Kind, strips: Number(strips), strip: Number(strip) };
}
