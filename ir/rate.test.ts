import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Optimizer, Rate, Training } from './model.ts';
import { hyper, rateAt } from './rate.ts';

const rates = (rate: Rate, at: readonly number[]): number[] =>
  at.map((step) => Math.round(rateAt({ rate, steps: 12 }, step) * 1e6) / 1e6);

test('constant', () => {
  assert.equal(rates({ peak: 0.5, warmUp: 0, curve: 'constant' }, [0, 11]), [0.5, 0.5]);
});

test('warm-up rises in equal parts to the peak', () => {
  assert.equal(rates({ peak: 1, warmUp: 4, curve: 'constant' }, [0, 1, 2, 3, 4]), [0.25, 0.5, 0.75, 1, 1]);
});

test('cosine falls from the peak towards 0 over the steps after the warm-up', () => {
  assert.equal(rates({ peak: 1, warmUp: 0, curve: 'cosine' }, [0, 4, 6, 12, 20]), [1, 0.75, 0.5, 0, 0]);
  assert.equal(rates({ peak: 1, warmUp: 2, curve: 'cosine' }, [0, 1, 2, 7, 12]), [0.5, 1, 1, 0.5, 0]);
});

test('step multiplies by the factor every so many steps', () => {
  const rate: Rate = { peak: 1, warmUp: 0, curve: 'step', every: 3, factor: 0.5 };
  assert.equal(rates(rate, [0, 2, 3, 5, 6]), [1, 1, 0.5, 0.5, 0.25]);
});

const training = (optimizer: Optimizer): Training => ({
  optimizer,
  rate: { peak: 0.1, warmUp: 0, curve: 'constant' },
  batch: 1,
  steps: 10,
  seed: 1,
});

test('the corrections of Adam undo the start at 0', () => {
  const adam = training({ kind: 'adam', beta1: 0.9, beta2: 0.99, epsilon: 1e-8, decay: 0 });
  const [rate, first, second] = hyper(adam, 0);
  assert.is(rate, 0.1);
  assert.ok(Math.abs(first - 10) < 1e-12 && Math.abs(second - 100) < 1e-10);
  assert.ok(Math.abs(hyper(adam, 1)[1] - 1 / 0.19) < 1e-12);
});

test('SGD has none', () => {
  assert.equal(hyper(training({ kind: 'sgd', momentum: 0.9, nesterov: false, decay: 0 }), 3), [0.1, 1, 1]);
});

test.run();
