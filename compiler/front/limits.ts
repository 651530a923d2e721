/** What a text may ask for. Each limit has its own diagnostic, so that bad input never hangs or eats memory. */
export const limits = {
  /** Characters of a text. */
  textLength: 200_000,
  /** Brackets, operators and `if` inside one another in one statement. */
  nesting: 100,
  /** Operators in a row, such as the stages of one pipe. */
  chain: 400,
  /** Evaluations inside one another, all functions together. */
  depth: 600,
  /** Ops of the unrolled network. */
  ops: 200_000,
  listLength: 100_000,
  /** Largest whole number, and most elements of one tensor: above it float64 skips numbers. */
  integer: Number.MAX_SAFE_INTEGER,
  /** Evaluations of expressions in all. */
  steps: 2_000_000,
  /** Diagnostics of one text. */
  diagnostics: 50,
} as const;
