import { Tensor } from 'onnxruntime-node';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { at, wholeBox } from '../../ir/box.ts';
import { type Fault, isFault } from '../../ir/diagnostics/diagnostic.ts';
import type { Op } from '../../ir/graph.ts';
import type { Model } from '../../ir/model.ts';
import { makeOp } from '../../ir/ops/table.ts';
import { array, map, product, type ValueType } from '../../ir/type.ts';
import { runGraph } from '../reference/run-graph.ts';
import { exportOnnx } from './export.ts';
import { runOnnx } from './testing/compare.ts';

const box = wholeBox([4, 6]);

const conv = {
  kernel: [3, 3],
  stride: [1, 1],
  dilation: [1, 1],
  pad: [
    [1, 1],
    [1, 1],
  ],
  groups: 1,
} as const;

function made(op: Op | Fault): Op {
  if (isFault(op)) throw new Error('the test model has a fault');
  return op;
}

/** Raw pixels to classes, with dropout and a loss; the output is called like the target. */
function modelOf(classes: number): Model {
  const image = map(3, box);
  const hidden = map(4, box);
  const logits = map(classes, box);
  const drop = map(4, []);
  const types: Record<string, ValueType> = {
    w: array([4, 3, 3, 3]),
    v: array([classes, 4, 3, 3]),
    c: array([classes]),
  };
  const scaled = { scale: [0.5, 0.5, 0.5], shift: [0, 0, 0] };
  const w = at(Object.values(types), 0);
  return {
    name: 'small',
    rank: 2,
    inputs: [
      { name: 'image', type: image, source: { from: 'image' } },
      { name: 'land', type: map(1, box, 'u8'), source: { from: 'target', classes } },
      { name: 'drop', type: drop, source: { from: 'mask', layer: 0, p: 0.5, by: 'channel' } },
      { name: 'count', type: array([]), source: { from: 'count', target: 'land', weights: [], channels: 1 } },
    ],
    parameters: Object.entries(types).map(([name, type]) => ({
      name,
      dims: type.kind === 'array' ? type.dims : [],
      init: { kind: 'zeros' },
    })),
    ops: [
      made(makeOp('affine', 'scaled', ['image'], scaled, [image])),
      made(makeOp('conv', 'hidden', ['scaled', 'w'], conv, [image, w])),
      made(makeOp('mask', 'kept', ['hidden', 'drop'], {}, [hidden, drop])),
      made(
        makeOp('conv', 'logits', ['kept', 'v', 'c'], conv, [
          hidden,
          array([classes, 4, 3, 3]),
          array([classes]),
        ]),
      ),
      made(makeOp('classify', 'predicted', ['logits'], {}, [logits])),
      made(
        makeOp('cross_entropy', 'loss', ['logits', 'land', 'count'], { weights: [] }, [
          logits,
          map(1, box, 'u8'),
          array([]),
        ]),
      ),
    ],
    loss: 'loss',
    outputs: [{ name: 'land', value: 'predicted' }],
  };
}

const wave = (length: number, step: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => Math.fround(Math.sin(step * i + 1)));

test('the file computes logits and classes from raw pixels, for any number of samples', async () => {
  const model = modelOf(3);
  const weights = new Map(model.parameters.map(({ name, dims }, i) => [name, wave(product(dims), 0.7 + i)]));
  const file = exportOnnx(model, weights);
  assert.ok(file.ok);
  for (const samples of [1, 3]) {
    const pixels = wave(samples * 3 * 24, 0.3);
    const results = await runOnnx(file.value, { image: new Tensor('float32', pixels, [samples, 3, 4, 6]) });
    assert.equal(Object.keys(results).sort(), ['land', 'land.logits']);
    const expected = reference(model, samples, new Map([...weights, ['image', pixels]]));
    assert.equal([...(results.land?.data ?? [])].map(Number), [...(expected.get('predicted') ?? [])]);
    const logits = [...(expected.get('logits') ?? [])];
    logits.forEach((value, i) => {
      assert.ok(Math.abs(Number(results['land.logits']?.data[i]) - value) < 1e-5);
    });
  }
});

/** Logits and classes by the float64 reference, with nothing dropped. */
function reference(model: Model, samples: number, values: ReadonlyMap<string, Float32Array>) {
  const parameters = model.parameters.map(({ name, dims }) => ({ name, type: array(dims) }));
  const inputs = [...model.inputs, ...parameters].filter(({ name }) => name !== 'land' && name !== 'count');
  const ops = model.ops.filter(({ kind }) => kind !== 'cross_entropy');
  const fed = new Map([...values].map(([name, data]) => [name, Float64Array.from(data)]));
  const all = new Map([...fed, ['drop', new Float64Array(samples * 4).fill(1)]]);
  return runGraph({ inputs, ops, outputs: ['predicted', 'logits'] }, samples, all);
}

test('the same model and weights give the same bytes', () => {
  const model = modelOf(2);
  const weights = new Map(model.parameters.map(({ name, dims }) => [name, wave(product(dims), 1)]));
  assert.equal(exportOnnx(model, weights), exportOnnx(model, weights));
});

test('weights beyond 2 GiB are refused before they are touched', () => {
  const model = modelOf(2);
  const huge = { ...model, parameters: model.parameters.map((p) => ({ ...p, dims: [2 ** 30] })) };
  const file = exportOnnx(huge, new Map());
  assert.is(file.ok, false);
  assert.is(file.ok ? '' : file.diagnostics[0]?.code, 'onnx-too-large');
});

test('a weight that is missing is a bug of the caller', () => {
  assert.throws(() => exportOnnx(modelOf(2), new Map()), /weight w has no elements instead of 108/);
});

test.run();
