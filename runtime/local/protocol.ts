/**
 * What a parent and its device processes say to each other, over the channel that Node gives a forked
 * process. Typed arrays travel as they are.
 */
import type { Fault } from '../../ir/diagnostics/diagnostic.ts';
import type { Instruction, Plan, Slot } from '../../ir/plan.ts';
import type { FeedSpec } from './feeds.ts';
import type { Job, JobResult } from './interpreter.ts';
import type { Piece } from './pieces.ts';

/** A parameter's values from step to step: its weight and what the optimizer keeps beside it. */
export type StateValues = { readonly parameter: string; readonly slot: Slot; readonly values: Float32Array };

/** A state without its values. */
export type StateSize = Omit<StateValues, 'values'> & { readonly length: number };

/** Where a device stands still for ever, so that a test can end it in the middle of a step. */
export type Hold = { readonly rank: number; readonly step: number; readonly at: Instruction['do'] };

export type Start = {
  readonly kind: 'start';
  readonly rank: number;
  readonly size: number;
  readonly plan: Plan;
  /** Folder of the run: the board and the sockets. */
  readonly folder: string;
  /** The ONNX file of each segment. */
  readonly segments: Readonly<Record<string, string>>;
  readonly threads: number;
  readonly feed: FeedSpec;
  /** States that will be given; weights that are not are drawn, other slots begin at 0. */
  readonly given: readonly StateSize[];
  readonly timeoutSeconds: number;
  readonly hold?: Hold;
};

/**
 * From the parent. After `start`, `give` brings the given states, a piece of their row at a time; `connect` when
 * all listen; `holdings` asks which states the device has, `states` for a piece of their row as they are now.
 */
export type Order =
  | Start
  | { readonly kind: 'give'; readonly piece: Piece; readonly values: Float32Array }
  | { readonly kind: 'connect' }
  | { readonly kind: 'work'; readonly job: Job }
  | { readonly kind: 'holdings' }
  | { readonly kind: 'states'; readonly piece: Piece };

export type Done = JobResult & {
  readonly seconds: number;
  /** Largest resident memory so far beyond that of the device when it was ready. */
  readonly peakBytes: number;
};

/** From a device: one report for each order, or `failed` at any time. */
export type Report =
  | { readonly kind: 'listening' }
  | { readonly kind: 'ready' }
  | { readonly kind: 'done'; readonly done: Done }
  | { readonly kind: 'given' }
  | { readonly kind: 'holdings'; readonly states: readonly StateSize[] }
  | { readonly kind: 'states'; readonly values: Float32Array }
  | { readonly kind: 'failed'; readonly fault: Fault; readonly peer?: number };
