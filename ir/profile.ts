/** A step of a real run as it was measured: what a prediction is held against. */

/** One device: when each instruction of its role began and ended. */
export type DeviceProfile = {
  readonly rank: number;
  /** Seconds from the beginning of the step, by instruction. A meeting ends when the others have come. */
  readonly from: readonly number[];
  readonly to: readonly number[];
  /**
   * Where instructions overlap: seconds that each took of the device itself, which for a meeting is what it stood still
   * for it. Absent where they follow one another.
   */
  readonly own?: readonly number[];
  /** Bytes of memory beyond those before the first step, so far. */
  readonly peakBytes: number;
};

/** The loss, or a score, over the steps of a run. */
export type RunCurve = {
  readonly name: string;
  /** How many steps a value is the mean of; 1 where the run was short, or told it rarely. */
  readonly every: number;
  /** Steps that were done, ascending. */
  readonly steps: readonly number[];
  readonly values: readonly number[];
};

export type Profile = {
  readonly format: number;
  /** Hash of the plan that ran, as in the manifest of its bundle. */
  readonly plan: string;
  /** Which step it is, counted from 0: the one of median length of those that were measured. */
  readonly step: number;
  /** How many were measured. */
  readonly steps: number;
  readonly seconds: number;
  /** What the run told step by step, the loss first. */
  readonly curves: readonly RunCurve[];
  readonly devices: readonly DeviceProfile[];
};

/** Version of the layout above. */
export const profileFormat = 1;
