/**
 * The numeric proof: a plan and the plain network, both in float64 on the same drawn batch. They may differ
 * by rounding alone.
 */
import type { Feeds } from '../backends/reference/feeds.ts';
import { forwardGraph, runModelStep } from '../backends/reference/run-model.ts';
import { initialStates, runPlanStep } from '../backends/reference/run-plan.ts';
import { drawInteger } from '../ir/draw.ts';
import type { Graph } from '../ir/graph.ts';
import { type Input, type Model, statisticsOf, trainedParameters } from '../ir/model.ts';
import type { Plan } from '../ir/plan.ts';
import { elementsOf } from '../ir/type.ts';
import { withGradients } from '../passes/lower/gradient.ts';

export type Comparison = {
  /** |loss - right loss| / max(1, |right loss|) */
  readonly lossError: number;
  /** The largest error of a parameter's gradient, or of a running statistic after the step. */
  readonly gradientError: number;
  /** The parameter that has it. */
  readonly worst: string;
};

export type Truth = {
  readonly loss: number;
  readonly gradients: ReadonlyMap<string, Float64Array>;
  /** The running statistics after the step, by parameter. */
  readonly statistics: ReadonlyMap<string, Float64Array>;
};

/** What a plan gives of a step: `states` by buffer, which a weight has the name of. */
export type Found = {
  readonly loss: number;
  readonly gradients: ReadonlyMap<string, Float64Array>;
  readonly states: ReadonlyMap<string, Float64Array>;
};

/** Runs plan and plain network on one drawn batch, from the weights that training begins with. */
export function comparePlan(plan: Plan): Comparison {
  const feeds = drawnFeeds(plan.model);
  const states = initialStates(plan);
  const truth = plainTruth(plan.model, feeds, states);
  return errorsOf(runPlanStep(plan, feeds, states), truth);
}

/** How far what a plan gives is off. */
export function errorsOf(found: Found, truth: Truth): Comparison {
  const lossError = Math.abs(found.loss - truth.loss) / Math.max(1, Math.abs(truth.loss));
  const gradient = worstGradient(found.gradients, truth);
  const statistic = worstOf(
    [...truth.statistics].map(([name, right]) => {
      const difference = distance(right, found.states.get(name));
      return { worst: name, gradientError: difference / Math.max(1, norm(right)) };
    }),
  );
  return { lossError, ...worstOf([gradient, statistic]) };
}

/** The model's forward graph with its backward pass, never sharded. */
export const plainGraph = (model: Model): Graph =>
  withGradients(forwardGraph(model), model.loss ?? '', trainedParameters(model));

/** Loss and gradients of the plain network on the whole batch. */
export function plainTruth(model: Model, feeds: Feeds, weights: ReadonlyMap<string, Float64Array>): Truth {
  const values = runModelStep(model, plainGraph(model), feeds, weights);
  const named = (name: string): Float64Array => {
    const value = values.get(name);
    if (value === undefined) throw new Error(`the plain network gives no ${name}`);
    return value;
  };
  const gradients = trainedParameters(model).map((name): [string, Float64Array] => [
    name,
    named(`${name}~grad`),
  ]);
  const statistics = statisticsOf(model).map(
    ({ parameter, value, momentum }): [string, Float64Array | undefined] => {
      const next = named(value);
      return [parameter, weights.get(parameter)?.map((old, i) => old + momentum * ((next[i] ?? 0) - old))];
    },
  );
  return {
    loss: named(model.loss ?? '')[0] ?? Number.NaN,
    gradients: new Map(gradients),
    statistics: new Map(statistics.flatMap(([name, after]) => (after === undefined ? [] : [[name, after]]))),
  };
}

const norm = (values: Float64Array | readonly number[]): number =>
  Math.sqrt((values as readonly number[]).reduce((sum, value) => sum + value * value, 0));

/**
 * The largest error of a parameter's gradient: ‖g − ĝ‖ / max(‖ĝ‖, 10⁻³ · ‖ĝ of all parameters‖). A bias
 * before a norm has gradient 0, and a plain relative error of that means nothing.
 */
export function worstGradient(
  found: ReadonlyMap<string, Float64Array>,
  truth: Pick<Truth, 'gradients'>,
): Worst {
  const all = norm([...truth.gradients.values()].map(norm));
  return worstOf(
    [...truth.gradients].map(([name, right]) => {
      const difference = distance(right, found.get(name));
      return {
        worst: name,
        gradientError: difference === 0 ? 0 : difference / Math.max(norm(right), 1e-3 * all),
      };
    }),
  );
}

/** ‖right - found‖; NaN where nothing was found. */
const distance = (right: Float64Array, found: Float64Array | undefined): number =>
  norm(right.map((value, i) => value - (found?.[i] ?? Number.NaN)));

type Worst = Pick<Comparison, 'gradientError' | 'worst'>;

function worstOf(errors: readonly Worst[]): Worst {
  // A NaN compares false with everything: it must win, so it is looked for first.
  const broken = errors.find(({ gradientError }) => Number.isNaN(gradientError));
  const none = { worst: '', gradientError: 0 };
  return broken ?? errors.reduce((a, b) => (b.gradientError > a.gradientError ? b : a), none);
}

/** Pixels 0..255 and labels, one in ten of them not labelled; regression targets in -2..2. */
function drawnFeeds(model: Model): Feeds {
  const batch = model.training?.batch ?? 1;
  const inputs = model.inputs.flatMap((input, index): [string, Float64Array][] => {
    const values = drawnInput(input, elementsOf(input.type) * batch, index);
    return values === undefined ? [] : [[input.name, values]];
  });
  return { step: 0, inputs: new Map(inputs) };
}

function drawnInput({ source }: Input, size: number, key: number): Float64Array | undefined {
  const draw = (below: number, stream: number) =>
    Float64Array.from({ length: size }, (_, index) =>
      drawInteger({ seed: key, step: stream, sample: 0, index }, below),
    );
  if (source.from === 'image') return draw(256, 0);
  if (source.from !== 'target') return undefined;
  const { classes } = source;
  if (classes === undefined) return draw(17, 0).map((value) => value / 4 - 2);
  const labelled = draw(10, 1);
  return draw(classes, 0).map((label, i) => (labelled[i] === 0 ? 255 : label));
}
