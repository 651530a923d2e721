/** The dice loss: sums over the cells of each sample, and their ratios. */
import type { OpAttributes } from '../../ir/ops/attributes.ts';
import type { Builder } from './builder.ts';
import { castTo, weightedOneHot } from './classes.ts';
import { channelsAt, extentAt, type Site } from './emitter.ts';
import { reshape, slice, spatialAxes, sumOver } from './formulas.ts';

type Shares = {
  /** Of each class at each labelled cell, 0 elsewhere. */
  readonly p: string;
  /** 1 in the channel of the label, else 0. */
  readonly t: string;
};

/** `types` of logits and target. */
function shares(g: Builder, types: Site<'dice_sums'>['types'], logits: string, target: string): Shares {
  const [channels, rank] = [channelsAt(types, 0), extentAt(types, 0).length];
  if (channels > 1) {
    const t = weightedOneHot(g, { classes: channels, rank, weights: [] }, target);
    const labelled = sumOver(g, t, [1], true);
    return { t, p: g.op('Mul', [g.op('Softmax', [logits], { axis: 1 }), labelled]) };
  }
  const is = (label: number): string =>
    g.op('Cast', [g.op('Equal', [target, g.bytes([label], [])])], { to: castTo.f32 });
  const t = is(1);
  return { t, p: g.op('Mul', [g.op('Sigmoid', [logits]), g.op('Add', [t, is(0)])]) };
}

export function diceSums(g: Builder, { types }: Site<'dice_sums'>, logits: string, target: string): string {
  const { p, t } = shares(g, types, logits, target);
  const axes = spatialAxes(extentAt(types, 0).length);
  const sums = [g.op('Mul', [p, t]), p, t].map((cells) => sumOver(g, cells, axes, false));
  return g.op('Concat', sums, { axis: 1 });
}

/** p * (dp - Σ p dp), or p * (1 - p) * dp of one channel, with dp = t dΣpt + dΣp. */
export function diceSumsGradient(
  g: Builder,
  { types }: Site<'dice_sums_grad'>,
  logits: string,
  target: string,
  dSums: string,
): string {
  const [channels, rank] = [channelsAt(types, 0), extentAt(types, 0).length];
  const { p, t } = shares(g, types, logits, target);
  const part = (which: number): string => {
    const cut = slice(g, dSums, [{ axis: 1, from: which * channels, to: (which + 1) * channels }]);
    return rank === 0 ? cut : g.op('Unsqueeze', [cut, g.ints(spatialAxes(rank))]);
  };
  const dp = g.op('Add', [g.op('Mul', [t, part(0)]), part(1)]);
  const moved = g.op('Mul', [p, dp]);
  // p is 0 where there is no label, and so is the result.
  return g.op('Sub', [moved, g.op('Mul', [p, channels === 1 ? moved : sumOver(g, moved, [1], true)])]);
}

type Ratio = {
  /** Σpt, [sets, classes] */
  readonly hits: string;
  /** 1 / (Σp + Σt + smooth); 0 where that is 0. */
  readonly inverse: string;
  /** 1 where there is something to divide by, else 0. */
  readonly counts: string;
};

/** The sums of each set of samples that share them. */
function ratio(g: Builder, { smooth, over }: OpAttributes['dice'], classes: number, sums: string): Ratio {
  const bySet = over === 1 ? sums : sumOver(g, reshape(g, sums, [-1, over, 3 * classes]), [1], false);
  const part = (which: number): string =>
    slice(g, bySet, [{ axis: 1, from: which * classes, to: (which + 1) * classes }]);
  const whole = g.op('Add', [g.op('Add', [part(1), part(2)]), g.float(smooth)]);
  const isNothing = g.op('Equal', [whole, g.float(0)]);
  return {
    hits: part(0),
    inverse: g.op('Where', [isNothing, g.float(0), g.op('Reciprocal', [whole])]),
    counts: g.op('Where', [isNothing, g.float(0), g.float(1)]),
  };
}

/** 2 Σpt + smooth */
const doubled = (g: Builder, hits: string, smooth: number): string =>
  g.op('Add', [g.op('Mul', [hits, g.float(2)]), g.float(smooth)]);

export function dice(g: Builder, { attrs, types }: Site<'dice'>, sums: string): string {
  const classes = channelsAt(types, 0) / 3;
  const { hits, inverse, counts } = ratio(g, attrs, classes, sums);
  const terms = g.op('Sub', [counts, g.op('Mul', [doubled(g, hits, attrs.smooth), inverse])]);
  return g.op('Mul', [sumOver(g, terms, [0, 1], false), g.float(attrs.over / (attrs.samples * classes))]);
}

export function diceGradient(
  g: Builder,
  { attrs, types, samples }: Site<'dice_grad'>,
  sums: string,
  dLoss: string,
): string {
  const classes = channelsAt(types, 0) / 3;
  const { hits, inverse } = ratio(g, attrs, classes, sums);
  const seed = g.op('Mul', [dLoss, g.float(attrs.over / (attrs.samples * classes))]);
  const slope = g.op('Mul', [inverse, seed]);
  const ofHits = g.op('Mul', [slope, g.float(-2)]);
  const ofWhole = g.op('Mul', [g.op('Mul', [slope, inverse]), doubled(g, hits, attrs.smooth)]);
  const ofSet = g.op('Concat', [ofHits, ofWhole, ofWhole], { axis: 1 });
  if (attrs.over === 1) return ofSet;
  const again = g.op('Expand', [reshape(g, ofSet, [-1, 1, 3 * classes]), g.ints([1, attrs.over, 1])]);
  return reshape(g, again, [samples, 3 * classes]);
}
