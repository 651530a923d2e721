/** What the table of diagnostics says of one code. */
export type Entry = {
  /** The sentence after `error[code]:`; `{name}` is replaced by an argument. */
  readonly message: string;
  readonly hint?: string;
  readonly severity?: 'warning';
  /** Exit code of the command line where it is not that of the command: 1 input, 2 usage, 3 run. */
  readonly exit?: 1 | 2 | 3;
  /** What it means and why it is so: a short paragraph for `unetc explain`. */
  readonly explain: string;
  /** A text, a command or a situation that gives it. */
  readonly example: string;
};
