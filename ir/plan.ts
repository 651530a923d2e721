/**
 * Exactly what each device does. A plan lists roles, not ranks: devices that do the same thing share one
 * program, and a rule maps a rank to its replica, its stage, its place in the grid, and so to its role.
 *
 *   rank = (replica * stages + stage) * places + place      places in row-major order of the grid of devices
 *   role = the stage, and the class of the place on each axis
 *   tile = place * stream + part                            on each axis; without streaming the place itself
 *
 * Boxes in a role's program are in tile coordinates: cell 0 of an axis is the first cell of the value that
 * the tile owns (`origin`), so a margin on the low side has negative coordinates, and interior tiles agree.
 */

import type { Box } from './box.ts';
import type { Graph } from './graph.ts';
import type { Model } from './model.ts';
import type { Group, Piece } from './ops/attributes.ts';
import type { Schedule } from './schedule.ts';
import type { Element } from './type.ts';

/**
 * Why a segment runs; the time line and the report tell work from repeated work by it. A strip is both. A sweep goes
 * forward ahead of all else, for sums that must be complete before anything goes backward.
 */
export const purposes = ['sweep', 'forward', 'backward', 'step', 'update', 'recompute', 'strip'] as const;

export type Purpose = (typeof purposes)[number];

/** A graph compiled and run as a whole: one session of the backend. Roles may share one. */
export type Segment = {
  readonly name: string;
  /** Samples in each map of the graph. */
  readonly samples: number;
  readonly graph: Graph;
  /** Bytes that the backend takes beside inputs and outputs at its busiest moment. */
  readonly workspace: number;
  /** Of these the bytes that stay with the process, for the next segment that needs some; absent: none. */
  readonly heap?: number;
  /** Bytes that the system clears for the backend in each run, if it keeps nothing from run to run; absent: none. */
  readonly cleared?: number;
};

export type Buffer = {
  readonly name: string;
  /** The value of the model that it holds, or of the role's program where the model has none. */
  readonly value: string;
  readonly element: Element;
  readonly dims: readonly number[];
  /** Which cells of the value, in tile coordinates; absent for arrays. */
  readonly box?: Box;
  /** Which of the tiles that the device works through, by its index on each axis; absent: the first. */
  readonly part?: readonly number[];
  readonly bytes: number;
  /** Index of the instruction that writes it first; -1: it lives from step to step (weights, optimizer). */
  readonly birth: number;
  /** Index of the last instruction that uses it; the number of instructions where it outlives the step. */
  readonly death: number;
  /** Place in the device's arena, a multiple of 64 bytes. */
  readonly offset: number;
};

export type Instruction =
  /** Pixels or labels of the input `source`, for the samples of one micro-batch of this replica. */
  | { readonly do: 'load'; readonly source: string; readonly micro: number; readonly into: string }
  /** A dropout mask, or shares by position (input `source` of the model). */
  | { readonly do: 'draw'; readonly source: string; readonly micro: number; readonly into: string }
  /** Adds the weights of the labels in `from` (owned cells) to the denominator `into`; `first` clears it. */
  | {
      readonly do: 'count';
      readonly source: string;
      readonly from: string;
      readonly into: string;
      readonly first: boolean;
    }
  | {
      readonly do: 'run';
      readonly segment: string;
      readonly why: Purpose;
      readonly micro: number;
      /** Buffers, in the order of the segment's inputs and outputs. */
      readonly reads: readonly string[];
      readonly writes: readonly string[];
    }
  /** into <- from where `first`, else into + from. */
  | { readonly do: 'accumulate'; readonly from: string; readonly into: string; readonly first: boolean }
  /** Sums each buffer over the group, in rank order, and gives all of them the sum. */
  | {
      readonly do: 'all_reduce';
      readonly over: Group;
      readonly micro: number;
      readonly buffers: readonly string[];
    }
  /** The buffers of all of the group, in rank order, one after another along the channels. */
  | {
      readonly do: 'all_gather';
      readonly over: Group;
      readonly micro: number;
      readonly from: string;
      readonly into: string;
    }
  /** The sum over the group, in rank order, of what each holds for this device: the adjoint of `all_gather`. */
  | {
      readonly do: 'reduce_scatter';
      readonly over: Group;
      readonly micro: number;
      readonly from: string;
      readonly into: string;
    }
  /**
   * into <- 0; the cells `keeps` of `from`; then each piece that comes is added where it belongs. Forward it
   * fetches margins; backward, with sends and receives the other way round, it returns the shares of them.
   * `from` is absent where the device holds nothing, `into` where it needs nothing.
   */
  | {
      readonly do: 'exchange';
      readonly name: string;
      /** The value of the model whose cells travel, or those of its cotangent. */
      readonly value: string;
      readonly back: boolean;
      readonly micro: number;
      readonly from?: string;
      readonly into?: string;
      readonly keeps?: Box;
      readonly sends: readonly Piece[];
      readonly receives: readonly Piece[];
    }
  /** To the device at the same place of another stage of the replica. It does not wait for the receiver. */
  | {
      readonly do: 'send';
      readonly name: string;
      readonly micro: number;
      readonly stage: number;
      readonly from: string;
    }
  | {
      readonly do: 'receive';
      readonly name: string;
      readonly micro: number;
      readonly stage: number;
      readonly into: string;
    }
  /** The cells of `from` that `into` has too are added to it (`first`: into is cleared before); both lie in one grid. */
  | {
      readonly do: 'paste';
      readonly from: string;
      readonly into: string;
      readonly first: boolean;
    }
  /**
   * Scales the gradients so that their global norm is at most `norm`. Squares are added in float64: those of a
   * stage first, then over the stages, in their order.
   */
  | { readonly do: 'clip'; readonly buffers: readonly string[]; readonly norm: number }
  /** Learning rate and bias corrections of this step, `[rate, 1/(1-beta1^t), 1/(1-beta2^t)]`. */
  | { readonly do: 'rate'; readonly into: string }
  /** Adds predicted against labelled classes of the owned cells to the step's confusion matrix. */
  | { readonly do: 'metric'; readonly target: string; readonly predicted: string; readonly labels: string }
  /** The owned cells of a predicted map go to the output file of that name. */
  | { readonly do: 'store'; readonly output: string; readonly from: string }
  /** The loss of the step, for people: after all_reduce the same on every device. */
  | { readonly do: 'report'; readonly from: string }
  | { readonly do: 'free'; readonly buffers: readonly string[] };

/** An instruction, whatever cells it is about. */
export type NamedInstruction =
  | Exclude<Instruction, { do: 'exchange' }>
  | Omit<Extract<Instruction, { do: 'exchange' }>, 'keeps' | 'sends' | 'receives'>;

export type Role = {
  readonly name: string;
  readonly stage: number;
  /** Class of the place in the grid on each axis. */
  readonly classes: readonly number[];
  readonly buffers: readonly Buffer[];
  /** One step of training, or one tile of a prediction. */
  readonly instructions: readonly Instruction[];
  /** Bytes of the arena: all buffers at their offsets. */
  readonly arenaBytes: number;
  /** The predicted peak of the device: the most of its footprint (`footprint.ts`) at any instruction. */
  readonly peakBytes: number;
};

/**
 * The grid along one axis: where the tiles begin, the extent last; the class of each tile, and of each place of a
 * device. A place has the classes of its tiles; without streaming the two lists are the same.
 */
export type Axis = {
  readonly cuts: readonly number[];
  readonly tiles: readonly number[];
  readonly classes: readonly number[];
};

/** A parameter's state from step to step: itself, and what the optimizer keeps beside it. */
export type State = { readonly buffer: string; readonly parameter: string; readonly slot: Slot };

/** `weight`, Adam's moving averages, or the momentum of SGD. All but `weight` begin at 0. */
export type Slot = 'weight' | 'average' | 'square' | 'momentum';

/** Whose memory is predicted: device processes of this machine, or PyTorch's. Either can run the plan. */
export type Executor = 'processes' | 'torch';

export type Plan = {
  readonly name: string;
  readonly purpose: 'train' | 'predict';
  readonly executor: Executor;
  readonly model: Model;
  readonly schedule: Schedule;
  readonly axes: readonly Axis[];
  /** Samples of one micro-batch of one replica: batch / (replicas * microBatches). */
  readonly samples: number;
  /** In the order in which roles, one after another, run them first. */
  readonly segments: readonly Segment[];
  readonly roles: readonly Role[];
  /** Buffers that live from step to step, in every role of the stage that has them. */
  readonly states: readonly State[];
};
