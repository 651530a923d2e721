/** Layers that normalise. */
import { fault } from '../../../ir/ops/definition.ts';
import { builtin, type Reader, withDefault } from '../builtin.ts';
import { refuse, type Site } from '../context.ts';
import { flag, real, tensor, whole } from '../readers.ts';
import { type Tensor, unknown, type Value } from '../value.ts';
import { addParameter, emitLayer } from './layer.ts';

const positive: Reader<number> = real(Number.MIN_VALUE, Infinity, 'a number above 0');

type Norm = { readonly groups: number; readonly eps: number; readonly affine: boolean };

/** Each group of channels of a sample to mean 0 and variance 1, then a learned scale and shift a channel. */
function norm(site: Site, x: Tensor, { groups, eps, affine }: Norm): Value {
  const { channels } = x.type;
  if (channels % groups !== 0)
    return refuse(site, fault('groups-divide', { groups, from: channels, to: channels }));
  const name = site.context.network.fresh(site.env.path, site.callee);
  const moments = emitLayer(site, 'moments', `${name}.moments`, [x], { groups });
  if (moments.kind !== 'tensor') return moments;
  const inner = affine ? `${name}.normal` : name;
  const y = emitLayer(site, 'normalize', inner, [x], { epsilon: eps }, { arrays: [moments.name] });
  if (!affine || y.kind !== 'tensor') return y;
  const made =
    addParameter(site, `${name}.weight`, [channels], { kind: 'ones' }) &&
    addParameter(site, `${name}.bias`, [channels], { kind: 'zeros' });
  const arrays = [`${name}.weight`, `${name}.bias`];
  return made ? emitLayer(site, 'scale_shift', name, [y], {}, { arrays }) : unknown;
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
];
