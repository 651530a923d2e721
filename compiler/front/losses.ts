/** Losses: what a result is compared with, and how. In a model to predict with they only name the result. */
import { extents, wholeBox } from '../../ir/box.ts';
import type { OpAttributes, OpKind } from '../../ir/ops/attributes.ts';
import { type Fault, fault, showSizes } from '../../ir/ops/definition.ts';
import { map, type ValueType } from '../../ir/type.ts';
import { addLosses } from './arithmetic.ts';
import { wholeBatch } from './batch.ts';
import { builtin, type Reader, withDefault } from './builtin.ts';
import { bindingsAt, refuse, type Site } from './context.ts';
import { droppedWords, operandWords } from './layers/layer.ts';
import { every, items, real, reals, target, tensor, word } from './readers.ts';
import { describeValue, showTensorSizes, type Target, type Tensor, unknown, type Value } from './value.ts';

/** The target as an input of the network, made by the first loss that uses it. */
function targetInput(site: Site, to: Target, x: Tensor): Fault | undefined {
  const { network, targetsFollow } = site.context;
  if (network.has(to.name)) return undefined;
  const box = targetsFollow ? x.type.box : wholeBox(to.sizes);
  const type = map(to.channels, box, to.classes === undefined ? 'f32' : 'u8');
  return network.input(to.name, type, {
    from: 'target',
    ...(to.classes === undefined ? {} : { classes: to.classes }),
  });
}

/** The denominator of a loss: one input for each target, weights and number of channels. */
function countInput(site: Site, to: Target, weights: readonly number[], channels: number): string | Fault {
  const { network, counts } = site.context;
  const key = JSON.stringify([to.name, weights, channels]);
  const known = counts.get(key);
  if (known !== undefined) return known;
  const name = network.scope('', `${to.name}~count`);
  const source = { from: 'count', target: to.name, weights, channels } as const;
  const problem = network.input(name, { kind: 'array', element: 'f32', dims: [] }, source);
  counts.set(key, name);
  return problem ?? name;
}

/** The sizes of a result against those of its target, where the text and not an option decides them. */
function sizeFault(site: Site, x: Tensor, to: Target): Value | undefined {
  const sizes = showSizes(extents(x.type.box));
  const expected = showSizes(to.sizes);
  if (site.context.targetsFollow || sizes === expected) return undefined;
  const label = `${showTensorSizes(x)} against ${expected}${bindingsAt(site.env, site.context)}`;
  return refuse(
    site,
    fault('target-size', { result: resultWords(site, x), sizes, target: to.name, expected }),
    {
      label,
      hint: sizeHint(x, to),
    },
  );
}

/** What the text calls the result that is compared. */
const resultWords = (site: Site, x: Tensor): string =>
  `\`${operandWords(site, [x])[0]}\``.replace(/^`(the .*)`$/, '$1');

function sizeHint({ trace, type }: Tensor, to: Target): string {
  const sizes = extents(type.box).join(', ');
  const shape =
    to.classes === undefined ? `f32[${to.channels}, ${sizes}]` : `class[${sizes}] of ${to.classes}`;
  const declare = `declare \`target ${to.name} : ${shape}\``;
  if (trace.cut)
    return `convolutions without padding cut the border: ${declare}, or keep the size with \`pad = same\``;
  if (trace.dropped !== undefined)
    return `${droppedWords(trace.dropped)}: use an input size that all poolings divide, or ${declare}`;
  if (trace.stride > 1)
    return `the result is ${trace.stride} times coarser than the input: bring it up with \`up_conv\` or \`resize\`, or ${declare}`;
  return declare;
}

/** The first result that a loss compares with a target is the prediction for it. */
function predict(site: Site, x: Tensor, to: Target): Fault | undefined {
  const { network, predictions } = site.context;
  if (predictions.has(to.name)) return undefined;
  predictions.set(to.name, to.classes === undefined ? x.name : `${to.name}~class`);
  if (to.classes === undefined) return undefined;
  const type = network.emit('classify', `${to.name}~class`, [x.name], {});
  return 'code' in type ? type : undefined;
}

/** A loss of a result against a target: `emit` appends its ops, the last of them under the name it is given. */
function compareBy(
  site: Site,
  x: Tensor,
  to: Target,
  kind: OpKind,
  emit: (name: string) => ValueType | Fault,
): Value {
  const { network, purpose } = site.context;
  const wrong = sizeFault(site, x, to);
  if (wrong !== undefined) return wrong;
  const problem = predict(site, x, to);
  if (problem !== undefined) return refuse(site, problem);
  const name = network.fresh(site.env.path, kind);
  if (purpose === 'predict') return { kind: 'loss', terms: [{ value: name, weight: 1 }] };
  const late = targetInput(site, to, x);
  if (late !== undefined) return refuse(site, late);
  const type = emit(name);
  return 'code' in type ? refuse(site, type) : { kind: 'loss', terms: [{ value: name, weight: 1 }] };
}

type LossKind = 'cross_entropy' | 'binary_cross_entropy' | 'focal' | 'mse' | 'l1';

/** What a loss's denominator adds up over the cells: class weights, or the channels of a target of numbers. */
type Counted = { readonly weights: readonly number[]; readonly channels: number };

function compare<K extends LossKind>(
  site: Site,
  x: Tensor,
  to: Target,
  kind: K,
  attrs: OpAttributes[K],
  { weights, channels }: Counted,
): Value {
  return compareBy(site, x, to, kind, (name) => {
    const count = countInput(site, to, weights, channels);
    if (typeof count !== 'string') return count;
    return site.context.network.emit(kind, name, [x.name, to.name, count], attrs);
  });
}

const wrongTarget = (site: Site, to: Target, expected: string, remedy: string): Value =>
  refuse(
    site,
    fault('wrong-target', {
      loss: site.callee,
      target: to.name,
      expected,
      found: to.classes === undefined ? 'numbers' : 'classes',
      remedy,
    }),
  );

/** Why a target, or the weights of its classes, do not fit a loss that compares with classes. */
function classFault(site: Site, to: Target, weights: readonly number[]): Value | undefined {
  const { callee } = site;
  if (to.classes === undefined)
    return wrongTarget(
      site,
      to,
      'classes',
      `compare numbers with \`mse\`, or declare \`target ${to.name} : class[...] of 2\``,
    );
  if (weights.length === 0 || (weights.length === to.classes && weights.every((weight) => weight >= 0)))
    return undefined;
  const found = `[${weights.slice(0, 8).join(', ')}${weights.length > 8 ? ', ...' : ''}]`;
  const expected = `a list of ${to.classes} numbers, 0 or more, one for each class of \`${to.name}\``;
  return refuse(site, fault('wrong-kind', { what: `\`weights\` of \`${callee}\``, expected, found }), {
    span: site.expressions.get('weights')?.[0]?.at,
  });
}

/** Why a result has not one channel for each class of a target. */
function channelFault(site: Site, x: Tensor, to: Target): Value | undefined {
  if (to.classes === undefined || x.type.channels === to.classes) return undefined;
  const { channels } = x.type;
  const words = { result: resultWords(site, x), channels, target: to.name, classes: to.classes };
  return refuse(site, fault('class-count', words), {
    label: `${channels} channels against ${to.classes} classes`,
  });
}

/** A loss of one channel for each class. */
function perClass<K extends 'cross_entropy' | 'focal'>(
  site: Site,
  x: Tensor,
  to: Target,
  kind: K,
  attrs: OpAttributes[K],
): Value {
  const { weights } = attrs;
  const wrong = channelFault(site, x, to) ?? classFault(site, to, weights);
  return wrong ?? compare(site, x, to, kind, attrs, { weights, channels: 1 });
}

type DiceOptions = { readonly smooth: number; readonly over: 'sample' | 'batch' };

/** One channel for each class, or one alone: the score of class 1 against class 0. */
function dice(site: Site, x: Tensor, to: Target, { smooth, over }: DiceOptions): Value {
  const binary = x.type.channels === 1 && to.classes === 2;
  const wrong = (binary ? undefined : channelFault(site, x, to)) ?? classFault(site, to, []);
  if (wrong !== undefined) return wrong;
  const attrs = { smooth, over: over === 'batch' ? wholeBatch : 1, samples: wholeBatch };
  const { network } = site.context;
  return compareBy(site, x, to, 'dice', (name) => {
    const sums = network.emit('dice_sums', `${name}.sums`, [x.name, to.name], {});
    return 'code' in sums ? sums : network.emit('dice', name, [`${name}.sums`], attrs);
  });
}

/** One channel, the score of class 1 against class 0. */
function binaryCrossEntropy(site: Site, x: Tensor, to: Target, weights: readonly number[]): Value {
  const wrong = classFault(site, to, weights);
  if (wrong !== undefined) return wrong;
  if (to.classes !== 2 || x.type.channels !== 1)
    return refuse(
      site,
      fault('not-binary', {
        result: resultWords(site, x),
        channels: x.type.channels,
        target: to.name,
        classes: to.classes ?? 0,
      }),
    );
  const kind = 'binary_cross_entropy';
  return compare(site, x, to, kind, { weights }, { weights, channels: 1 });
}

/** A mean over cells and channels of how far numbers are off. */
function regression(site: Site, x: Tensor, to: Target, kind: 'mse' | 'l1'): Value {
  if (to.classes !== undefined)
    return wrongTarget(
      site,
      to,
      'numbers',
      `compare classes with \`cross_entropy\`, or declare \`target ${to.name} : f32[...]\``,
    );
  if (x.type.channels !== to.channels)
    return refuse(
      site,
      fault('channels-differ', { op: kind, expected: to.channels, channels: x.type.channels }),
      {
        hint: `the target \`${to.name}\` has ${to.channels} channels: end the network with \`|> conv(${to.channels}, 1)\``,
      },
    );
  return compare(site, x, to, kind, {}, { weights: [], channels: to.channels });
}

const classWeights = withDefault(reals, [], '[]');
const notNegative: Reader<number> = real(0, Infinity, 'a number, 0 or more');

export const lossBuiltins = [
  builtin('cross_entropy', {
    doc: 'mean over the labelled cells of -log softmax(logits)[label], weighted by class',
    parameters: { logits: tensor, target, weights: classWeights },
    run: ({ logits, target: to, weights }, site): Value =>
      perClass(site, logits, to, 'cross_entropy', { weights }),
  }),
  builtin('binary_cross_entropy', {
    doc: 'mean over the labelled cells of -log sigmoid(x) for label 1 and -log sigmoid(-x) for 0, weighted by class; x has one channel',
    parameters: { x: tensor, target, weights: classWeights },
    run: ({ x, target: to, weights }, site): Value => binaryCrossEntropy(site, x, to, weights),
  }),
  builtin('focal', {
    doc: 'cross entropy with each cell times (1 - p)^gamma, p the share of its label (Lin et al. 2017)',
    parameters: { logits: tensor, target, gamma: withDefault(notNegative, 2), weights: classWeights },
    run: ({ logits, target: to, gamma, weights }, site): Value =>
      perClass(site, logits, to, 'focal', { weights, gamma }),
  }),
  builtin('dice', {
    doc: 'mean over samples and classes of 1 - (2 Σpt + smooth) / (Σp + Σt + smooth), the sums over the labelled cells of a sample, or of the whole batch; p = softmax(logits), of one channel sigmoid, t = 1 at the label, else 0',
    parameters: {
      logits: tensor,
      target,
      smooth: withDefault(notNegative, 1),
      over: withDefault(word('sample', 'batch'), 'sample'),
    },
    run: ({ logits, target: to, smooth, over }, site): Value => dice(site, logits, to, { smooth, over }),
  }),
  builtin('mse', {
    doc: 'mean over cells and channels of (x - target)²',
    parameters: { x: tensor, target },
    run: ({ x, target: to }, site): Value => regression(site, x, to, 'mse'),
  }),
  builtin('l1', {
    doc: 'mean over cells and channels of |x - target|',
    parameters: { x: tensor, target },
    run: ({ x, target: to }, site): Value => regression(site, x, to, 'l1'),
  }),
  builtin('sum', {
    doc: 'sum of a list of numbers or of losses',
    parameters: { list: items },
    run: ({ list }, site): Value => sumOf(site, list),
  }),
];

function sumOf(site: Site, list: readonly Value[]): Value {
  if (list.some(({ kind }) => kind === 'unknown') || !site.context.spend(list.length, site.at))
    return unknown;
  const numbers = every(list, (item) => (item.kind === 'number' ? item.value : undefined));
  if (numbers !== undefined) return { kind: 'number', value: numbers.reduce((a, b) => a + b, 0) };
  const odd = list.find(({ kind }) => kind !== 'loss');
  if (odd !== undefined)
    return refuse(
      site,
      fault('wrong-kind', {
        what: 'what `sum` adds',
        expected: 'only numbers or only losses',
        found: describeValue(odd),
      }),
    );
  return list.reduce<Value>(
    (sum, next) =>
      sum.kind === 'loss' && next.kind === 'loss' ? addLosses(sum, next, site.at, site.context) : unknown,
    { kind: 'loss', terms: [] },
  );
}
