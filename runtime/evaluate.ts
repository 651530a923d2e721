/** How good trained weights are: every labelled pixel of a split, through the network that predicts. */
import { at, extents } from '../ir/box.ts';
import { type Result, success } from '../ir/diagnostics/diagnostic.ts';
import type { Bundle } from './bundle.ts';
import { type Area, areasOf, type Data } from './data/data.ts';
import { readLabels } from './data/read-window.ts';
import { plainWindow } from './data/sample-window.ts';
import { classMapOf, firstOutput } from './feed-of.ts';
import type { Devices } from './local/devices.ts';
import { tileTotal } from './local/placement.ts';
import { addPixels, type Confusion, emptyConfusion, type Score, scoreOf } from './metrics.ts';
import { meter, type PredictionOptions, sizeText, withPredictors } from './predict.ts';
import { type ClassTile, runTiles } from './tiles.ts';

export type EvaluateOptions = PredictionOptions & {
  readonly data: Data;
  readonly split: string;
  /** A bundle that predicts for images of the given extents; asked for once for each size of area. */
  readonly bundleFor: (extents: readonly number[]) => Promise<Result<Bundle>>;
  /** Told the classes of each tile of each area as it is done: to draw them, say. */
  readonly onTile?: (area: Area, tile: ClassTile) => Promise<Result<undefined>>;
};

export type Evaluation = Score & { readonly confusion: Confusion };

/**
 * Scores the weights on all areas of a split, which has passed `checkData`. Errors: those of `bundleFor` and
 * of the devices (`device-*`), `bundle-purpose`. One that was stopped has counted only a part.
 */
export async function evaluate(options: EvaluateOptions): Promise<Result<Evaluation>> {
  let total: Confusion | undefined;
  for (const areas of bySize(areasOf(options.data, options.split))) {
    const bundle = await options.bundleFor(extents(at(areas, 0).box));
    if (!bundle.ok) return bundle;
    const confusion = await evaluateAreas(bundle.value, areas, options);
    if (!confusion.ok) return confusion;
    total = total === undefined ? confusion.value : sum(total, confusion.value);
  }
  const confusion = total ?? emptyConfusion(0);
  return success({ ...scoreOf(confusion), confusion });
}

function bySize(areas: readonly Area[]): Area[][] {
  const groups = new Map<string, Area[]>();
  for (const area of areas) {
    const size = sizeText(area.box);
    groups.set(size, [...(groups.get(size) ?? []), area]);
  }
  return [...groups.values()];
}

const sum = (a: Confusion, b: Confusion): Confusion => ({
  classes: a.classes,
  counts: a.counts.map((n, i) => n + (b.counts[i] ?? 0)),
});

/** Confusion over areas that all have the size that the bundle is compiled for. */
export async function evaluateAreas(
  bundle: Bundle,
  areas: readonly Area[],
  options: Omit<EvaluateOptions, 'split' | 'bundleFor'>,
): Promise<Result<Confusion>> {
  const { plan } = bundle;
  const windows = areas.map(({ pair, box }) => plainWindow(pair, box));
  const onTile = meter(options, areas.length * tileTotal(plan));
  return withPredictors(bundle, options.data, windows, options, async (devices: Devices) => {
    const output = options.output ?? firstOutput(plan.model);
    const map = classMapOf(plan.model, output);
    const confusion = emptyConfusion(map.classes);
    for (const [index, area] of areas.entries()) {
      const visit = async (tile: ClassTile): Promise<Result<undefined>> => {
        const labels = await readLabels(options.data, at(windows, index), map.extents, tile.box);
        addPixels(confusion, labels, tile.classes);
        return (await options.onTile?.(area, tile)) ?? success(undefined);
      };
      const { stop } = options;
      const tiles = { devices, plan, window: index, output, visit, onTile };
      const done = await runTiles(stop === undefined ? tiles : { ...tiles, stop });
      if (!done.ok) return done;
    }
    return success(confusion);
  });
}
