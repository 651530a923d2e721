/** Gradients of the plain network against slopes of its loss. */
import { runModelStep } from '../../backends/reference/run-model.ts';
import { plainGraph, plainTruth } from '../../compiler/compare.ts';
import type { Model } from '../../ir/model.ts';
import { drawFeeds, drawnWeights } from './exactness.ts';

/** Slopes are off by about 1e-11 / step by rounding, and step² / 6 times the third derivative. */
const step = 1e-5;
const tolerance = 1e-6;

/** The first parameter whose gradient is not the slope of the loss, in words; one number of each is tried. */
export function wrongSlope(model: Model, seed: number): string | undefined {
  const feeds = drawFeeds(model, seed);
  const weights = drawnWeights(model);
  const graph = plainGraph(model);
  const lossWith = (name: string, index: number, by: number): number => {
    const moved = Float64Array.from(weights.get(name) ?? []);
    moved[index] = (moved[index] ?? 0) + by;
    const values = runModelStep(model, graph, feeds, new Map([...weights, [name, moved]]));
    return values.get(model.loss ?? '')?.[0] ?? Number.NaN;
  };
  for (const [name, gradient] of plainTruth(model, feeds, weights).gradients) {
    const index = seed % gradient.length;
    const slope = (lossWith(name, index, step) - lossWith(name, index, -step)) / (2 * step);
    const found = gradient[index] ?? Number.NaN;
    if (!(Math.abs(slope - found) <= tolerance * Math.max(1, Math.abs(slope))))
      return `gradient of ${name}[${index}] is ${found}, not ${slope}`;
  }
  return undefined;
}
