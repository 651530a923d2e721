/** The plain network on one device: what every plan must agree with. */
import type { Graph } from '../../ir/graph.ts';
import { type Model, resultsOf } from '../../ir/model.ts';
import { array } from '../../ir/type.ts';
import { type Feeds, trainingOf, wholeInput } from './feeds.ts';
import { runGraph, type Values } from './run-graph.ts';

/** The forward graph of a model: inputs and parameters in, loss, statistics and outputs out. */
export const forwardGraph = (model: Model): Graph => ({
  inputs: [
    ...model.inputs.map(({ name, type }) => ({ name, type })),
    ...model.parameters.map(({ name, dims }) => ({ name, type: array(dims) })),
  ],
  ops: model.ops,
  outputs: [...new Set(resultsOf(model))],
});

/**
 * Runs `graph`, whose inputs are some of the inputs and parameters of `model` (its forward graph, or that
 * with gradients), on a whole batch. `weights` holds the parameters by name. A model without training is
 * run on one sample.
 */
export function runModelStep(
  model: Model,
  graph: Graph,
  feeds: Feeds,
  weights: Values,
): Map<string, Float64Array> {
  const samples = model.loss === undefined ? 1 : trainingOf(model).batch;
  const values = new Map(weights);
  for (const input of model.inputs)
    if (graph.inputs.some(({ name }) => name === input.name))
      values.set(input.name, wholeInput(model, input, feeds, samples));
  return runGraph(graph, samples, values);
}
