/**
 * The kinds of op and the attributes of each. Spatial attributes hold one entry an axis, outermost first,
 * so 2-D and 3-D are the same code. In a Model the attributes speak of the whole image; in the program of
 * one role they speak of the boxes it holds (`pad` is then only what lies outside the image).
 */

import type { Box } from '../box.ts';

/** How far on the low and the high side of an axis, in cells. */
export type Sides = readonly [lo: number, hi: number];

export type Window = {
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
};

export type ConvAttributes = Window & {
  readonly dilation: readonly number[];
  readonly pad: readonly Sides[];
  readonly groups: number;
};

/** `crop` is what is cut off the full result, whose extent is `(size - 1) * stride + kernel`. */
export type UpConvAttributes = Window & { readonly crop: readonly Sides[] };

export type PoolAttributes = Window & { readonly pad: readonly Sides[] };

export type ResizeAttributes = {
  /** `bilinear` (linear along each axis) takes cells for squares: half-pixel centres, the border repeated. */
  readonly mode: 'nearest' | 'bilinear';
  readonly factor: readonly number[];
  /** Cut off the enlarged result: 0 in a Model, alignment of boxes in a role's program. */
  readonly crop: readonly Sides[];
};

/** As `ResizeAttributes`, of one axis. */
export type StretchAttributes = { readonly axis: number; readonly factor: number; readonly crop: Sides };

/** The extents of the forward input, which the adjoint cannot infer from the output. */
type Like = { readonly extent: readonly number[] };

type None = Readonly<Record<never, never>>;

/** Weight of each class; empty: all 1. Labels outside the classes are not counted. */
type ClassWeights = { readonly weights: readonly number[] };

/** Smoothing of a dice loss, and the samples of the whole step. */
type Dice = { readonly smooth: number; readonly samples: number } & Over;

/** How many consecutive samples share their numbers: 1 for what each sample has of its own. */
type Over = { readonly over: number };
/** Cells that travel: from or to the device at `offset` in the grid, in this device's tile coordinates. */
export type Piece = { readonly offset: readonly number[]; readonly box: Box };

/** Who takes part: the grid of one stage of one replica, all of a stage, or every device. */
export type Group = 'grid' | 'stage' | 'all';

export type ExchangeAttributes = {
  /** The value of the model whose cells, or whose cotangent's, travel. */
  readonly value: string;
  readonly channels: number;
  /** Of the result; 0 on an axis where this device needs nothing. */
  readonly extent: readonly number[];
  /** The cells of the operand that the result has too; empty where there are none. */
  readonly keeps: Box;
  readonly sends: readonly Piece[];
  readonly receives: readonly Piece[];
  /** Whether shares of a cotangent flow back. */
  readonly returns: boolean;
  /** Whether this is the way back. */
  readonly back: boolean;
};

/** `extent`: of the result, empty where it is no map with cells. */
export type PasteAttributes = {
  /** The sum that this is a step of: the last one's result, in whose place all of them are made. */
  readonly into: string;
} & Like;

type Gathering = { readonly over: Group; readonly parts: number; readonly returns: boolean };

type Parts = { readonly parts: number };

/** Of each sample `parts` come together, and the numbers of `over` consecutive samples. */
type Merging = { readonly groups: number } & Parts & Over;

export type OpAttributes = {
  // forward
  affine: { readonly scale: readonly number[]; readonly shift: readonly number[] };
  conv: ConvAttributes;
  up_conv: UpConvAttributes;
  relu: None;
  leaky_relu: { readonly slope: number };
  silu: None;
  sigmoid: None;
  gelu: None;
  softmax: None;
  mul: None;
  relu_mask: None;
  max_pool: PoolAttributes;
  max_pool_index: PoolAttributes;
  avg_pool: Window;
  concat: None;
  add: None;
  crop: { readonly sides: readonly Sides[] };
  pad: { readonly sides: readonly Sides[] };
  resize: ResizeAttributes;
  stretch: StretchAttributes;
  mask: None;
  /** Equal runs of channels that share a mean and a variance, and so many consecutive samples that do. */
  moments: { readonly groups: number } & Over;
  /** `samples` of the whole step; `cells` of one sample that `over` samples' moments are of. */
  running_share: {
    readonly of: 'mean' | 'variance';
    readonly samples: number;
    readonly cells: number;
  } & Over;
  normalize: { readonly epsilon: number };
  normalize_by: { readonly epsilon: number };
  scale_shift: None;
  linear: None;
  /** Radians per unit of the input. */
  sine: { readonly frequencies: readonly number[] };
  classify: None;
  cross_entropy: ClassWeights;
  binary_cross_entropy: ClassWeights;
  focal: ClassWeights & { readonly gamma: number };
  mse: None;
  l1: None;
  dice_sums: None;
  dice: Dice;
  weighted_sum: { readonly weights: readonly number[] };
  // between devices, and what they are given or make of it; only in the program of a role
  exchange: ExchangeAttributes;
  all_gather: Gathering;
  partial_moments: { readonly groups: number };
  merge_moments: Merging;
  merge_sums: Parts;
  sweep: Parts;
  blank: { readonly channels: number } & Like;
  // adjoint
  paste: PasteAttributes;
  reduce_scatter: Gathering;
  partial_moments_grad: { readonly groups: number };
  merge_moments_grad: Merging;
  merge_sums_grad: Parts;
  fill: { readonly value: number; readonly dims: readonly number[] };
  conv_data: ConvAttributes & Like;
  conv_weight: ConvAttributes;
  channel_sum: None;
  relu_grad: None;
  /** `slope`: the share of dy that passes where the mask is 0. */
  relu_mask_grad: { readonly slope: number };
  leaky_relu_grad: { readonly slope: number };
  silu_grad: None;
  sigmoid_grad: None;
  gelu_grad: None;
  softmax_grad: None;
  gate_grad: None;
  max_pool_grad: PoolAttributes;
  max_pool_index_grad: PoolAttributes & Like;
  avg_pool_grad: Window & Like;
  channels: { readonly from: number; readonly to: number };
  resize_grad: ResizeAttributes & Like;
  stretch_grad: StretchAttributes & Like;
  moments_grad: Over;
  channel_dot: None;
  space_sum: None;
  linear_data: None;
  linear_weight: None;
  sine_grad: { readonly frequencies: readonly number[] };
  normalize_grad: { readonly epsilon: number };
  normalize_moments_grad: { readonly epsilon: number };
  cross_entropy_grad: ClassWeights;
  binary_cross_entropy_grad: ClassWeights;
  focal_grad: ClassWeights & { readonly gamma: number };
  mse_grad: None;
  l1_grad: None;
  dice_sums_grad: None;
  dice_grad: Dice;
  scale: { readonly factor: number };
  // update
  axpy: { readonly factor: number };
  moving_average: { readonly beta: number };
  moving_square: { readonly beta: number };
  adam_step: { readonly epsilon: number; readonly decay: number };
  sgd_step: { readonly decay: number };
};

export type OpKind = keyof OpAttributes;

/**
 * Ops that are instructions of their own, never a part of a segment: devices meet in them, a sum grows in its place, or
 * was made ahead.
 */
export const meetingKinds = ['exchange', 'all_gather', 'reduce_scatter', 'paste', 'sweep'] as const;

export type MeetingKind = (typeof meetingKinds)[number];

/** Ops that a backend computes. */
export type LocalKind = Exclude<OpKind, MeetingKind>;
