/** Each example, exported as one ONNX file, gives in ONNX Runtime alone what the reference gives in float64. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Tensor } from 'onnxruntime-node';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { runOnnx } from '../backends/onnx/testing/compare.ts';
import { root } from './support/command-line.ts';
import { errorOf, exampleSets, exportExample } from './support/exports.ts';

test('every example is among them', () => {
  const models = readdirSync(join(root, 'examples')).filter((file) => file.endsWith('.unet'));
  assert.equal(
    Object.keys(exampleSets).map((name) => `${name}.unet`),
    models,
  );
});

for (const example of Object.keys(exampleSets))
  test(`${example}, exported`, async () => {
    const { bytes, inputs, expected } = exportExample(example);
    const tensors = Object.entries(inputs).map(([name, { dims, data }]) => [
      name,
      new Tensor('float32', data, dims),
    ]);
    const found = await runOnnx(bytes, Object.fromEntries(tensors));
    assert.equal(Object.keys(found).sort(), Object.keys(expected).sort());
    for (const [name, values] of Object.entries(expected)) {
      const data = found[name]?.data;
      if (data === undefined || Array.isArray(data)) throw new Error(`${name} has no numbers`);
      // Where two classes are as good as equal, rounding decides.
      const classes = `${name}.logits` in expected;
      const error = errorOf(name, data, values, classes);
      assert.ok(error <= (classes ? 1e-3 : 1e-4), `${name} off by ${error}`);
    }
  });

test.run();
