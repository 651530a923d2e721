/** Bundles that predict, made of the text of a bundle that trains: for images of any size. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compile } from '../compiler/compile.ts';
import { bundlePaths } from '../ir/bundle.ts';
import { type Result, success } from '../ir/diagnostics/diagnostic.ts';
import type { Machine } from '../ir/machine.ts';
import type { Plan } from '../ir/plan.ts';
import type { Bundle } from '../runtime/bundle.ts';
import { memoryOfThisMachine, readMemory, threadsEach, wholeNumber } from './inputs.ts';
import { type BundleSource, temporaryBundles } from './write-bundle.ts';

export type PredictingOptions = {
  readonly devices?: string;
  readonly memory?: string;
  readonly threads?: string;
};

/** Makes forward-only bundles of a network for images of any size, from the text it was made of; each size once. */
export type Predictors = {
  bundleFor(extents: readonly number[]): Promise<Result<Bundle>>;
  /** Removes the bundles that were made. */
  remove(): void;
};

export function createPredictors(bundle: Bundle, options: PredictingOptions): Predictors {
  const temporary = temporaryBundles();
  const made = new Map<string, Bundle>();
  return {
    async bundleFor(extents) {
      const size = extents.join(' ');
      const found = made.get(size);
      if (found !== undefined) return success(found);
      const pins = pinsOf(bundle, options);
      if (!pins.ok) return pins;
      const planned = planPrediction(bundle, extents, pins.value);
      if (!planned.ok) return planned;
      const opened = await temporary.open(planned.value.plan, planned.value.origin);
      if (opened.ok) made.set(size, opened.value);
      return opened;
    },
    remove: temporary.remove,
  };
}

export type PredictingPins = {
  /** There are at least as many tiles. */
  readonly devices: number;
  /** Bytes of a device. */
  readonly memory: number;
  readonly threads: number;
  /** Where it will run, if not in processes of this machine. */
  readonly machine?: Machine;
};

function pinsOf({ plan }: Bundle, options: PredictingOptions): Result<PredictingPins> {
  const devices = wholeNumber('--devices', options.devices ?? String(plan.schedule.devices));
  if (!devices.ok) return devices;
  const memory =
    options.memory === undefined ? success(memoryOfThisMachine(devices.value)) : readMemory(options.memory);
  if (!memory.ok) return memory;
  const threads = wholeNumber('--threads', options.threads ?? String(threadsEach(devices.value)));
  return threads.ok
    ? success({ devices: devices.value, memory: memory.value, threads: threads.value })
    : threads;
}

type Planned = { readonly plan: Plan; readonly origin: BundleSource };

/** Errors: those of the compiler, such as `does-not-fit`. */
export function planPrediction(
  { directory, plan: { model }, manifest: { sets } }: Bundle,
  extents: readonly number[],
  { threads, machine, ...pins }: PredictingPins,
): Result<Planned> {
  const file = join(directory, bundlePaths.model);
  const source = readFileSync(file, 'utf8');
  const image = model.inputs.find((input) => input.source.from === 'image')?.name ?? '';
  const where = machine === undefined ? {} : { machine };
  const size = { [image]: extents };
  const compiled = compile({ source, file, sets, purpose: 'predict', extents: size, pins, ...where });
  return compiled.ok
    ? success({ plan: compiled.value.plan, origin: { source, sets, threads, ...where } })
    : compiled;
}
