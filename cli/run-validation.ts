/** Scores of a split while `run` trains: what `--validation` asks for. */
import { diagnose, failure, fault, type Result, success } from '../ir/diagnostics/diagnostic.ts';
import type { Bundle } from '../runtime/bundle.ts';
import { checkData } from '../runtime/data/check-data.ts';
import type { Data } from '../runtime/data/data.ts';
import { evaluate } from '../runtime/evaluate.ts';
import { needsOf, scoringFault } from '../runtime/feed-of.ts';
import type { Progress } from '../runtime/progress.ts';
import type { Validation } from '../runtime/validation.ts';
import { memoryOfThisMachine, wholeNumber } from './inputs.ts';
import { createPredictors } from './predicting-bundles.ts';

export type ValidationOptions = { readonly validation?: string; readonly validateEvery?: string };

/** Steps between two scores where nobody says. */
const EVERY = '50';

export type Validating = {
  validation(stop: AbortSignal, onProgress: (progress: Progress) => void): Validation;
  /** Removes what was made for it. */
  remove(): void;
};

/** Which part of the data, and steps between two scores. */
export type Validated = { readonly split: string; readonly every: number };

/** Reads the options; undefined where no validation is asked for. Errors: `wrong-option`, those of `scoringFault`. */
export function validationAsked(
  { plan }: Bundle,
  { validation: split, validateEvery }: ValidationOptions,
): Result<Validated | undefined> {
  const every = wholeNumber('--validate-every', validateEvery ?? EVERY);
  if (!every.ok) return every;
  if (split === undefined)
    return validateEvery === undefined
      ? success(undefined)
      : failure(diagnose(fault('wrong-option', { ...alone, value: validateEvery })));
  const unscored = scoringFault(plan.model);
  return unscored === undefined ? success({ split, every: every.value }) : failure(diagnose(unscored));
}

/** Whether a split can be scored: errors of `checkData`. */
export function checkScored({ plan: { model } }: Bundle, data: Data, split: string): Result<Data> {
  const { channels, classes } = needsOf(model);
  return checkData(data, split, { channels, ...(classes === undefined ? {} : { classes }) });
}

/** Undefined where no validation is asked for. Errors: those of `validationAsked` and `checkScored`. */
export function prepareValidation(
  bundle: Bundle,
  data: Data,
  options: ValidationOptions,
): Result<Validating | undefined> {
  const asked = validationAsked(bundle, options);
  if (!asked.ok) return asked;
  if (asked.value === undefined) return success(undefined);
  const { split, every } = asked.value;
  const checked = checkScored(bundle, data, split);
  if (!checked.ok) return checked;
  const predictors = createPredictors(bundle, { memory: besidesTraining(bundle) });
  const validation: Validating['validation'] = (stop, onProgress) => ({
    every,
    async score(weights) {
      const { bundleFor } = predictors;
      const scored = await evaluate({ data, split, weights, bundleFor, stop, onProgress });
      return scored.ok && stop.aborted ? success(undefined) : scored;
    },
  });
  return success({ validation, remove: predictors.remove });
}

const alone = { option: '--validate-every', expected: 'a `--validation SPLIT` beside it' } as const;

/** The devices of the training rest, but keep their memory: half of what a device has by itself. */
const besidesTraining = ({ plan }: Bundle): string =>
  `${Math.floor(memoryOfThisMachine(plan.schedule.devices) / 2)}B`;
