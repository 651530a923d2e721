/** Models: a sound graph, every result and loss present, and every op one that can be tiled. */
import { type Diagnostic, diagnose, fault } from '../diagnostics/diagnostic.ts';
import { modelTypes } from '../intervals.ts';
import { type Model, resultsOf, statisticsOf, trainedParameters } from '../model.ts';
import { ops } from '../ops/table.ts';
import { array, sameSize, type ValueType } from '../type.ts';
import { verifyGraph } from './graph.ts';

export function verifyModel(model: Model): Diagnostic[] {
  const place = `model ${model.name}`;
  const parameters = model.parameters.map(({ name, dims }) => ({ name, type: array(dims) }));
  const graph = { inputs: [...model.inputs, ...parameters], ops: model.ops, outputs: resultsOf(model) };
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
  return [...verifyGraph(graph, place), ...ranks, ...adjoints, ...statisticFaults(model, types)];
}

/** A running statistic has the size of what it follows, and no op trains it. */
function statisticFaults(model: Model, types: ReadonlyMap<string, ValueType>): Diagnostic[] {
  const trained = new Set(trainedParameters(model));
  return statisticsOf(model).flatMap(({ parameter, value }) => {
    const [kept, share] = [types.get(parameter), types.get(value)];
    const fits = kept?.kind === 'array' && share !== undefined && sameSize(kept, share);
    if (fits && !trained.has(parameter)) return [];
    const found = fits ? 'trained too' : `not of the size of \`${value}\``;
    const expected = 'a parameter that only follows its value';
    return [
      diagnose(fault('wrong-type', { place: `model ${model.name}`, value: parameter, found, expected })),
    ];
  });
}
