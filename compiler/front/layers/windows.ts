/** Layers that slide a window: convolutions and poolings. */
import { at, extents } from '../../../ir/box.ts';
import type { PoolAttributes, Sides } from '../../../ir/ops/attributes.ts';
import { fault, showSizes, sum } from '../../../ir/ops/definition.ts';
import { padOf, reach } from '../../../ir/ops/windows.ts';
import { product } from '../../../ir/type.ts';
import { builtin, optional, withDefault } from '../builtin.ts';
import { refuse, type Site } from '../context.ts';
import { axes, flag, padding, sides, tensor, whole } from '../readers.ts';
import { type Tensor, type Trace, unknown, type Value } from '../value.ts';
import { emitLayer, weigh } from './layer.ts';

/** `3` for a kernel of equal sides, else `3 x 5`. */
const showKernel = (kernel: readonly number[]): string =>
  kernel.every((k) => k === kernel[0]) ? String(kernel[0]) : showSizes(kernel);

type Sliding = PoolAttributes & { readonly dilation?: readonly number[] };

/** What a window does to the history of its tensor: coarser by the stride, cells left out, border cut. */
function slide(x: Tensor, window: Sliding, by: string): Partial<Trace> {
  const sizes = extents(x.type.box);
  const left = sizes.map((size, axis) => {
    const [low, high] = padOf(window, axis);
    return (size + low + high - reach(window, axis)) % at(window.stride, axis);
  });
  const axis = left.findIndex((cells, i) => cells !== 0 && at(window.kernel, i) === at(window.stride, i));
  const cut = sizes.some((_, i) => sum(padOf(window, i)) < reach(window, i) - at(window.stride, i));
  return {
    stride: x.trace.stride * Math.max(...window.stride),
    cut: x.trace.cut || cut,
    ...(axis < 0 ? {} : { dropped: { by, size: at(sizes, axis), stride: at(window.stride, axis) } }),
  };
}

/** PyTorch's convention: dilation * (kernel - 1) / 2 on both sides, for odd kernels. */
function samePadding(
  site: Site,
  kernel: readonly number[],
  dilation: readonly number[],
): Sides[] | undefined {
  const even = kernel.find((k) => k % 2 === 0);
  if (even === undefined)
    return kernel.map(
      (k, axis): Sides => [(at(dilation, axis) * (k - 1)) / 2, (at(dilation, axis) * (k - 1)) / 2],
    );
  const all = at(dilation, kernel.indexOf(even)) * (even - 1);
  const words = { kernel: even, odd: even + 1, low: Math.floor(all / 2), high: Math.ceil(all / 2) };
  refuse(site, fault('even-kernel', words), { span: site.expressions.get('kernel')?.[0]?.at ?? site.at });
  return undefined;
}

export const windowBuiltins = [
  builtin('conv', {
    doc: 'convolution; `same` padding keeps the size, for odd kernels',
    parameters: {
      x: tensor,
      channels: whole(1),
      kernel: axes,
      stride: optional(axes, '1'),
      dilation: optional(axes, '1'),
      groups: withDefault(whole(1), 1),
      bias: withDefault(flag, true),
      pad: withDefault(padding, 'same'),
    },
    run(args, site): Value {
      const { x, channels, kernel, groups, bias } = args;
      const { stride = kernel.map(() => 1), dilation = kernel.map(() => 1) } = args;
      const from = x.type.channels;
      if (from % groups !== 0 || channels % groups !== 0)
        return refuse(site, fault('groups-divide', { groups, from, to: channels }));
      const pad = args.pad === 'same' ? samePadding(site, kernel, dilation) : args.pad;
      if (pad === undefined) return unknown;
      const name = site.context.network.fresh(site.env.path, 'conv');
      const fanIn = (from / groups) * product(kernel);
      const dims = [channels, from / groups, ...kernel];
      const arrays = weigh(site, { name, dims, fanIn }, bias ? channels : undefined);
      if (arrays === undefined) return unknown;
      const attrs = { kernel, stride, dilation, groups, pad };
      return emitLayer(site, 'conv', name, [x], attrs, {
        arrays,
        trace: slide(x, attrs, `conv(${channels}, ${showKernel(kernel)})`),
      });
    },
  }),
  builtin('up_conv', {
    doc: 'transposed convolution: makes each cell a patch; `crop` is cut off the result',
    parameters: {
      x: tensor,
      channels: whole(1),
      kernel: axes,
      stride: optional(axes, 'kernel'),
      crop: optional(sides, '0'),
      bias: withDefault(flag, true),
    },
    run({ x, channels, kernel, stride = kernel, crop = kernel.map((): Sides => [0, 0]), bias }, site): Value {
      const from = x.type.channels;
      const name = site.context.network.fresh(site.env.path, 'up_conv');
      // each output cell sees kernel / stride windows on an axis
      const fanIn = Math.max(1, Math.round((from * product(kernel)) / product(stride)));
      const arrays = weigh(
        site,
        { name, dims: [from, channels, ...kernel], fanIn },
        bias ? channels : undefined,
      );
      if (arrays === undefined) return unknown;
      const trace = { stride: Math.max(1, x.trace.stride / Math.max(...stride)) };
      return emitLayer(site, 'up_conv', name, [x], { kernel, stride, crop }, { arrays, trace });
    },
  }),
  builtin('max_pool', {
    doc: 'largest cell of each window',
    parameters: { x: tensor, kernel: axes, stride: optional(axes, 'kernel'), pad: optional(sides, '0') },
    run({ x, kernel, stride = kernel, pad = kernel.map((): Sides => [0, 0]) }, site): Value {
      const name = site.context.network.fresh(site.env.path, 'max_pool');
      const attrs = { kernel, stride, pad };
      return emitLayer(site, 'max_pool', name, [x], attrs, {
        trace: slide(x, attrs, `max_pool(${showKernel(kernel)})`),
      });
    },
  }),
  builtin('avg_pool', {
    doc: 'mean of each window; the zeros of `pad` count',
    parameters: { x: tensor, kernel: axes, stride: optional(axes, 'kernel'), pad: optional(sides, '0') },
    run({ x, kernel, stride = kernel, pad = kernel.map((): Sides => [0, 0]) }, site): Value {
      const name = site.context.network.fresh(site.env.path, 'avg_pool');
      const trace = slide(x, { kernel, stride, pad }, `avg_pool(${showKernel(kernel)})`);
      const wide = pad.every((both) => sum(both) === 0)
        ? x
        : emitLayer(site, 'pad', `${name}.pad`, [x], { sides: pad });
      if (wide.kind !== 'tensor') return wide;
      return emitLayer(site, 'avg_pool', name, [wide], { kernel, stride }, { trace });
    },
  }),
];
