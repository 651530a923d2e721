/** Learning rates and the optimizers' corrections against the step, counted from 0. */
import type { Rate, Training } from './model.ts';

type Curve = Rate['curve'];
type RateOf<C extends Curve> = Extract<Rate, { curve: C }>;

/** Share of the peak, `since` steps after the warm-up, of `total` steps after it. */
const curves: { readonly [C in Curve]: (rate: RateOf<C>, since: number, total: number) => number } = {
  constant: () => 1,
  cosine: (_rate, since, total) =>
    (1 + Math.cos((Math.PI * Math.min(since, total)) / Math.max(1, total))) / 2,
  step: ({ every, factor }, since) => factor ** Math.floor(since / every),
};

const shareOfPeak = <C extends Curve>(rate: RateOf<C> & { curve: C }, since: number, total: number): number =>
  curves[rate.curve](rate, since, total);

/** The rate of `step`: up in equal parts over the warm-up, whose last step has the peak; then the curve. */
export function rateAt({ rate, steps }: Pick<Training, 'rate' | 'steps'>, step: number): number {
  if (step < rate.warmUp) return (rate.peak * (step + 1)) / rate.warmUp;
  return rate.peak * shareOfPeak(rate, step - rate.warmUp, steps - rate.warmUp);
}

/**
 * What the update ops read: `[rate, 1 / (1 - beta1^t), 1 / (1 - beta2^t)]` with t = step + 1, the bias
 * corrections of Adam (Kingma & Ba 2015, algorithm 1); `[rate, 1, 1]` for SGD.
 */
export function hyper(training: Training, step: number): [rate: number, first: number, second: number] {
  const { optimizer } = training;
  const rate = rateAt(training, step);
  if (optimizer.kind === 'sgd') return [rate, 1, 1];
  return [rate, 1 / (1 - optimizer.beta1 ** (step + 1)), 1 / (1 - optimizer.beta2 ** (step + 1))];
}
