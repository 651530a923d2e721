/** The dice loss: sums over the cells of each sample, and their ratios. */
import type { OpAttributes } from '../../../ir/ops/attributes.ts';
import type { ValueType } from '../../../ir/type.ts';
import { element, type Kernels, operand, planesOf, zeros } from './kernel.ts';

/** A labelled cell: where its first channel is, and for each class p of the logits and t of the label. */
type Cell = {
  readonly sample: number;
  readonly base: number;
  readonly p: readonly number[];
  readonly t: readonly number[];
};

function softmax(values: readonly number[]): number[] {
  const largest = Math.max(...values);
  const powers = values.map((value) => Math.exp(value - largest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

function* labelledCells(
  logits: Float64Array,
  target: Float64Array,
  type: ValueType | undefined,
  samples: number,
): Generator<Cell> {
  const { channels, cells } = planesOf(type);
  const binary = channels === 1;
  for (let i = 0; i < samples * cells; i++) {
    const label = element(target, i);
    if (label >= (binary ? 2 : channels)) continue;
    const sample = Math.floor(i / cells);
    const base = sample * channels * cells + (i % cells);
    const values = Array.from({ length: channels }, (_, channel) => element(logits, base + channel * cells));
    const p = binary ? values.map(sigmoid) : softmax(values);
    yield { sample, base, p, t: p.map((_, channel) => Number(label === (binary ? 1 : channel))) };
  }
}

/** The sums of one class in one sample. */
type Term = { readonly pt: number; readonly p: number; readonly t: number };

/** For each class and set of samples that share their sums: these, and where the sums of each sample are. */
function sharedSums(
  sums: Float64Array,
  { over }: OpAttributes['dice'],
  classes: number,
  samples: number,
): { readonly term: Term; readonly places: readonly number[] }[] {
  return Array.from({ length: (samples / over) * classes }, (_, i) => {
    const first = Math.floor(i / classes) * over;
    const places = Array.from({ length: over }, (_, s) => (first + s) * 3 * classes + (i % classes));
    const sumOf = (which: number) =>
      places.reduce((sum, place) => sum + element(sums, place + which * classes), 0);
    return { term: { pt: sumOf(0), p: sumOf(1), t: sumOf(2) }, places };
  });
}

/** What one class of one set gives to the mean. */
const shareOf = ({ over, samples }: OpAttributes['dice'], classes: number): number =>
  over / (samples * classes);

export const diceKernels: Kernels<'dice_sums' | 'dice_sums_grad' | 'dice' | 'dice_grad'> = {
  dice_sums: (call) => {
    const sums = zeros(call);
    const [logits, target] = [operand(call.inputs, 0), operand(call.inputs, 1)];
    for (const { sample, p, t } of labelledCells(logits, target, call.types[0], call.samples))
      p.forEach((share, channel) => {
        const hit = element(t, channel);
        [share * hit, share, hit].forEach((value, which) => {
          const place = (3 * sample + which) * p.length + channel;
          sums[place] = element(sums, place) + value;
        });
      });
    return sums;
  },
  dice_sums_grad: (call) => {
    const d = zeros(call);
    const [logits, target, dSums] = [
      operand(call.inputs, 0),
      operand(call.inputs, 1),
      operand(call.inputs, 2),
    ];
    const { channels, cells } = planesOf(call.types[0]);
    for (const { sample, base, p, t } of labelledCells(logits, target, call.types[0], call.samples)) {
      const first = 3 * sample * channels;
      const dp = p.map(
        (_, channel) =>
          element(t, channel) * element(dSums, first + channel) + element(dSums, first + channels + channel),
      );
      const mean = p.reduce((sum, share, channel) => sum + share * element(dp, channel), 0);
      p.forEach((share, channel) => {
        const slope = channels === 1 ? (1 - share) * element(dp, 0) : element(dp, channel) - mean;
        d[base + channel * cells] = share * slope;
      });
    }
    return d;
  },
  dice: ({ attrs, inputs, types, samples }) => {
    const classes = planesOf(types[0]).channels / 3;
    const terms = sharedSums(operand(inputs, 0), attrs, classes, samples).map(({ term: { pt, p, t } }) => {
      const whole = p + t + attrs.smooth;
      return whole === 0 ? 0 : 1 - (2 * pt + attrs.smooth) / whole;
    });
    return Float64Array.of(shareOf(attrs, classes) * terms.reduce((a, b) => a + b, 0));
  },
  dice_grad: (call) => {
    const d = zeros(call);
    const classes = planesOf(call.types[0]).channels / 3;
    const seed = element(operand(call.inputs, 1), 0) * shareOf(call.attrs, classes);
    const { smooth } = call.attrs;
    for (const { term, places } of sharedSums(operand(call.inputs, 0), call.attrs, classes, call.samples)) {
      const whole = term.p + term.t + smooth;
      if (whole === 0) continue;
      const ofWhole = (seed * (2 * term.pt + smooth)) / whole ** 2;
      for (const place of places) {
        d[place] = (-2 * seed) / whole;
        d[place + classes] = ofWhole;
        d[place + 2 * classes] = ofWhole;
      }
    }
    return d;
  },
};
