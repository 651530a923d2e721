/** `resize` with aligned corners: one op an axis, whose shares are inputs; and what the exported file makes of it. */
import { Tensor } from 'onnxruntime-node';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { exportOnnx } from '../../backends/onnx/export.ts';
import { runOnnx } from '../../backends/onnx/testing/compare.ts';
import type { Model } from '../../ir/model.ts';
import { compileModel } from './lower-model.ts';

function modelOf(resize: string): Model {
  const text = `
    model test
    input image : f32[1, 2, 3]
    output large = image |> ${resize}`;
  const result = compileModel(text, 'test.unet', { purpose: 'predict' });
  if (!result.ok) throw new Error(result.diagnostics.map(({ code }) => code).join());
  return result.value;
}

async function exported(resize: string): Promise<number[]> {
  const file = exportOnnx(modelOf(resize), new Map());
  if (!file.ok) throw new Error('no file');
  const image = new Tensor('float32', Float32Array.of(0, 2, 4, 3, 5, 7), [1, 1, 2, 3]);
  const { large } = await runOnnx(file.value, { image });
  return [...(large?.data ?? [])].map(Number);
}

test('each axis that grows has an op of its own, the last one under the name of the layer', () => {
  const opsOf = (resize: string) => modelOf(resize).ops.map(({ kind, output }) => [kind, output]);
  assert.equal(opsOf('resize(2, bilinear, align_corners = true)'), [
    ['stretch', 'resize[0].axis0'],
    ['stretch', 'resize[0]'],
  ]);
  assert.equal(opsOf('resize([1, 4], bilinear, align_corners = true)'), [['stretch', 'resize[0]']]);
  assert.throws(() => modelOf('resize(2, align_corners = true)'), /corners-of-nearest/);
});

test('the exported file has the shares inside: corners stay where they are', async () => {
  const rows = [0, 0.8, 1.6, 2.4, 3.2, 4].map((x) => [x, x + 1, x + 2, x + 3]);
  const expected = [0, 1, 2, 3].flatMap((row) => rows.map((column) => column[row] ?? Number.NaN));
  const found = await exported('resize(2, bilinear, align_corners = true)');
  assert.is(found.length, 24);
  expected.forEach((value, i) => {
    assert.ok(Math.abs((found[i] ?? Number.NaN) - value) < 1e-6, `${found}`);
  });
});

test.run();
