/** Data for executors that read plain arrays: staged where it is not, after the checks that `run` makes. */
import { statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { diagnose, failure, type Result, success } from '../ir/diagnostics/diagnostic.ts';
import { showBytes } from '../ir/units.ts';
import type { Bundle } from '../runtime/bundle.ts';
import { checkData } from '../runtime/data/check-data.ts';
import type { Data } from '../runtime/data/data.ts';
import { stageData } from '../runtime/data/stage-data.ts';
import { needsOf, servingFault } from '../runtime/feed-of.ts';
import { note } from './command.ts';
import { openDataHere } from './run-inputs.ts';

/** Opens and checks the data of a bundle's training. */
export async function trainingData(bundle: Bundle, path: string, split: string): Promise<Result<Data>> {
  const { model } = bundle.plan;
  const unserved = servingFault(model);
  if (unserved !== undefined) return failure(diagnose(unserved));
  const data = await openDataHere(path, model);
  return data.ok ? checkData(data.value, split, needsOf(model)) : data;
}

/** Writes the data into a folder; gives the path of its `data.json`. */
export const stageInto = (data: Data, folder: string): Promise<Result<string>> =>
  stageData(data, folder, {
    onWrite: ({ source, path, bytes }) => note(`Writing ${source} as ${path} (${showBytes(bytes)})`),
  });

/** The folder itself where it holds plain arrays already, as `unetc stage` writes them; else they go into `stage`. */
export async function stagedFolder(data: Data, path: string, stage: string): Promise<Result<string>> {
  if (isStaged(data, path)) return success(resolve(path));
  const staged = await stageInto(data, stage);
  return staged.ok ? success(resolve(stage)) : staged;
}

function isStaged({ pairs }: Data, path: string): boolean {
  const rasters = pairs.flatMap(({ image, label }) => [
    image,
    ...(label === undefined ? [] : [label.raster]),
  ]);
  const described = statSync(join(path, 'data.json'), { throwIfNoEntry: false })?.isFile() === true;
  return described && rasters.every(({ form }) => form === 'rows');
}
