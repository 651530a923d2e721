/** What a segment of strands (`ir/strands.ts`) is run on, piece after piece. */
import { at } from '../../ir/box.ts';
import { type Form, pieceElements, type Strand, type Strands } from '../../ir/strands.ts';
import type { Elements } from './arena.ts';

/** Memory as a tensor. */
export type Part = { readonly dims: readonly number[]; readonly data: Elements };

export type Parts = ReadonlyMap<string, Part>;

/** By the names of the segment's file. */
export type Piece = {
  readonly reads: Parts;
  readonly writes: Parts;
  /** Results that may not lie where the piece says while it is computed. */
  readonly apart: ReadonlySet<string>;
};

/** Elements `from <= i < to` of the values of a strand. */
type Cut = { readonly strand: Strand; readonly from: number; readonly to: number };

const cutsOf = ({ strands }: Form): Cut[] =>
  strands.flatMap((strand) =>
    Array.from({ length: Math.ceil(strand.elements / pieceElements) }, (_, piece) => {
      const from = piece * pieceElements;
      return { strand, from, to: Math.min(strand.elements, from + pieceElements) };
    }),
  );

function partOf(parts: Parts, name: string, { from, to }: Cut): Part {
  const data = parts.get(name)?.data;
  if (data === undefined) throw new RangeError(`the segment is not given ${name}`);
  return { dims: [to - from], data: data.subarray(from, to) };
}

/**
 * One piece of each form at a time, until all are done; a form that is done before the others gets pieces of no
 * elements. `apart`: the segment's results that must lie apart.
 */
export function* piecesOf(
  { shared, forms }: Strands,
  reads: Parts,
  writes: Parts,
  apart: ReadonlySet<string>,
): Generator<Piece> {
  const cuts = forms.map(cutsOf);
  const whole = [...reads].filter(([name]) => shared.includes(name));
  for (let round = 0; round < Math.max(...cuts.map(({ length }) => length)); round++) {
    const now = forms.map((form, f) => {
      const cut = cuts[f]?.[round] ?? { strand: at(form.strands, 0), from: 0, to: 0 };
      const inputs = form.graph.inputs.map(({ name }, i) => ({ name, own: at(cut.strand.inputs, i), cut }));
      const outputs = form.graph.outputs.map((name, i) => ({ name, own: at(cut.strand.outputs, i), cut }));
      return { inputs, outputs };
    });
    const outputs = now.flatMap((one) => one.outputs);
    yield {
      reads: new Map([
        ...whole,
        ...now.flatMap(({ inputs }) =>
          inputs.map(({ name, own, cut }) => [name, partOf(reads, own, cut)] as const),
        ),
      ]),
      writes: new Map(outputs.map(({ name, own, cut }) => [name, partOf(writes, own, cut)])),
      apart: new Set(outputs.flatMap(({ name, own }) => (apart.has(own) ? [name] : []))),
    };
  }
}
