/** How to compute: decisions only, readable and editable. Lowering carries them out and decides nothing. */

export type Schedule = {
  readonly name: string;
  /** Devices in all. Training: replicas x tiles. Prediction: any number; they work through the tiles. */
  readonly devices: number;
  /** Copies of the network that share the batch of a step. */
  readonly replicas: number;
  /** Parts of a replica's samples, worked through one after another; their gradients accumulate. */
  readonly microBatches: number;
  /**
   * For each axis where the tiles begin, and the extent as the last entry: `[0, 104, 256]` is two tiles.
   * Positions in the extent of the output (the finest loss or prediction).
   */
  readonly cuts: readonly (readonly number[])[];
  /** How a tile gets the cells around it: `overlap` recomputes them from a wider window of the image. */
  readonly halo: 'overlap';
};

/** A schedule of which some decisions are still open. */
export type Pins = Partial<Omit<Schedule, 'name'>> & {
  /** Tiles along each axis, where the cuts are left open. */
  readonly tiles?: readonly number[];
  /** Bytes a device has for the plan. */
  readonly memory?: number;
};

export const tilesOf = (schedule: Schedule): number[] => schedule.cuts.map((cuts) => cuts.length - 1);
