/** The drawn cases of the laws: a network, a schedule of it, and the numbers it computes on. */
import fc from 'fast-check';
import { plainTruth } from '../../compiler/compare.ts';
import type { Model } from '../../ir/model.ts';
import type { Plan } from '../../ir/plan.ts';
import { printScheduleLines } from '../../ir/text/schedule.ts';
import { tiledExtents } from '../../ir/tiling.ts';
import { elementsOf } from '../../ir/type.ts';
import { isExactInFp32 } from './exact-in-fp32.ts';
import { drawFeeds, drawnWeights, type Feeds, planOf } from './exactness.ts';
import { networkOf, type Recipe, recipes } from './networks.ts';
import { numbers, pinsFor } from './schedules.ts';

export type LawCase = {
  readonly seed: number;
  readonly plan: Plan;
  readonly feeds: Feeds;
  readonly weights: Map<string, Float64Array>;
};

/** Any network under any schedule. */
export const anyCases = (rank: number, count: number, seed: number): Generator<LawCase> =>
  casesOf(recipes(rank), { count, seed, devices: Number.POSITIVE_INFINITY }, (model, choice) => ({
    feeds: drawFeeds(model, choice, choice % 5 === 0 ? 1 : 0.2),
    weights: drawnWeights(model),
  }));

/** Networks without kinks, on a few devices: rounding stays rounding. */
export const smoothCases = (count: number, seed: number): Generator<LawCase> =>
  casesOf(recipes(2).map(smoothed), { count, seed, devices: 6 }, (model, choice) => ({
    feeds: drawFeeds(model, choice),
    weights: drawnWeights(model),
  }));

const smoothed = (recipe: Recipe): Recipe => ({
  ...recipe,
  activation: ['gelu', 'sigmoid', 'softmax'].includes(recipe.activation) ? recipe.activation : 'silu',
  down: recipe.down === 'conv' ? 'conv' : 'avg_pool',
});

/** Networks with kinks and numbers that fp32 computes exactly (`isExactInFp32`), on a few devices. */
export const exactCases = (count: number, seed: number): Generator<LawCase> =>
  casesOf(recipes(2).map(exact), { count, seed, devices: 6, sized: toPowersOfTwo }, exactNumbers);

const exact = (recipe: Recipe): Recipe => ({
  ...recipe,
  activation: 'relu',
  norm: 'none',
  dropout: 'none',
  loss: 'mse',
  beside: 'nothing',
  up: ['bilinear', 'corners'].includes(recipe.up) ? 'resize' : recipe.up,
  skip: recipe.skip === 'add' ? 'add' : 'concat',
  kernel: recipe.kernel === 5 ? 3 : recipe.kernel,
});

type Limits = {
  readonly count: number;
  readonly seed: number;
  /** No more than this, and at least two: one device would not test a plan. */
  readonly devices: number;
  /** Chooses other sizes. */
  readonly sized?: (recipe: Recipe) => Recipe | undefined;
};

type Numbers = Pick<LawCase, 'feeds' | 'weights'>;

function* casesOf(
  arbitrary: fc.Arbitrary<Recipe>,
  { count, seed, devices, sized = (recipe) => recipe }: Limits,
  numbersOf: (model: Model, choice: number) => Numbers | undefined,
): Generator<LawCase> {
  let found = 0;
  for (let round = 0; found < count; round++)
    for (const [drawn, choice] of fc.sample(fc.tuple(arbitrary, fc.nat()), {
      seed: seed + round,
      numRuns: 100,
    })) {
      const recipe = sized(drawn);
      const model = recipe && networkOf(recipe);
      const pins = model && pinsFor(model, choice);
      if (model === undefined || pins?.devices === undefined) continue;
      if (devices < Number.POSITIVE_INFINITY && (pins.devices < 2 || pins.devices > devices)) continue;
      const rounded = sized === toPowersOfTwo ? withRoundShift(model) : model;
      const values = numbersOf(rounded, choice);
      if (values === undefined) continue;
      yield { seed: choice, plan: planOf(rounded, pins), ...values };
      if (++found === count) return;
    }
}

/** The recipe with the first sizes from its own on whose result has a power of two of cells on each axis. */
function toPowersOfTwo(recipe: Recipe): Recipe | undefined {
  const fits = (size: number): boolean => {
    const model = networkOf({ ...recipe, sizes: recipe.sizes.map(() => size) });
    return model !== undefined && tiledExtents(model).every((extent) => Number.isInteger(Math.log2(extent)));
  };
  const sizes = recipe.sizes.map((size) =>
    Array.from({ length: 40 }, (_, more) => size + more).find((one) => fits(one)),
  );
  const found = sizes.filter((size) => size !== undefined);
  return found.length === sizes.length ? { ...recipe, sizes: found } : undefined;
}

/** Drawn networks shift their image by a tenth, which no binary number is; and few bits are best spent later. */
const withRoundShift = (model: Model): Model => ({
  ...model,
  ops: model.ops.map((op) =>
    op.kind === 'affine' ? { ...op, attrs: { scale: [1, 0.5], shift: [0.5, -0.5] } } : op,
  ),
});

/**
 * Weights of {-1, 0, 1}, ever more of them 0 until the step is exact, and pixels and goals of {-1, -1/2 .. 1}:
 * multiples of 1/8, all of them. Undefined where no such step is exact, or hardly a gradient is left.
 */
function exactNumbers(model: Model, choice: number): Numbers | undefined {
  for (const share of [0.8, 0.6, 0.45, 0.3]) {
    const draw = numbers(choice);
    const weights = new Map(
      [...drawnWeights(model)].map(([name, values]) => [
        name,
        values.map(() => (draw(100) < share * 100 ? draw(2) * 2 - 1 : 0)),
      ]),
    );
    const feeds = feedsOf(model, () => (draw(5) - 2) / 2);
    if (!isExactInFp32(model, feeds, weights)) continue;
    const gradients = [...plainTruth(model, feeds, weights).gradients.values()];
    const flowing = gradients.filter((values) => values.some((value) => value !== 0));
    if (flowing.length >= 0.75 * gradients.length) return { feeds, weights };
  }
  return undefined;
}

function feedsOf(model: Model, draw: () => number): Feeds {
  const batch = model.training?.batch ?? 1;
  const inputs = model.inputs.flatMap(({ name, type, source }): [string, Float64Array][] =>
    source.from === 'image' || source.from === 'target'
      ? [[name, Float64Array.from({ length: elementsOf(type) * batch }, draw)]]
      : [],
  );
  return { step: 0, inputs: new Map(inputs) };
}

/** Where a case failed: all that its schedule decides, on one line. */
export const scheduleInWords = ({ schedule }: Plan): string =>
  printScheduleLines(schedule)
    .map((line) => line.trim().replace(/\s+/g, ' '))
    .join('; ');
