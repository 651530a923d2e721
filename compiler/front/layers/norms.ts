/** Layers that normalise. */
import { volume } from '../../../ir/box.ts';
import type { OpAttributes } from '../../../ir/ops/attributes.ts';
import { fault } from '../../../ir/ops/definition.ts';
import { wholeBatch } from '../batch.ts';
import { builtin, optional, type Reader, withDefault } from '../builtin.ts';
import { refuse, type Site } from '../context.ts';
import { flag, real, tensor, whole } from '../readers.ts';
import { type Tensor, unknown, type Value } from '../value.ts';
import { addParameter, emitLayer } from './layer.ts';

const positive: Reader<number> = real(Number.MIN_VALUE, Infinity, 'a number above 0');
const share: Reader<number> = real(Number.MIN_VALUE, 1, 'a number above 0, at most 1');

type Norm = { readonly groups: number; readonly eps: number; readonly affine: boolean };

/** Each group of channels of a sample to mean 0 and variance 1, then a learned scale and shift a channel. */
function norm(site: Site, x: Tensor, { groups, eps, affine }: Norm): Value {
  const { channels } = x.type;
  if (channels % groups !== 0)
    return refuse(site, fault('groups-divide', { groups, from: channels, to: channels }));
  const name = site.context.network.fresh(site.env.path, site.callee);
  return scaled(site, name, affine, (inner) =>
    normalized(site, x, { name, inner, attrs: { groups, over: 1 }, eps }),
  );
}

type Live = {
  readonly name: string;
  /** Name of the result. */
  readonly inner: string;
  readonly attrs: { readonly groups: number; readonly over: number };
  readonly eps: number;
};

/** By the statistics of the very samples that are normalised. */
function normalized(site: Site, x: Tensor, { name, inner, attrs, eps }: Live): Value {
  const moments = emitLayer(site, 'moments', `${name}.moments`, [x], attrs);
  if (moments.kind !== 'tensor') return moments;
  return emitLayer(site, 'normalize', inner, [x], { epsilon: eps }, { arrays: [moments.name] });
}

/** What `normal` makes under the name that it is given, then a learned scale and shift if wanted. */
function scaled(site: Site, name: string, affine: boolean, normal: (inner: string) => Value): Value {
  const y = normal(affine ? `${name}.normal` : name);
  if (!affine || y.kind !== 'tensor') return y;
  const { channels } = y.type;
  const made =
    addParameter(site, `${name}.weight`, [channels], { kind: 'ones' }) &&
    addParameter(site, `${name}.bias`, [channels], { kind: 'zeros' });
  const arrays = [`${name}.weight`, `${name}.bias`];
  return made ? emitLayer(site, 'scale_shift', name, [y], {}, { arrays }) : unknown;
}

type BatchNorm = {
  readonly group?: number | undefined;
  readonly momentum: number;
  readonly eps: number;
  readonly affine: boolean;
};

/** In training by the statistics of the batch, which running means follow; in prediction by those. */
function batchNorm(site: Site, x: Tensor, { group = wholeBatch, momentum, eps, affine }: BatchNorm): Value {
  const name = site.context.network.fresh(site.env.path, site.callee);
  const { channels } = x.type;
  // The names that PyTorch gives them.
  const [mean, variance] = [`${name}.running_mean`, `${name}.running_var`];
  const made =
    addParameter(site, mean, [channels], { kind: 'zeros' }) &&
    addParameter(site, variance, [channels], { kind: 'ones' });
  if (!made) return unknown;
  if (site.context.purpose === 'predict')
    return scaled(site, name, affine, (inner) =>
      emitLayer(site, 'normalize_by', inner, [x], { epsilon: eps }, { arrays: [mean, variance] }),
    );
  const y = scaled(site, name, affine, (inner) =>
    normalized(site, x, { name, inner, attrs: { groups: channels, over: group }, eps }),
  );
  if (y.kind !== 'tensor') return y;
  const following = { over: group, samples: wholeBatch, cells: volume(x.type.box) };
  follow(site, `${name}.moments`, mean, { of: 'mean', ...following }, momentum);
  follow(site, `${name}.moments`, variance, { of: 'variance', ...following }, momentum);
  return y;
}

/** Lets a running statistic follow what the samples of each step have. */
function follow(
  site: Site,
  moments: string,
  parameter: string,
  attrs: OpAttributes['running_share'],
  momentum: number,
): void {
  const { network, places } = site.context;
  const value = `${parameter}~share`;
  const type = network.emit('running_share', value, [moments], attrs);
  if ('code' in type) refuse(site, type);
  places.set(value, site.at);
  network.statistic({ parameter, value, momentum });
}

export const normBuiltins = [
  builtin('instance_norm', {
    doc: 'each channel of each sample to mean 0 and variance 1 over its whole extent; `affine`: then a learned scale and shift',
    parameters: { x: tensor, eps: withDefault(positive, 1e-5), affine: withDefault(flag, false) },
    run: ({ x, ...options }, site): Value => norm(site, x, { groups: x.type.channels, ...options }),
  }),
  builtin('group_norm', {
    doc: 'as `instance_norm`, over equal groups of neighbouring channels together (Wu & He 2018)',
    parameters: {
      x: tensor,
      groups: whole(1),
      eps: withDefault(positive, 1e-5),
      affine: withDefault(flag, true),
    },
    run: ({ x, ...options }, site): Value => norm(site, x, options),
  }),
  builtin('batch_norm', {
    doc: 'each channel to mean 0 and variance 1 over the whole batch of a step, or over each `group` of consecutive samples; then a learned scale and shift. Predictions use running means of both, which each step moves by `momentum` (Ioffe & Szegedy 2015)',
    parameters: {
      x: tensor,
      group: optional(whole(1), 'batch'),
      momentum: withDefault(share, 0.1),
      eps: withDefault(positive, 1e-5),
      affine: withDefault(flag, true),
    },
    run: ({ x, ...options }, site): Value => batchNorm(site, x, options),
  }),
];
