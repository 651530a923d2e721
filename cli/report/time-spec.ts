/** The time lines as the page gets them: whole nanoseconds, and every text once. */

/**
 * lane (index in `lanes`), from, to, came (before `from` where it waits for others to meet), kind of work, number of
 * the instruction, its words, bytes, words why the lane stood still before (-1: it did not). Words are indices in `words`.
 */
export type TimedEvent = readonly [
  lane: number,
  from: number,
  to: number,
  came: number,
  activity: string,
  instruction: number,
  title: number,
  bytes: number,
  reason: number,
];

export type TimedRole = {
  readonly name: string;
  /** Which of the roles of the plan it is. */
  readonly kind: number;
  readonly devices: number;
  readonly events: readonly TimedEvent[];
  /** Moments, and the bytes from each of them on. */
  readonly moments: readonly number[];
  readonly held: readonly number[];
};

export type TimeData = {
  /** Nanoseconds. */
  readonly step: number;
  readonly lanes: readonly string[];
  readonly words: readonly string[];
  readonly roles: readonly TimedRole[];
};
