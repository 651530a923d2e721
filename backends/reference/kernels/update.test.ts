import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { apply, arrayOf, distance } from '../tests/probe.ts';

const two = (a: number, b: number) => arrayOf([2], [a, b]);
const near = (values: Float64Array, expected: readonly number[]): void =>
  assert.ok(distance(values, Float64Array.from(expected)) < 1e-14, `${values} is not ${expected}`);

test('axpy and the moving averages by hand', () => {
  near(apply('axpy', { factor: 3 }, [two(1, 2), two(10, 20)]).values, [13, 26]);
  near(apply('moving_average', { beta: 0.75 }, [two(4, 8), two(8, 0)]).values, [5, 6]);
  near(apply('moving_square', { beta: 0.75 }, [two(4, 8), two(2, 0)]).values, [4, 6]);
});

test('sgd_step: rate against the direction, decay of the parameter', () => {
  const hyper = arrayOf([3], [0.1, 1, 1]);
  near(apply('sgd_step', { decay: 0 }, [two(1, 2), two(1, -1), hyper]).values, [0.9, 2.1]);
  near(apply('sgd_step', { decay: 0.5 }, [two(1, 2), two(0, 0), hyper]).values, [0.95, 1.9]);
});

test('adam_step by hand: average / (root of the square + ε), both corrected', () => {
  const hyper = arrayOf([3], [0.1, 2, 4]);
  const y = apply('adam_step', { epsilon: 1, decay: 0.5 }, [two(1, 2), two(3, -3), two(4, 0), hyper]);
  near(y.values, [0.95 - (0.1 * 6) / (4 + 1), 1.9 + (0.1 * 6) / (0 + 1)]);
});

test('the first step of Adam moves by the rate, against the sign of the gradient', () => {
  const gradient = two(1e-3, -50);
  const average = apply('moving_average', { beta: 0.9 }, [two(0, 0), gradient]);
  const square = apply('moving_square', { beta: 0.99 }, [two(0, 0), gradient]);
  const hyper = arrayOf([3], [0.1, 1 / (1 - 0.9), 1 / (1 - 0.99)]);
  const y = apply('adam_step', { epsilon: 0, decay: 0 }, [two(0, 0), average, square, hyper]);
  near(y.values, [-0.1, 0.1]);
});

test.run();
