/** Results that other layers read too: a tile needs a margin of them, and gives out only what it owns. */
import { isFault } from '../../ir/diagnostics/diagnostic.ts';
import type { Op } from '../../ir/graph.ts';
import type { Output } from '../../ir/model.ts';
import { makeOp, ops as table } from '../../ir/ops/table.ts';

export type Given = { readonly ops: readonly Op[]; readonly outputs: readonly Output[] };

/** Gives each such result as a value of its own, cut out of the one that is read. */
export function setApart({ ops, outputs }: Given): Given {
  const read = new Set(ops.flatMap(({ kind, inputs }) => (table[kind].sumsOwnedCells ? [] : inputs)));
  const apart = outputs.filter(({ value }) => read.has(value)).map(({ value }) => value);
  const copies = ops.filter(({ output }) => apart.includes(output)).map(copyOf);
  const names = new Map(copies.map(({ inputs: [value = ''], output }) => [value, output]));
  return {
    ops: [...ops, ...copies],
    outputs: outputs.map((output) => ({ ...output, value: names.get(output.value) ?? output.value })),
  };
}

/** The whole of a map, as what is left after nothing is cut off. */
function copyOf({ output, type }: Op): Op {
  const sides = type.kind === 'map' ? type.box.map(() => [0, 0] as const) : [];
  const copy = makeOp('crop', `${output}~output`, [output], { sides }, [type]);
  if (isFault(copy)) throw new Error(`no copy of ${output}: ${copy.code}`);
  return copy;
}
