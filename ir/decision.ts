/** Why a schedule was chosen: what it was weighed against, and how far from the best possible it can be. */
import type { Order } from './schedule.ts';

/** Where the seconds of a step go, on the device that takes longest. They add up to the step. */
export type Parts = {
  /** Kernels on the cells that a tile owns. */
  readonly compute: number;
  /** Kernels on margins. */
  readonly margins: number;
  /** Forward work done ahead of all else, for sums that must be complete before anything goes backward. */
  readonly sweep: number;
  /** Forward work done again. */
  readonly recompute: number;
  /** Exchanges and gathers of tiles. */
  readonly messages: number;
  /** Waiting for other stages, and their messages. */
  readonly bubble: number;
  /** Sums of gradients that no work hides. */
  readonly allReduce: number;
  /** The weights, and adding up the gradients of micro-batches and of tiles one after another. */
  readonly update: number;
  /** Reading images and labels, as far as no work hides it. */
  readonly load: number;
};

/** One way to spend the devices, as the search priced it: analytic, before lowering. */
export type Alternative = {
  readonly devices: number;
  readonly replicas: number;
  readonly stages: number;
  readonly folded: boolean;
  /** Tiles along each axis. */
  readonly tiles: readonly number[];
  readonly stream: readonly number[];
  readonly microBatches: number;
  readonly order: Order;
  readonly exchanges: number;
  readonly coarsened: boolean;
  readonly recomputed: number;
  /** Values of which bytes are noted. */
  readonly lean: number;
  readonly strips: number;
  readonly seconds: number;
  readonly parts: Parts;
  /** Bytes of the fullest device: an upper bound. */
  readonly memory: number;
};

export type Decision = {
  /** Devices that could have been used. */
  readonly available: number;
  readonly chosen: Alternative;
  /** The best of other kinds: another number of replicas or stages, tiles or none, streamed or not. */
  readonly runnersUp: readonly Alternative[];
  /** Seconds. */
  readonly bound: {
    /** No schedule of those that the search may choose from is faster. */
    readonly class: number;
    /** No schedule at all on as many devices is, as far as pins leave them open. */
    readonly any: number;
    /** Present where pins leave a pipeline only: none in straight or nested stages is faster than `any`. */
    readonly pipeline?: true;
  };
  /** Seconds of the whole batch on one device of the machine with memory for everything. */
  readonly oneDevice: number;
  /** Where it was asked for: the fastest within any memory, from most memory to least; none needs less and is faster. */
  readonly memoryCurve?: readonly Alternative[];
  /** Shapes that were weighed, and those of them that were priced. */
  readonly considered: number;
  readonly priced: number;
};
