/** Weights under the names of another program, on their way to ranks that know no names but ours. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { compile } from '../compiler/compile.ts';
import { initialWeights } from '../ir/draw.ts';
import { encodeTensors, f32, readTensors } from '../runtime/files/safetensors.ts';
import { emptyDirectory, good, present } from '../runtime/tests/test-data.ts';
import { initFile } from './first-weights.ts';
import { temporaryBundles } from './write-bundle.ts';

const source = `model dots
input  image : f32[3, 8, 8] scaled by 1/255
target dot   : class[8, 8] of 2
let logits = image |> conv(2, 3)
loss  cross_entropy(logits, dot)
train sgd(0.1), batch = 1, steps = 1, seed = 5
`;
const request = { source, file: 'dots.unet', sets: {}, purpose: 'train', pins: { devices: 1 } } as const;
const bundles = temporaryBundles();
process.on('exit', bundles.remove);
const { plan } = good(compile(request));
const bundle = good(await bundles.open(plan, { source, sets: {}, threads: 1 }));
const folder = emptyDirectory();

const [weight, bias] = ['weight', 'bias'].map((end) =>
  present(plan.model.parameters.find(({ name }) => name.endsWith(end))),
);

test('what is theirs gets our names, what is not is drawn, and other weights another file', () => {
  const [init, names] = [join(folder, 'theirs.safetensors'), join(folder, 'names.json')];
  const write = (value: number) => {
    const ours = present(weight);
    const data = new Float32Array(ours.dims.reduce((all, one) => all * one, 1)).fill(value);
    const tensors = new Map([['layer.0', f32(data, ours.dims)]]);
    writeFileSync(init, Buffer.concat([...encodeTensors({ tensors, metadata: new Map() })]));
  };
  writeFileSync(
    names,
    JSON.stringify({ [present(weight).name]: 'layer.0', [present(bias).name]: { from: null } }),
  );
  write(0.5);
  const file = present(good(initFile(bundle, { init, initNames: names })));
  assert.match(file, /init-[0-9a-f]{16}\.safetensors$/);
  const { tensors } = good(readTensors(file));
  assert.equal(
    [...tensors.keys()],
    plan.model.parameters.map(({ name }) => name),
  );
  assert.ok(present(tensors.get(present(weight).name)).data.every((one) => one === 0.5));
  assert.equal(
    present(tensors.get(present(bias).name)).data,
    initialWeights(present(bias), present(plan.model.training).seed),
  );
  const before = readFileSync(file);
  write(0.25);
  assert.is.not(good(initFile(bundle, { init, initNames: names })), file);
  assert.ok(readFileSync(file).equals(before));
});

test('without names the file is taken as it is; names alone are refused', () => {
  assert.is(good(initFile(bundle, { init: '/far/weights.safetensors' })), '/far/weights.safetensors');
  assert.is(good(initFile(bundle, {})), undefined);
  const refused = initFile(bundle, { initNames: 'names.json' });
  assert.ok(!refused.ok && refused.diagnostics[0]?.code === 'wrong-option');
});

test.run();
