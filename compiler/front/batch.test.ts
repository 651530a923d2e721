/** What layers and losses say of the whole batch, which the text gives after them. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Op } from '../../ir/graph.ts';
import { compileModel, type LowerOptions } from './lower-model.ts';

function opsOf(lines: string, purpose: LowerOptions['purpose'] = 'train'): readonly Op[] {
  const text = `
    model test
    let batch = 6
    input image : f32[1, 4, 4]
    target land : class[4, 4] of 2
    ${lines}
    train adam(1e-3), batch = batch, steps = 10`;
  const result = compileModel(text, 'test.unet', { purpose });
  if (!result.ok) throw new Error(result.diagnostics.map(({ code }) => code).join());
  return result.value.ops;
}

const attributesOf = (ops: readonly Op[], kind: Op['kind']): object[] =>
  ops.flatMap((op) => (op.kind === kind ? [op.attrs] : []));

test('dice takes its mean over the samples of the step, and its sums over one or all of them', () => {
  const both = opsOf(`
    let scores = image |> conv(2, 1)
    loss dice(scores, land) + dice(scores, land, smooth = 0.5, over = sample)`);
  assert.equal(attributesOf(both, 'dice'), [
    { smooth: 1, over: 1, samples: 6 },
    { smooth: 0.5, over: 1, samples: 6 },
  ]);
  assert.is(attributesOf(both, 'classify').length, 1);
  assert.equal(attributesOf(opsOf('loss dice(image |> conv(1, 1), land)', 'predict'), 'dice'), []);
});

test('a text may call something `batch`; otherwise it is a word', () => {
  assert.throws(() => opsOf('loss dice(image |> conv(1, 1), land, over = batch)'), /wrong-kind/);
  const text = `
    model test
    input image : f32[1, 4, 4]
    target land : class[4, 4] of 2
    loss dice(image |> conv(1, 1), land, over = batch)
    train adam(1e-3), batch = 3, steps = 10`;
  const result = compileModel(text, 'test.unet', { purpose: 'train' });
  assert.ok(result.ok);
  if (result.ok) assert.equal(attributesOf(result.value.ops, 'dice'), [{ smooth: 1, over: 3, samples: 3 }]);
});

test('a batch norm shares its statistics with the whole batch, or with a group', () => {
  const over = (norm: string) =>
    opsOf(`loss cross_entropy(image |> conv(2, 1) |> ${norm}, land)`).flatMap((op) =>
      op.kind === 'moments' || op.kind === 'running_share' ? [op.attrs.over] : [],
    );
  assert.equal(over('batch_norm'), [6, 6, 6]);
  assert.equal(over('batch_norm(group = 2)'), [2, 2, 2]);
  assert.equal(over('instance_norm'), [1]);
  assert.throws(() => over('batch_norm(group = 4)'), /group-and-batch/);
});

test.run();
