/** What a run says of its scores. */

export const percent = (share: number): string =>
  Number.isNaN(share) ? '-' : `${(100 * share).toFixed(1)} %`;

export type Validated = {
  readonly step: number;
  readonly split: string | undefined;
  readonly accuracy: number;
  /** Mean intersection over union. */
  readonly mean: number;
  readonly best: boolean;
};

export const validationInWords = ({ step, split, accuracy, mean, best }: Validated): string =>
  `Step ${step}, ${split}: accuracy ${percent(accuracy)}, mean IoU ${percent(mean)}${best ? ', the best so far' : ''}`;
