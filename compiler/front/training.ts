/** Optimizers, rate curves and the `train` statement. */
import type { Optimizer } from '../../ir/model.ts';
import { type Builtin, builtin, optional, type Reader, withDefault } from './builtin.ts';
import { flag, optimizer, rate, real, whole } from './readers.ts';
import type { Value } from './value.ts';

const positive = real(Number.MIN_VALUE, Infinity, 'a number above 0');
const share = real(0, 1 - Number.EPSILON, 'a number from 0 (included) to 1 (excluded)');
const notNegative = real(0, Infinity, 'a number, 0 or more');

const adamParameters = (decay: number) => ({
  rate,
  beta1: withDefault(share, 0.9),
  beta2: withDefault(share, 0.999),
  epsilon: withDefault(positive, 1e-8),
  decay: withDefault(notNegative, decay),
});

const adam = (kind: 'adam' | 'adamw', decay: number, doc: string) =>
  builtin(kind, {
    doc,
    parameters: adamParameters(decay),
    run({ rate: curve, ...options }): Value {
      const chosen: Optimizer = { kind, ...options };
      return { kind: 'optimizer', optimizer: chosen, rate: curve };
    },
  });

const warmUp: Reader<number> = withDefault(whole(0), 0);

export const trainingBuiltins = [
  adam('adam', 0, 'Adam (Kingma & Ba 2015)'),
  adam('adamw', 0.01, 'Adam with decoupled weight decay (Loshchilov & Hutter 2019)'),
  builtin('sgd', {
    doc: 'stochastic gradient descent',
    parameters: {
      rate,
      momentum: withDefault(share, 0),
      nesterov: withDefault(flag, false),
      decay: withDefault(notNegative, 0),
    },
    run: ({ rate: curve, ...options }): Value => ({
      kind: 'optimizer',
      optimizer: { kind: 'sgd', ...options },
      rate: curve,
    }),
  }),
  builtin('constant', {
    doc: 'the same rate at every step, after a linear rise over `warm_up` steps',
    parameters: { peak: positive, warm_up: warmUp },
    run: ({ peak, warm_up }): Value => ({ kind: 'rate', rate: { curve: 'constant', peak, warmUp: warm_up } }),
  }),
  builtin('cosine', {
    doc: 'half a cosine from the peak rate to 0 at the last step',
    parameters: { peak: positive, warm_up: warmUp },
    run: ({ peak, warm_up }): Value => ({ kind: 'rate', rate: { curve: 'cosine', peak, warmUp: warm_up } }),
  }),
  builtin('step', {
    doc: 'the rate times `factor` after every so many steps',
    parameters: { peak: positive, every: whole(1), factor: withDefault(positive, 0.1), warm_up: warmUp },
    run: ({ peak, every, factor, warm_up }): Value => ({
      kind: 'rate',
      rate: { curve: 'step', peak, every, factor, warmUp: warm_up },
    }),
  }),
];

const [, train] = builtin('train', {
  doc: 'how the network is trained; `batch` counts the samples of a step, of all replicas together',
  parameters: {
    optimizer,
    batch: whole(1),
    steps: whole(1),
    seed: withDefault(whole(0), 0),
    clip: optional(positive, 'none'),
  },
  run: ({ optimizer: chosen, batch, steps, seed, clip }): Value => ({
    kind: 'training',
    training: {
      optimizer: chosen.optimizer,
      rate: chosen.rate,
      batch,
      steps,
      seed,
      ...(clip === undefined ? {} : { clip }),
    },
  }),
});

/** The `train` statement is read like a call. */
export const trainStatement: Builtin = {
  ...train,
  signature: { ...train.signature, usage: 'train adam(1e-3), batch = 4, steps = 1000, seed = 7, clip = 1' },
};
