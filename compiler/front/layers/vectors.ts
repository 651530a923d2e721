/** Layers on vectors: inputs without space, such as the time of a diffusion, and what is made of them. */
import { builtin, type Reader, withDefault } from '../builtin.ts';
import { flag, real, vector, whole } from '../readers.ts';
import { unknown, type Value } from '../value.ts';
import { emitLayer, weigh } from './layer.ts';

const aboveOne: Reader<number> = real(1 + Number.EPSILON, Infinity, 'a number above 1');

/** 1, ..., down to nearly 1 / period: `count` of them, each the same factor below the one before. */
const frequenciesOf = (count: number, period: number): number[] =>
  Array.from({ length: count }, (_, i) => period ** (-i / count));

export const vectorBuiltins = [
  builtin('linear', {
    doc: 'weight * x + bias of a vector',
    parameters: { x: vector, channels: whole(1), bias: withDefault(flag, true) },
    run({ x, channels, bias }, site): Value {
      const name = site.context.network.fresh(site.env.path, 'linear');
      const from = x.type.channels;
      const arrays = weigh(site, { name, dims: [channels, from], fanIn: from }, bias ? channels : undefined);
      return arrays === undefined ? unknown : emitLayer(site, 'linear', name, [x], {}, { arrays });
    },
  }),
  builtin('sine_features', {
    doc: 'sin(x f), then cos(x f), of a vector of one number, for `count` frequencies f from 1 down towards 1 / period',
    parameters: { x: vector, count: whole(1), period: withDefault(aboveOne, 10_000) },
    run: ({ x, count, period }, site): Value =>
      emitLayer(site, 'sine', site.context.network.fresh(site.env.path, 'sine_features'), [x], {
        frequencies: frequenciesOf(count, period),
      }),
  }),
];
