/** Optimizers, element by element. `hyper` is [rate, correction of the average, correction of the square]. */
import { pairwise } from './elementwise.ts';
import { element, type Kernels, operand } from './kernel.ts';

export const updateKernels: Kernels<'axpy' | 'moving_average' | 'moving_square' | 'adam_step' | 'sgd_step'> =
  {
    axpy: ({ attrs, inputs }) =>
      pairwise(operand(inputs, 0), operand(inputs, 1), (x, y) => y + attrs.factor * x),
    moving_average: ({ attrs: { beta }, inputs }) =>
      pairwise(operand(inputs, 0), operand(inputs, 1), (old, value) => beta * old + (1 - beta) * value),
    moving_square: ({ attrs: { beta }, inputs }) =>
      pairwise(operand(inputs, 0), operand(inputs, 1), (old, value) => beta * old + (1 - beta) * value ** 2),
    adam_step: ({ attrs: { epsilon, decay }, inputs }) => {
      const [average, square, hyper] = [operand(inputs, 1), operand(inputs, 2), operand(inputs, 3)];
      const [rate, first, second] = [element(hyper, 0), element(hyper, 1), element(hyper, 2)];
      return pairwise(operand(inputs, 0), average, (parameter, mean, i) => {
        const step = (mean * first) / (Math.sqrt(element(square, i) * second) + epsilon);
        return parameter * (1 - rate * decay) - rate * step;
      });
    },
    sgd_step: ({ attrs: { decay }, inputs }) => {
      const rate = element(operand(inputs, 2), 0);
      return pairwise(
        operand(inputs, 0),
        operand(inputs, 1),
        (parameter, direction) => parameter * (1 - rate * decay) - rate * direction,
      );
    },
  };
