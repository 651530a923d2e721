/** How to compute: decisions only, readable and editable. Lowering carries them out and decides nothing. */

/** The order of the work on micro-batches: `one_after_another` without stages, the others with them. */
export type Order = 'one_after_another' | 'gpipe' | '1f1b';

/**
 * Before the op `before` reads its operand number `operand`, neighbours give up to `cells` cells of margin on
 * each side; what is needed beyond that is recomputed.
 */
export type Exchange = { readonly before: string; readonly operand: number; readonly cells: number };

/** From the op `from` on (in the order of the model) the ops belong to the pipeline stage `stage`. */
export type Chunk = { readonly from: string; readonly stage: number };

/** Groups of `grid` tiles compute the values of `level` and coarser ones in common: each member all of the group's. */
export type Coarsening = { readonly grid: readonly number[]; readonly level: number };

/** Axes are counted from the innermost: columns, then rows, then slices. */
export const axisWords = ['slices', 'rows', 'columns'] as const;
export type AxisWord = (typeof axisWords)[number];

/** The name of an axis of what has `rank` of them; the number of an axis of that name, less than 0 where there is none. */
export const axisWordOf = (rank: number, axis: number): AxisWord =>
  axisWords[axisWords.length - rank + axis] ?? 'columns';
export const axisOf = (rank: number, word: AxisWord): number =>
  axisWords.indexOf(word) - axisWords.length + rank;

/**
 * The ops from `from` to `to` are computed, and differentiated, in `count` strips one after another. `of`: what they
 * are strips of; absent: of the outermost axis, rows of an image.
 */
export type Strips = {
  readonly from: string;
  readonly to: string;
  readonly count: number;
  readonly of?: AxisWord;
};

/**
 * What the order of a folded pipeline is made for: how long the chunks take on a micro-batch, in any unit, and how
 * many micro-batches are between their first forward and their last backward item at most.
 */
export type Pace = {
  readonly inFlight: number;
  readonly forward: readonly number[];
  readonly backward: readonly number[];
};

export type Schedule = {
  readonly name: string;
  /** Devices in all. Training: replicas x stages x tiles / stream. Prediction: any number; they work through the tiles. */
  readonly devices: number;
  /** Copies of the network that share the batch of a step. */
  readonly replicas: number;
  /** Parts of a replica's samples, worked through one after another; their gradients accumulate. */
  readonly microBatches: number;
  readonly order: Order;
  /**
   * For each axis where the tiles begin, and the extent as the last entry: `[0, 104, 256]` is two tiles.
   * Positions in the extent of the output (the finest loss or prediction).
   */
  readonly cuts: readonly (readonly number[])[];
  /** Tiles along each axis that one device works through, one after another: [1, 1] is one tile a device. */
  readonly stream: readonly number[];
  /** Where margins come from neighbours. Everywhere else a tile recomputes them from a wider window of the image. */
  readonly exchanges: readonly Exchange[];
  readonly coarsen?: Coarsening;
  /** Pipeline stages; empty: one stage. The first chunk begins with the first op. */
  readonly chunks: readonly Chunk[];
  /** Of the order `1f1b` where stages are folded. Absent: `evenPace`. */
  readonly pace?: Pace;
  /** Parts in which the gradients of a stage are summed over the devices, each as soon as it is complete. Absent: one. */
  readonly buckets?: number;
  /** Values that are not kept for the backward pass but computed again in it. */
  readonly drop: readonly string[];
  /**
   * Values whose ops note a byte for each of their cells (`ir/lean.ts`): the backward pass of these ops reads that, and
   * no whole maps. Absent: none.
   */
  readonly lean?: readonly string[];
  readonly strips: readonly Strips[];
};

/** A schedule of which some decisions are still open. */
export type Pins = Partial<Omit<Schedule, 'name'>> & {
  /** Tiles along each axis, where the cuts are left open. */
  readonly tiles?: readonly number[];
  /** How many pipeline stages, where the cuts are left open. */
  readonly stages?: number;
  /** Bytes a device has for the plan. */
  readonly memory?: number;
};

/** Tiles along each axis. */
export const tilesOf = ({ cuts }: Pick<Schedule, 'cuts'>): number[] => cuts.map((marks) => marks.length - 1);

/** Devices along each axis, in one stage of one replica. */
export const gridOf = ({ cuts, stream }: Pick<Schedule, 'cuts' | 'stream'>): number[] =>
  cuts.map((marks, axis) => (marks.length - 1) / (stream[axis] ?? 1));

export const stagesOf = ({ chunks }: Pick<Schedule, 'chunks'>): number =>
  chunks.reduce((stages, { stage }) => Math.max(stages, stage + 1), 1);

/** Tiles along each axis, if that is pinned. */
export const pinnedTiles = ({ cuts, tiles }: Pins): readonly number[] | undefined =>
  cuts === undefined ? tiles : tilesOf({ cuts });

/** The number of stages, if that is pinned. */
export const pinnedStages = ({ chunks, stages }: Pins): number | undefined =>
  chunks === undefined ? stages : stagesOf({ chunks });

/** All stages alike, forward half as long as backward; twice as many micro-batches in flight as stages. */
export function evenPace(stages: readonly number[]): Pace {
  const chunksOf = (stage: number) => stages.filter((one) => one === stage).length;
  const counts = stages.map(chunksOf);
  const whole = counts.reduce((a, b) => (a % b === 0 ? a : a * b), 1);
  const forward = counts.map((count) => whole / count);
  return { inFlight: 2 * (Math.max(...stages) + 1), forward, backward: forward.map((one) => 2 * one) };
}

/** All decisions but the cuts at their plainest: one device, everything kept, every margin recomputed. */
export const plainDecisions = (rank: number) =>
  ({
    replicas: 1,
    microBatches: 1,
    order: 'one_after_another',
    stream: Array.from({ length: rank }, () => 1),
    exchanges: [],
    chunks: [],
    drop: [],
    strips: [],
  }) as const satisfies Omit<Schedule, 'name' | 'devices' | 'cuts'>;
