/**
 * What to compute: a forward graph with global shapes. The graph proper is pure mathematics of tensors;
 * whatever comes from outside (pixels, labels, drawn masks, counted denominators) is an input with a source.
 */
import type { Op } from './graph.ts';
import { remembered } from './remembered.ts';
import type { ValueType } from './type.ts';

export type Source =
  /** Pixels of the image of that name, unscaled, as floats. */
  | { readonly from: 'image' }
  /** Class indices (u8; `classes` and above are not labelled) or, without `classes`, floats to regress. */
  | { readonly from: 'target'; readonly classes?: number }
  /** Dropout: 0 with probability `p`, else 1 / (1 - p), drawn by global position. `layer` is its key. */
  | { readonly from: 'mask'; readonly layer: number; readonly p: number; readonly by: 'cell' | 'channel' }
  /** By global position, the shares that cells have in those of an axis enlarged with aligned corners: `corners.ts`. */
  | { readonly from: 'corners'; readonly axis: number; readonly factor: number }
  /** A loss's denominator: the sum of weights over the labelled cells of the whole step, times `channels`. */
  | {
      readonly from: 'count';
      readonly target: string;
      readonly weights: readonly number[];
      readonly channels: number;
    };

export type Input = { readonly name: string; readonly type: ValueType; readonly source: Source };

export type Init =
  | { readonly kind: 'zeros' }
  | { readonly kind: 'ones' }
  /** Uniform in ±sqrt(6 / fanIn) (He et al. 2015). */
  | { readonly kind: 'he_uniform'; readonly fanIn: number };

export type Parameter = { readonly name: string; readonly dims: readonly number[]; readonly init: Init };

/**
 * A parameter that no gradient trains, but that follows a value of the network: each step leaves it at
 * (1 - momentum) * what it was + momentum * value. `value` is a share, as gradients are: the shares of all
 * devices and micro-batches add up.
 */
export type Statistic = { readonly parameter: string; readonly value: string; readonly momentum: number };

/** Learning rate against the step: `peak` times a curve; the first `warmUp` steps rise linearly to it. */
export type Rate = { readonly peak: number; readonly warmUp: number } & (
  | { readonly curve: 'constant' }
  | { readonly curve: 'cosine' }
  | { readonly curve: 'step'; readonly every: number; readonly factor: number }
);

export type Optimizer =
  | {
      readonly kind: 'adam' | 'adamw';
      readonly beta1: number;
      readonly beta2: number;
      readonly epsilon: number;
      readonly decay: number;
    }
  | {
      readonly kind: 'sgd';
      readonly momentum: number;
      readonly nesterov: boolean;
      readonly decay: number;
    };

export type Training = {
  readonly optimizer: Optimizer;
  readonly rate: Rate;
  /** Samples a step, of all replicas together. */
  readonly batch: number;
  readonly steps: number;
  readonly seed: number;
  /** Largest allowed global norm of the gradient. */
  readonly clip?: number;
};

/** A result somebody may ask for: the classes predicted for a target, or a named output. */
export type Output = { readonly name: string; readonly value: string };

export type Model = {
  readonly name: string;
  /** Number of spatial axes. */
  readonly rank: number;
  readonly inputs: readonly Input[];
  readonly parameters: readonly Parameter[];
  readonly ops: readonly Op[];
  /** The value (an array without dims) whose gradient training follows; absent in a model to predict with. */
  readonly loss?: string;
  /** Running statistics of the norms over a batch; absent where there are none, as in a model to predict with. */
  readonly statistics?: readonly Statistic[];
  /** `class` maps by target name, for metrics and masks; further named outputs. */
  readonly outputs: readonly Output[];
  readonly training?: Training;
};

export const statisticsOf = ({ statistics = [] }: Pick<Model, 'statistics'>): readonly Statistic[] =>
  statistics;

/** Every value that somebody wants: the loss, the shares of running statistics, the outputs. */
export const resultsOf = (model: Model): string[] => [
  ...(model.loss === undefined ? [] : [model.loss]),
  ...statisticsOf(model).map(({ value }) => value),
  ...model.outputs.map(({ value }) => value),
];

/** Parameters that some op uses, in the order of the model: those that gradients train. */
export const trainedParameters = remembered(({ parameters, ops }: Model): readonly string[] => {
  const used = new Set(ops.flatMap(({ inputs }) => inputs));
  return parameters.map(({ name }) => name).filter((name) => used.has(name));
});
