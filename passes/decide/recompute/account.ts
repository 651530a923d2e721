/** What accounts of memory are told, and what they tell: the parts that the two of the search have in common. */

/** Adds up the bytes of lives that were found. */
export type Account = {
  /** Bytes that are there at each step, and at each making. */
  readonly alive: Float64Array;
  readonly aliveAgain: Float64Array;
  peak(lives: Lives): number;
  excess(limit: number): number;
};

/**
 * Lives of values: they begin at a step, or with a making (then the step is -1), and end with the last step or making
 * that reads them (then the other is -1).
 */
export type Lives = {
  readonly values: Int32Array;
  readonly steps: Int32Array;
  readonly makings: Int32Array;
  readonly lastSteps: Int32Array;
  readonly lastMakings: Int32Array;
  count: number;
};

/** Where nothing is dropped or noted: the step that makes each value, -1 where none does, and the last that reads it. */
export type Plain = {
  readonly steps: Int32Array;
  readonly lastSteps: Int32Array;
  readonly bytes: Float64Array;
};

export function add(changes: Float64Array, from: number, until: number, bytes: number): void {
  changes[from] = (changes[from] as number) + bytes;
  changes[until] = (changes[until] as number) - bytes;
}

/** What is above a limit, summed up over moments. */
export function above(alive: Float64Array, count: number, limit: number): number {
  let sum = 0;
  for (let moment = 0; moment < count; moment++) {
    const over = (alive[moment] as number) - limit;
    if (over > 0) sum += over;
  }
  return sum;
}
