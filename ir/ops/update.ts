/** Ops of the optimizers, element by element over a parameter. `hyper` is [rate, 1/(1-β1ᵗ), 1/(1-β2ᵗ)]. */
import { at } from '../box.ts';
import type { ValueType } from '../type.ts';
import type { OpTable } from './definition.ts';
import { perElement } from './shared.ts';

const likeFirst = (_attrs: unknown, inputs: readonly ValueType[]): ValueType => at(inputs, 0);
export const updateOps = {
  axpy: {
    doc: 'y + factor * x',
    kernel: 'update',
    operands: ['x', 'y'],
    shape: likeFirst,
    flops: perElement(2),
  },
  moving_average: {
    doc: 'β * old + (1 - β) * new',
    kernel: 'update',
    operands: ['old', 'new'],
    shape: likeFirst,
    flops: perElement(3),
  },
  moving_square: {
    doc: 'β * old + (1 - β) * new²',
    kernel: 'update',
    operands: ['old', 'new'],
    shape: likeFirst,
    flops: perElement(4),
  },
  adam_step: {
    doc: 'parameter * (1 - rate * decay) - rate * (average * c1) / (sqrt(square * c2) + ε) (Kingma & Ba 2015; decay: Loshchilov & Hutter 2019)',
    kernel: 'update',
    operands: ['parameter', 'average', 'square', 'hyper'],
    inFull: [3],
    shape: likeFirst,
    flops: perElement(7),
  },
  sgd_step: {
    doc: 'parameter * (1 - rate * decay) - rate * direction',
    kernel: 'update',
    operands: ['parameter', 'direction', 'hyper'],
    inFull: [2],
    shape: likeFirst,
    flops: perElement(3),
  },
} satisfies Partial<OpTable>;
