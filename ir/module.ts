/**
 * What stands between a Model with a Schedule and a Plan: one type for each stage of lowering. Each has a
 * textual form, so a pass is tested text to text.
 */
import type { Range } from './box.ts';
import type { Graph } from './graph.ts';
import type { Machine } from './machine.ts';
import type { Model } from './model.ts';
import type { Axis, Plan } from './plan.ts';
import type { Pins, Schedule } from './schedule.ts';

/** The local program of the tiles of one class. Boxes are in tile coordinates. */
export type Program = {
  readonly name: string;
  readonly classes: readonly number[];
  readonly graph: Graph;
  /** For each op of the graph the index of the op of the model that it carries out or differentiates. */
  readonly origins: readonly number[];
  /** Ops of the forward pass, which come first; absent before the backward pass is there. */
  readonly forward?: number;
  /** Runs of ops, by their index, each of which recomputes and differentiates one strip of rows; in order. */
  readonly strips?: readonly Range[];
};

export type Gradient = { readonly parameter: string; readonly value: string };

/** What only some stages have is absent in the others. */
export type Module =
  /** Decisions may still be open; the joint search makes them for a machine. */
  | { readonly stage: 'model'; readonly model: Model; readonly pins: Pins; readonly machine?: Machine }
  /** All decisions are made. */
  | { readonly stage: 'scheduled'; readonly model: Model; readonly schedule: Schedule }
  /** The forward program of each role. */
  | {
      readonly stage: 'sharded';
      readonly model: Model;
      readonly schedule: Schedule;
      readonly axes: readonly Axis[];
      readonly programs: readonly Program[];
    }
  /** Forward and backward; `gradients` (in the order of the parameters) are named alike in all roles. */
  | {
      readonly stage: 'differentiated';
      readonly model: Model;
      readonly schedule: Schedule;
      readonly axes: readonly Axis[];
      readonly programs: readonly Program[];
      readonly gradients: readonly Gradient[];
    }
  /** Instructions and buffers; `allocated` where the buffers have their places. */
  | { readonly stage: 'plan'; readonly allocated: boolean; readonly plan: Plan };

export type Stage = Module['stage'];

export type ModuleAt<S extends Stage> = Extract<Module, { stage: S }>;
