/** What texts mean: the models they give, the names in them, and what can be set from outside. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { extents } from '../../ir/box.ts';
import { parameterCount } from '../../ir/cost.ts';
import type { Model } from '../../ir/model.ts';
import { readText } from '../../ir/text/cursor.ts';
import { printModel, readModel as readPrinted } from '../../ir/text/model.ts';
import { verifyModel } from '../../ir/verify/model.ts';
import { compileModel, type LowerOptions } from './lower-model.ts';
import { examples } from './tests/testing.ts';

/** The model of a text: sound, and the same after printing and reading. */
function model(text: string, options: Partial<LowerOptions> = {}): Model {
  const result = compileModel(text, 'test.unet', { purpose: 'train', ...options });
  if (!result.ok)
    throw new Error(result.diagnostics.map(({ message, span }) => `${span?.line}: ${message}`).join('\n'));
  assert.equal(verifyModel(result.value), []);
  const read = readText(printModel(result.value), 'test.ir', readPrinted);
  assert.equal(read.ok ? read.value : read.diagnostics, result.value);
  return result.value;
}

const example = (name: string, options: Partial<LowerOptions> = {}): Model =>
  model(examples.get(`${name}.unet`) ?? '', options);

/** A model around a few lines; its image is 3 x 64 x 64, its target has two classes. */
const around = (lines: string, options: Partial<LowerOptions> = {}): Model =>
  model(
    `model test
     input image : f32[3, 64, 64]
     target land : class[64, 64] of 2
     ${lines}
     train adam(1e-3), batch = 2, steps = 10`,
    options,
  );

const sizesOf = (m: Model, name: string): number[] => {
  const type = m.ops.find(({ output }) => output === name)?.type;
  return type?.kind === 'map' ? [type.channels, ...extents(type.box)] : [];
};

/** The value of a number expression, read off the channels of a convolution. */
const worth = (expression: string): number =>
  around(`let logits = image |> conv(${expression}, 1) |> conv(2, 1)\nloss cross_entropy(logits, land)`)
    .parameters[0]?.dims[0] ?? 0;

test('the classic network has the published number of parameters and sizes', () => {
  const classic = example('classic');
  assert.is(parameterCount(classic), 31_030_658);
  assert.equal(sizesOf(classic, 'conv[0]'), [2, 388, 388]);
});

test('torchgpipe has the published numbers of parameters', () => {
  const counts = [
    [6, 72, 362_157_516],
    [11, 128, 2_213_834_176],
    [24, 128, 4_993_859_008],
    [24, 160, 7_802_903_600],
    [48, 160, 15_822_206_000],
    [5, 64, 232_687_328],
  ];
  for (const [convs, base, expected] of counts)
    assert.is(
      parameterCount(example('torchgpipe', { sets: { num_convs: String(convs), base: String(base) } })),
      expected,
    );
});

test('examples predict as well as train, and stay within 40 lines', () => {
  for (const [name, text] of examples) {
    assert.ok(model(text).training, name);
    assert.is(model(text, { purpose: 'predict' }).training, undefined, name);
    assert.ok(text.split('\n').length <= 41, name);
  }
});

test('names say where things come from', () => {
  const { parameters, ops, inputs } = example('coastline');
  const names = [
    ...parameters.map(({ name }) => name),
    ...ops.map(({ output }) => output),
    ...inputs.map(({ name }) => name),
  ];
  for (const name of [
    'unet.encode[0].conv[1].weight',
    'unet.encode[3].conv[0].bias',
    'unet.down[2].max_pool[0]',
    'unet.decode[0].concat[0]',
    'conv[0].weight',
    'image~scaled',
    'land~count',
    'land~class',
    'image',
    'land',
  ])
    assert.ok(names.includes(name), name);
  assert.is(new Set(names).size, names.length);
});

test('a second `unet` and a `bottom` have scopes of their own', () => {
  const arms =
    '{ encode(l, x) = x |> conv(2, 3); down(l, x) = x |> max_pool(2); bottom(x) = x |> conv(4, 3); decode(l, skip, x) = concat(skip, x |> resize(2)) }';
  const { parameters } = around(
    `let logits = image |> unet(1) ${arms} |> unet(1) ${arms} |> conv(2, 1)\nloss cross_entropy(logits, land)`,
  );
  assert.equal(
    parameters.map(({ name }) => name).filter((name) => name.endsWith('weight')),
    [
      'unet.encode[0].conv[0].weight',
      'unet.bottom.conv[0].weight',
      'unet[1].encode[0].conv[0].weight',
      'unet[1].bottom.conv[0].weight',
      'conv[0].weight',
    ],
  );
});

test('arithmetic, conditions, lists and functions of numbers', () => {
  assert.is(worth('2 + 3 * 2^2 - 10 % 4'), 12);
  assert.is(worth('-(-7) + floor(-0.5) + ceil(1.2)'), 8);
  assert.is(worth('if 3 > 2 and not (1 == 2) then 5 else 6'), 5);
  assert.is(worth('[16, 32, 64][len([1, 2])]'), 64);
  assert.is(worth('sum([l^2 for l in 1..3])'), 14);
  assert.is(worth('max(1, 9, 3) + min([4, 2])'), 11);
  assert.is(worth('({ let a = 3; let b = a * 2; a + b })'), 9);
  assert.is(worth('len(3..1) + len([1] + [2, 3])'), 3);
  assert.is(worth('2^3^2 / 2^8'), 2);
});

test('fold and lists build dense networks', () => {
  const dense = around(
    `
    let columns = [[image |> conv(4, 3)]] |> fold(1..3) { step(j, rows) = rows + [[concat(rows) |> conv(4, 3)]] }
    let logits = columns[3][0] |> conv(2, 1)
    loss cross_entropy(logits, land)`.replace('concat(rows)', 'concat([row[0] for row in rows])'),
  );
  assert.equal(
    dense.parameters.filter(({ name }) => name.endsWith('weight')).map(({ dims }) => dims[1]),
    [3, 4, 8, 12, 4],
  );
});

test('a product of tensors puts the gate last, whichever side it stands on', () => {
  const { ops } = around(`
    let gate = image |> conv(1, 1) |> sigmoid
    let both = (gate * image) + image * gate + image * image
    loss cross_entropy(both |> gelu |> conv(2, 1) |> softmax, land)`);
  const factors = ops.flatMap((op) => (op.kind === 'mul' ? [op.inputs] : []));
  assert.equal(factors, [
    ['image', 'sigmoid[0]'],
    ['image', 'sigmoid[0]'],
    ['image', 'image'],
  ]);
});

test('losses of classes count their weights, those of numbers their channels', () => {
  const { ops, inputs } = around(`
    target depth : f32[2, 64, 64]
    let score = image |> conv(1, 1)
    let both = image |> conv(2, 1)
    loss binary_cross_entropy(score, land, [1, 3]) + 0.5 * focal(both, land, 1.5, weights = [1, 3]) + l1(both, depth)`);
  const operands = ops.flatMap(({ kind, inputs: names }) =>
    kind === 'binary_cross_entropy' || kind === 'focal' || kind === 'l1' ? [[kind, ...names]] : [],
  );
  assert.equal(operands, [
    ['binary_cross_entropy', 'conv[0]', 'land', 'land~count'],
    ['focal', 'conv[1]', 'land', 'land~count'],
    ['l1', 'conv[1]', 'depth', 'depth~count'],
  ]);
  const counts = inputs.flatMap(({ source }) => (source.from === 'count' ? [source] : []));
  assert.equal(counts, [
    { from: 'count', target: 'land', weights: [1, 3], channels: 1 },
    { from: 'count', target: 'depth', weights: [], channels: 2 },
  ]);
  assert.equal(
    ops.flatMap((op) => (op.kind === 'focal' ? [op.attrs] : [])),
    [{ weights: [1, 3], gamma: 1.5 }],
  );
});

test('a pipe gives its value to the first parameter, also of functions of the text', () => {
  const { ops } = around(`
    block twice(x, c, slope = 0.2) = { let y = x |> conv(c, 3); y |> leaky_relu(slope) }
    loss cross_entropy(image |> twice(8) |> twice(2, slope = 0.3), land)`);
  const slopes = ops.flatMap((op) => (op.kind === 'leaky_relu' ? [op.attrs.slope] : []));
  assert.equal(slopes, [0.2, 0.3]);
});

test('padding: `same` by default, per axis and per side on demand', () => {
  const { ops } = around(`
    let a = image |> conv(4, [3, 5], dilation = 2) |> conv(4, 4, pad = (1, 2)) |> conv(2, 3, pad = [0, (2, 0)])
    loss cross_entropy(a |> pad_like(image), land)`);
  const pads = ops.flatMap((op) => (op.kind === 'conv' ? [op.attrs.pad] : []));
  assert.equal(pads, [
    [
      [2, 2],
      [4, 4],
    ],
    [
      [1, 2],
      [1, 2],
    ],
    [
      [0, 0],
      [2, 0],
    ],
  ]);
});

test('pad_like pads on the high side, crop_like crops around the middle', () => {
  const { ops } = around(`
    let small = image |> conv(3, 4, pad = 0)
    let a = small |> pad_like(image)
    let b = image |> crop_like(small)
    loss cross_entropy(a + (b |> pad_like(image)) |> conv(2, 1), land)`);
  const sides = ops.flatMap((op) =>
    op.kind === 'pad' || op.kind === 'crop' ? [[op.kind, op.attrs.sides[0]]] : [],
  );
  assert.equal(sides, [
    ['pad', [0, 3]],
    ['crop', [1, 2]],
    ['pad', [0, 3]],
  ]);
});

test('scaling and normalizing become one affine op', () => {
  const text = (scaling: string) => `model t
    input image : f32[2, 8, 8] ${scaling}
    target land : class[8, 8] of 2
    loss cross_entropy(image |> conv(2, 1), land)
    train sgd(0.1), batch = 1, steps = 1`;
  const affine = (scaling: string) =>
    model(text(scaling)).ops.flatMap((op) => (op.kind === 'affine' ? [op.attrs] : []));
  assert.equal(affine('scaled by 1/4'), [{ scale: [0.25, 0.25], shift: [0, 0] }]);
  assert.equal(affine('normalized([1, 2], std = 4)'), [{ scale: [0.25, 0.25], shift: [-0.25, -0.5] }]);
  assert.equal(affine(''), []);
});

test('one to three spatial axes are the same text', () => {
  for (const sizes of ['64', '64, 32', '64, 32, 16']) {
    const rank = sizes.split(',').length;
    const m = model(`model t
      input image : f32[1, ${sizes}]
      target land : class[${sizes}] of 2
      let logits = image |> conv(4, 3) |> max_pool(2) |> up_conv(2, 2)
      loss cross_entropy(logits, land)
      train sgd(0.1), batch = 1, steps = 1`);
    assert.is(m.rank, rank);
    assert.is(m.parameters[0]?.dims.length, 2 + rank);
  }
});

test('several losses become a weighted sum; equal denominators are counted once', () => {
  const m = around(`
    let a = image |> conv(2, 1)
    let b = image |> conv(2, 3)
    loss 0.5 * cross_entropy(a, land) + cross_entropy(b, land) / 4 + cross_entropy(a, land, weights = [1, 2])`);
  const total = m.ops.at(-1);
  assert.is(m.loss, 'loss~total');
  assert.equal(total?.kind === 'weighted_sum' ? total.attrs.weights : [], [0.5, 0.25, 1]);
  const counts = m.inputs.flatMap(({ name, source }) =>
    source.from === 'count' ? [[name, source.weights]] : [],
  );
  assert.equal(counts, [
    ['land~count', []],
    ['land~count[1]', [1, 2]],
  ]);
  assert.equal(m.outputs, [{ name: 'land', value: 'land~class' }]);
});

test('mean squared error counts cells times channels', () => {
  const m = model(`model t
    input image : f32[1, 8, 8]
    target wanted : f32[2, 8, 8]
    loss mse(image |> conv(2, 3), wanted)
    train adamw(1e-3), batch = 1, steps = 1`);
  assert.equal(m.inputs.at(-1)?.source, { from: 'count', target: 'wanted', weights: [], channels: 2 });
  assert.equal(m.outputs, [{ name: 'wanted', value: 'conv[0]' }]);
});

test('dropout draws a mask in training and is nothing in prediction', () => {
  const lines = `
    let x = image |> dropout(0.5) |> dropout(0.25, by = channel) |> dropout(0)
    loss cross_entropy(x |> conv(2, 1), land)`;
  const masks = around(lines).inputs.filter(({ source }) => source.from === 'mask');
  assert.equal(
    masks.map(({ name, type, source }) => [name, type.kind === 'map' ? type.box.length : 0, source]),
    [
      ['dropout[0]~mask', 2, { from: 'mask', layer: 0, p: 0.5, by: 'cell' }],
      ['dropout[1]~mask', 0, { from: 'mask', layer: 1, p: 0.25, by: 'channel' }],
    ],
  );
  const predicting = around(lines, { purpose: 'predict' });
  assert.equal(
    predicting.inputs.map(({ name }) => name),
    ['image'],
  );
  assert.equal(
    predicting.ops.map(({ output }) => output),
    ['conv[0]', 'land~class'],
  );
});

test('training: optimizer, rate curve, clipping', () => {
  const training = (words: string) =>
    model(`model t
    input image : f32[1, 8, 8]
    target land : class[8, 8] of 2
    loss cross_entropy(image |> conv(2, 3), land)
    train ${words}`).training;
  assert.equal(
    training('sgd(step(0.1, every = 30, factor = 0.5), momentum = 0.9), batch = 4, steps = 90, clip = 1'),
    {
      optimizer: { kind: 'sgd', momentum: 0.9, nesterov: false, decay: 0 },
      rate: { curve: 'step', peak: 0.1, every: 30, factor: 0.5, warmUp: 0 },
      batch: 4,
      steps: 90,
      seed: 0,
      clip: 1,
    },
  );
  assert.equal(training('adam(cosine(3e-3, warm_up = 5)), batch = 2, steps = 9, seed = 7')?.rate, {
    curve: 'cosine',
    peak: 3e-3,
    warmUp: 5,
  });
  assert.equal(training('adam(0.01), batch = 2, steps = 9')?.rate, {
    curve: 'constant',
    peak: 0.01,
    warmUp: 0,
  });
});

test('a model to predict with has no loss, no targets and the same names', () => {
  const [trained, predicting] = [example('coastline'), example('coastline', { purpose: 'predict' })];
  assert.is(predicting.loss, undefined);
  assert.is(predicting.training, undefined);
  assert.equal(
    predicting.inputs.map(({ name }) => name),
    ['image'],
  );
  assert.equal(predicting.parameters, trained.parameters);
  assert.equal(predicting.outputs, trained.outputs);
});

test('`sets` replace values at the top, `extents` the size of an image and of what is compared with it', () => {
  assert.equal(sizesOf(example('coastline', { sets: { side: '2 * 320' } }), 'conv[0]'), [2, 640, 640]);
  const wide = example('coastline', { extents: { image: [64, 128] } });
  assert.equal(sizesOf(wide, 'land~class'), [1, 64, 128]);
  const valid = example('classic', { extents: { image: [572, 604] } });
  assert.equal(sizesOf(valid, 'cells~class'), [1, 388, 420]);
});

test('layers that lead nowhere are left out, with a warning', () => {
  const text = `model t
    input image : f32[1, 8, 8]
    target land : class[8, 8] of 2
    target spare : class[8, 8] of 2
    let nowhere = image |> conv(5, 3) |> relu
    loss cross_entropy(image |> conv(2, 3), land)
    train adam(1e-3), batch = 1, steps = 1`;
  const result = compileModel(text, 't', { purpose: 'train' });
  assert.ok(result.ok);
  assert.equal(
    result.warnings.map(({ code, span }) => [code, span?.line]),
    [
      ['unused-target', 4],
      ['not-trained', 5],
    ],
  );
  assert.equal(
    result.value.parameters.map(({ name }) => name),
    ['conv[1].weight', 'conv[1].bias'],
  );
});

test.run();
