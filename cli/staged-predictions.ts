/** What the PyTorch executor scores a split with: bundles that predict, in the folder of the one that trains. */
import { join } from 'node:path';
import { extents } from '../ir/box.ts';
import { bundlePaths } from '../ir/bundle.ts';
import { type Diagnostic, failure, type Result, success } from '../ir/diagnostics/diagnostic.ts';
import { usableMemory } from '../ir/machine.ts';
import type { Bundle } from '../runtime/bundle.ts';
import { areasOf, type Data } from '../runtime/data/data.ts';
import { planningOf } from './bundle-planning.ts';
import { memoryOfThisMachine } from './inputs.ts';
import { type PredictingPins, planPrediction } from './predicting-bundles.ts';
import { checkScored } from './run-validation.ts';
import { writeBundle } from './write-bundle.ts';

/**
 * Writes a bundle for each size of the areas of a split. Errors: those of `checkData` for it, `does-not-fit` and others
 * of the compiler where the prediction does not fit a device, `write-failed`.
 */
export function stagePredictions(bundle: Bundle, data: Data, split: string): Result<undefined> {
  const checked = checkScored(bundle, data, split);
  if (!checked.ok) return checked;
  const { directory } = bundle;
  for (const { size, count } of sizesOf(data, split)) {
    const planned = planPrediction(bundle, size, pinsFor(bundle, count));
    if (!planned.ok) return failure(...planned.diagnostics.map((one) => explained(one, split)));
    const { plan, origin } = planned.value;
    // The executor that trains is the one that scores.
    const own = { ...origin, torch: new Map<string, Uint8Array>() };
    const written = writeBundle(plan, own, join(directory, bundlePaths.predictions, size.join('x')));
    if (!written.ok) return written;
  }
  return success(undefined);
}

type Size = { readonly size: readonly number[]; readonly count: number };

function sizesOf(data: Data, split: string): Size[] {
  const sizes = new Map<string, Size>();
  for (const { box } of areasOf(data, split)) {
    const size = extents(box);
    const key = size.join();
    sizes.set(key, { size, count: (sizes.get(key)?.count ?? 0) + 1 });
  }
  return [...sizes.values()];
}

/**
 * Enough tiles of `areas` areas for all ranks. The training rests meanwhile, but keeps its memory: half of a device is
 * left.
 */
function pinsFor(bundle: Bundle, areas: number): PredictingPins {
  const { plan, manifest } = bundle;
  const { machine } = planningOf(bundle);
  const { devices } = plan.schedule;
  const whole = machine === undefined ? memoryOfThisMachine(devices) : usableMemory(machine.device);
  return {
    devices: Math.ceil(devices / areas),
    memory: Math.floor(whole / 2),
    threads: manifest.threads,
    ...(machine === undefined ? {} : { machine }),
  };
}

const explained = (diagnostic: Diagnostic, split: string): Diagnostic =>
  diagnostic.code === 'does-not-fit'
    ? {
        ...diagnostic,
        hint: `it is the prediction that \`--validation ${split}\` needs, in half the memory of a device`,
      }
    : diagnostic;
