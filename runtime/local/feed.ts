/** Where a device gets its pixels and labels from. */
import type { Box } from '../../ir/box.ts';
import type { Elements } from './arena.ts';

export type Request = {
  /** Input of the model: an image or a target. */
  readonly source: string;
  readonly step: number;
  /** Index of the sample in the whole batch of the step. */
  readonly sample: number;
  /** Cells of the input, in its own coordinates. */
  readonly box: Box;
};

export type Feed = {
  /** Fills `into`, `[channels, ...extents(box)]`, row-major. */
  load(request: Request, into: Elements): Promise<void>;
};
