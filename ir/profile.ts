/** A step of a real run as it was measured: what a prediction is held against. */

/** One device: when each instruction of its role began and ended. */
export type DeviceProfile = {
  readonly rank: number;
  /** Seconds from the beginning of the step, by instruction. A meeting ends when the others have come. */
  readonly from: readonly number[];
  readonly to: readonly number[];
  /** Bytes of memory beyond those before the first step, so far. */
  readonly peakBytes: number;
};

export type Profile = {
  readonly format: number;
  /** SHA-256 (hex) of the `plan.json` that ran. */
  readonly plan: string;
  /** Which step it is, counted from 0: the one of median length of those that were measured. */
  readonly step: number;
  /** How many were measured. */
  readonly steps: number;
  readonly seconds: number;
  /** The loss of each step of the run, from the step `lossesFrom` on. */
  readonly losses: readonly number[];
  readonly lossesFrom: number;
  readonly devices: readonly DeviceProfile[];
};

/** Version of the layout above. */
export const profileFormat = 1;
