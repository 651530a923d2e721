/** Which models data can be given to. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { compileModel } from '../compiler/front/lower-model.ts';
import { servingFault } from './feed-of.ts';
import { good } from './tests/test-data.ts';

/** What stands in the way of training a model with these inputs, targets and losses. */
const wanted = (lines: string): unknown => {
  const text = `model test\n${lines}\ntrain adam(1e-3), batch = 2, steps = 3`;
  return servingFault(good(compileModel(text, 'test.unet', { purpose: 'train' })))?.args.wanted;
};

test('one image and one label are served; what has no data format is named', () => {
  const image = 'input image : f32[3, 8, 8]';
  const land = 'target land : class[8, 8] of 2';
  const loss = 'loss cross_entropy(image |> conv(2, 1), land)';
  assert.is(wanted(`${image}\n${land}\n${loss}`), undefined);
  assert.is(wanted(`${image}\ntarget depth : f32[1, 8, 8]\nloss mse(image |> conv(1, 1), depth)`), undefined);
  assert.is(
    wanted(`${image}\n${land}\ntarget b : class[8, 8] of 2\n${loss} + cross_entropy(image |> conv(2, 1), b)`),
    '2 labels a sample',
  );
  assert.is(
    wanted(
      `${image}\ntarget land : class[4, 4] of 2\nloss cross_entropy(image |> max_pool(2) |> conv(2, 1), land)`,
    ),
    'labels of another resolution than the image (one cell of `land` is 2 x 2 pixels)',
  );
  const volume = 'input image : f32[3, 4, 8, 8]\ntarget land : class[4, 8, 8] of 2';
  assert.is(wanted(`${volume}\n${loss}`), 'images of 3 axes');
  assert.is(
    wanted(
      `${image}\ninput second : f32[3, 8, 8]\n${land}\nloss cross_entropy(concat(image, second) |> conv(2, 1), land)`,
    ),
    '2 images a sample',
  );
});

test.run();
