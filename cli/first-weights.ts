/** The weights that a training begins with, if `--init` names some. */
import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';
import { diagnose, failure, fault, type Result, success } from '../ir/diagnostics/diagnostic.ts';
import { initialWeights } from '../ir/draw.ts';
import type { Model } from '../ir/model.ts';
import type { Bundle } from '../runtime/bundle.ts';
import { encodeTensors, f32 } from '../runtime/files/safetensors.ts';
import { writeSafely } from '../runtime/files/write-safely.ts';
import { readWeightNames } from '../runtime/weight-names.ts';
import { readWeights, type Weights } from '../runtime/weights.ts';
import { readSource } from './inputs.ts';

export type InitOptions = { readonly init?: string; readonly initNames?: string };

/** Those that are given; the others are drawn. Errors: those of `readWeights` and `readWeightNames`, `wrong-option`. */
export function readInit(model: Model, { init, initNames }: InitOptions): Result<Weights> | undefined {
  if (initNames === undefined) return init === undefined ? undefined : readWeights(init, model);
  if (init === undefined) return failure(diagnose(fault('wrong-option', { ...alone, value: initNames })));
  const text = readSource(initNames);
  if (!text.ok) return text;
  const names = readWeightNames(text.value, initNames, model);
  return names.ok ? readWeights(init, model, names.value) : names;
}

const alone = { option: '--init-names', expected: 'an `--init FILE` beside it' } as const;

/**
 * The file that ranks elsewhere begin with. Where weights have other names it is written into the bundle's folder,
 * under ours and with those that are drawn, so nobody there needs the names; jobs that wait keep theirs. Errors: those of
 * `readInit`, `write-failed`.
 */
export function initFile(
  { directory, plan: { model } }: Bundle,
  options: InitOptions,
): Result<string | undefined> {
  const { init, initNames } = options;
  if (initNames === undefined) return success(init && resolve(init));
  const given = readInit(model, options);
  if (given?.ok !== true) return given ?? success(undefined);
  const seed = model.training?.seed ?? 0;
  const tensors = new Map(
    model.parameters.map((one) => [
      one.name,
      f32(given.value.get(one.name) ?? initialWeights(one, seed), one.dims),
    ]),
  );
  const pieces = [...encodeTensors({ tensors, metadata: new Map() })];
  const hash = createHash('sha256');
  for (const piece of pieces) hash.update(piece);
  const file = resolve(join(directory, `init-${hash.digest('hex').slice(0, 16)}.safetensors`));
  const written = writeSafely(file, pieces);
  return written.ok ? success(file, given.warnings) : written;
}
