/** Emission of the optimizers' ops, element by element over a parameter. */
import type { OpKind } from '../../ir/ops/attributes.ts';
import type { Builder } from './builder.ts';
import type { EmitTable } from './emitter.ts';

const times = (g: Builder, x: string, factor: number): string =>
  factor === 1 ? x : g.op('Mul', [x, g.float(factor)]);

/** One of `[rate, c1, c2]`, as a scalar. */
const hyperparameter = (g: Builder, hyper: string, index: number): string =>
  g.op('Gather', [hyper, g.ints([index], [])], { axis: 0 });

/** p * (1 - rate * decay) - step */
function descend(g: Builder, p: string, step: string, rate: string, decay: number): string {
  if (decay === 0) return g.op('Sub', [p, step]);
  const kept = g.op('Sub', [g.float(1), times(g, rate, decay)]);
  return g.op('Sub', [g.op('Mul', [p, kept]), step]);
}

export const updateEmits = {
  axpy: (g, { attrs }, x, y) => g.op('Add', [y, times(g, x, attrs.factor)]),
  moving_average: (g, { attrs: { beta } }, old, next) =>
    g.op('Add', [times(g, old, beta), times(g, next, 1 - beta)]),
  moving_square: (g, { attrs: { beta } }, old, next) =>
    g.op('Add', [times(g, old, beta), times(g, g.op('Mul', [next, next]), 1 - beta)]),
  adam_step(g, { attrs: { epsilon, decay } }, p, average, square, hyper) {
    const rate = hyperparameter(g, hyper, 0);
    const deviation = g.op('Sqrt', [g.op('Mul', [square, hyperparameter(g, hyper, 2)])]);
    const direction = g.op('Div', [average, g.op('Add', [deviation, g.float(epsilon)])]);
    const step = g.op('Mul', [rate, hyperparameter(g, hyper, 1)]);
    return descend(g, p, g.op('Mul', [direction, step]), rate, decay);
  },
  sgd_step(g, { attrs }, p, direction, hyper) {
    const rate = hyperparameter(g, hyper, 0);
    return descend(g, p, g.op('Mul', [direction, rate]), rate, attrs.decay);
  },
} satisfies Partial<EmitTable<OpKind>>;
