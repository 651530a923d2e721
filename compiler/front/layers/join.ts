/** Layers that bring tensors together, and those that make their sizes equal first. */
import { at, extents } from '../../../ir/box.ts';
import type { Sides } from '../../../ir/ops/attributes.ts';
import { fault } from '../../../ir/ops/definition.ts';
import { builtin } from '../builtin.ts';
import { refuse, type Site } from '../context.ts';
import { sides, tensor, tensors } from '../readers.ts';
import { showTensorSizes, type Tensor, unknown, type Value } from '../value.ts';
import { droppedWords, emitLayer, operandsLabel, operandWords } from './layer.ts';

/** Why two tensors have not the same size, and what to do: the most likely of the usual stories. */
function sizesHint(site: Site, inputs: readonly Tensor[]): string | undefined {
  if (inputs.some(({ type }) => type.box.length === 0)) return undefined;
  const words = operandWords(site, inputs);
  const ranked = inputs.map((input, i) => ({
    input,
    cells: extents(input.type.box),
    who: at(words, i),
  }));
  ranked.sort((a, b) => at(b.cells, 0) - at(a.cells, 0));
  const [large, small] = [ranked.at(0), ranked.at(-1)];
  if (large === undefined || small === undefined) return undefined;
  const { dropped, cut } = small.input.trace;
  if (dropped !== undefined && large.cells.includes(dropped.size)) {
    const pad = `write \`|> pad_like(${large.who})\` after ${small.who.replace('the result of ', '')}`;
    return `${droppedWords(dropped)}: ${pad}, or use an input size that ${site.context.coarsest} divides`;
  }
  if (cut || large.input.trace.cut)
    return `convolutions without padding cut the border: write \`${large.who} |> crop_like(${small.who})\`, or keep the size with \`pad = same\``;
  const ratio = at(large.cells, 0) / at(small.cells, 0);
  if (Number.isInteger(ratio) && ratio > 1)
    return `${small.who} is ${ratio} times coarser: bring it up first, with \`up_conv(channels, ${ratio})\` or \`resize(${ratio})\``;
  return undefined;
}

/** The sum of tensors of equal shape, or of a vector and a tensor, pair by pair from the left. */
export function addTensors(site: Site, list: readonly Tensor[]): Value {
  const [first, ...others] = list;
  if (first === undefined)
    return refuse(
      site,
      fault('wrong-kind', { what: 'the sum', expected: 'two or more tensors', found: 'none' }),
    );
  return others.reduce<Value>((sum, next) => {
    if (sum.kind !== 'tensor' || !site.context.spend(1, site.at)) return unknown;
    const name = site.context.network.fresh(site.env.path, 'add');
    // The op wants a vector after the map that it is added to.
    const pair = sum.type.box.length === 0 ? [next, sum] : [sum, next];
    return emitLayer(site, 'add', name, pair, {}, { hint: () => sizesHint(site, [sum, next]) });
  }, first);
}

/** Product cell by cell; a tensor of one channel is a gate for all channels of the other. */
export function multiplyTensors(site: Site, a: Tensor, b: Tensor): Value {
  const name = site.context.network.fresh(site.env.path, 'mul');
  const product = (at: Site, x: Tensor, gate: Tensor): Value =>
    emitLayer(at, 'mul', name, [x, gate], {}, { hint: () => sizesHint(at, [x, gate]) });
  if (a.type.channels !== 1) return product(site, a, b);
  // The op wants the gate last; words about the operands are to follow them.
  const expressions = [...site.expressions.values()].flat().reverse();
  return product({ ...site, expressions: new Map([['operands', expressions]]) }, b, a);
}

/** How much larger `x` is than `like` on each axis. */
const excess = (x: Tensor, like: Tensor): number[] =>
  extents(x.type.box).map((size, axis) => size - at(extents(like.type.box), axis));

const likeSizes = (x: Tensor, like: Tensor) => ({ sizes: showTensorSizes(x), like: showTensorSizes(like) });

export const joinBuiltins = [
  builtin('concat', {
    doc: 'channels of all tensors one after another; tensors or lists of them',
    variadic: true,
    parameters: { tensors },
    run({ tensors: list }, site): Value {
      if (!site.context.spend(list.length, site.at)) return unknown;
      const name = site.context.network.fresh(site.env.path, 'concat');
      if (list.length === 0)
        return refuse(
          site,
          fault('wrong-kind', {
            what: 'what `concat` joins',
            expected: 'one or more tensors',
            found: 'none',
          }),
        );
      return emitLayer(site, 'concat', name, list, {}, { hint: () => sizesHint(site, list) });
    },
  }),
  builtin('add', {
    doc: 'sum of tensors of equal shape, cell by cell; a vector is added to every cell; also written `a + b`',
    variadic: true,
    parameters: { tensors },
    run: ({ tensors: list }, site): Value => addTensors(site, list),
  }),
  builtin('mul', {
    doc: 'product of two tensors of equal size, cell by cell; one channel is a gate for all of the other; also written `a * b`',
    parameters: { a: tensor, b: tensor },
    run: ({ a, b }, site): Value => multiplyTensors(site, a, b),
  }),
  builtin('crop', {
    doc: 'cuts cells off the sides',
    parameters: { x: tensor, sides },
    run: ({ x, sides: cut }, site): Value =>
      emitLayer(
        site,
        'crop',
        site.context.network.fresh(site.env.path, 'crop'),
        [x],
        { sides: cut },
        { trace: { cut: true } },
      ),
  }),
  builtin('crop_like', {
    doc: 'cuts cells off all sides equally, down to the size of another tensor',
    parameters: { x: tensor, like: tensor },
    run({ x, like }, site): Value {
      const more = excess(x, like);
      if (more.some((cells) => cells < 0))
        return refuse(site, fault('crop-like-smaller', likeSizes(x, like)), {
          label: operandsLabel(site, [x, like]),
        });
      const name = site.context.network.fresh(site.env.path, 'crop_like');
      const cut = more.map((cells): Sides => [Math.floor(cells / 2), Math.ceil(cells / 2)]);
      return emitLayer(site, 'crop', name, [x], { sides: cut });
    },
  }),
  builtin('pad', {
    doc: 'adds cells of zeros to the sides',
    parameters: { x: tensor, sides },
    run: ({ x, sides: added }, site): Value =>
      emitLayer(site, 'pad', site.context.network.fresh(site.env.path, 'pad'), [x], { sides: added }),
  }),
  builtin('pad_like', {
    doc: 'adds cells of zeros at the high sides, up to the size of another tensor',
    parameters: { x: tensor, like: tensor },
    run({ x, like }, site): Value {
      const more = excess(x, like);
      if (more.some((cells) => cells > 0))
        return refuse(site, fault('pad-like-larger', likeSizes(x, like)), {
          label: operandsLabel(site, [x, like]),
        });
      if (more.every((cells) => cells === 0)) return x;
      const name = site.context.network.fresh(site.env.path, 'pad_like');
      return emitLayer(site, 'pad', name, [x], { sides: more.map((cells): Sides => [0, 0 - cells]) });
    },
  }),
];
