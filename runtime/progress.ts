/** How fast a run goes, and how long it will still take. */

export type Progress = {
  /** Units of work that are done, of `total`. */
  readonly done: number;
  readonly total: number;
  /** Seconds a unit, lately: an average in which each unit weighs a fifth less than the next. */
  readonly secondsEach: number;
  readonly secondsLeft: number;
};

const weightOfLatest = 0.2;

/** `done` units were there before this run began. */
export const noProgress = (done: number, total: number): Progress => ({
  done,
  total,
  secondsEach: 0,
  secondsLeft: 0,
});

/** One more unit of work, which took `seconds`. */
export function advance({ done, total, secondsEach }: Progress, seconds: number): Progress {
  const each = secondsEach === 0 ? seconds : secondsEach + weightOfLatest * (seconds - secondsEach);
  return { done: done + 1, total, secondsEach: each, secondsLeft: each * Math.max(0, total - done - 1) };
}
