/** Models: a sound graph, every result and loss present, and every op one that can be tiled. */
import { type Diagnostic, diagnose, fault } from '../diagnostics/diagnostic.ts';
import { modelTypes } from '../intervals.ts';
import type { Model } from '../model.ts';
import { ops } from '../ops/table.ts';
import { array } from '../type.ts';
import { verifyGraph } from './graph.ts';

export function verifyModel(model: Model): Diagnostic[] {
  const place = `model ${model.name}`;
  const parameters = model.parameters.map(({ name, dims }) => ({ name, type: array(dims) }));
  const results = [
    ...(model.loss === undefined ? [] : [model.loss]),
    ...model.outputs.map(({ value }) => value),
  ];
  const graph = { inputs: [...model.inputs, ...parameters], ops: model.ops, outputs: results };
  const types = modelTypes(model);
  const ranks = [...types]
    .filter(([, type]) => type.kind === 'map' && type.box.length > 0 && type.box.length !== model.rank)
    .map(([value]) =>
      diagnose(
        fault('wrong-type', { place, value, found: 'of another rank', expected: `${model.rank} axes` }),
      ),
    );
  const adjoints = model.ops
    .filter(({ kind }) => ops[kind].region === undefined)
    .map(({ output, kind }) =>
      diagnose(
        fault('wrong-type', { place, value: output, found: `given by ${kind}`, expected: 'a forward op' }),
      ),
    );
  return [...verifyGraph(graph, place), ...ranks, ...adjoints];
}
