/**
 * Batch norm from the text to the exported file: statistics of the batch in training, running ones in all that
 * predicts. That gradients and running statistics are those of the plain network, whatever the schedule, is
 * under the law of `every-schedule.test.ts`.
 */
import { Tensor } from 'onnxruntime-node';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { exportOnnx } from '../backends/onnx/export.ts';
import { runOnnx } from '../backends/onnx/testing/compare.ts';
import { forwardGraph, runModelStep } from '../backends/reference/run-model.ts';
import { initialStates, runPlanPrediction, runPlanStep } from '../backends/reference/run-plan.ts';
import { compileModel } from '../compiler/front/lower-model.ts';
import { at } from '../ir/box.ts';
import type { Model } from '../ir/model.ts';
import type { Instruction, Plan } from '../ir/plan.ts';
import { verifyPlan } from '../ir/verify/plan.ts';
import { onDevices, stepOn, valueIn } from './support/devices.ts';
import { drawFeeds, planOf } from './support/exactness.ts';

const text = (norm: string): string => `
model normal
input  image : f32[2, 8, 10]
target kinds : class[8, 10] of 3
let found = image |> conv(4, 3, bias = false) |> ${norm} |> silu |> conv(3, 1)
loss  cross_entropy(found, kinds)
train sgd(0.1, momentum = 0.9), batch = 4, steps = 5, seed = 3`;

const modelOf = (norm: string, purpose: 'train' | 'predict' = 'train'): Model =>
  valueIn(compileModel(text(norm), 'normal.unet', { purpose }));

const codesOf = (norm: string): string[] => {
  const result = compileModel(text(norm), 'normal.unet', { purpose: 'train' });
  return result.ok ? [] : result.diagnostics.map(({ code }) => code);
};

const inPairs = modelOf('batch_norm(group = 2, momentum = 0.5)');
const replicas = { devices: 2, replicas: 2 };
const feeds = drawFeeds(inPairs, 1);

test('a variance of one number is refused', () => {
  assert.ok(codesOf('max_pool([8, 10]) |> batch_norm(group = 1)').includes('norm-of-one'));
});

test('a schedule that works on a part of a group is refused by name', () => {
  const whole = modelOf('batch_norm');
  assert.throws(
    () => planOf(whole, { microBatches: 4 }),
    /joins 4 consecutive samples.* works on 1 of the batch of 4/,
  );
  assert.throws(
    () => planOf(inPairs, { tiles: [1, 2], stream: [1, 2] }),
    /needs the statistics of the whole/,
  );
  assert.is(planOf(whole, { devices: 1 }).samples, 4);
});

/** Weights and running statistics in float64 after some steps on the same batch. */
function statesAfter(steps: number, plan: Plan): Map<string, Float64Array> {
  let states = initialStates(plan);
  for (let step = 0; step < steps; step++) states = runPlanStep(plan, feeds, states).states;
  return states;
}

test('devices keep the running statistics that the reference keeps', async () => {
  const plan = planOf(inPairs, { ...replicas, microBatches: 1 });
  const right = statesAfter(3, plan);
  const found = await onDevices(plan, feeds, new Map(), async (devices) => {
    for (const step of [0, 1]) await stepOn(plan, devices, step);
    return (await stepOn(plan, devices, 2)).states;
  });
  for (const name of ['running_mean', 'running_var'].map((one) => `batch_norm[0].${one}`)) {
    const [ours, theirs] = [found.get(name) ?? [], right.get(name) ?? []];
    assert.ok(theirs.some((value) => Math.abs(value - Math.round(value)) > 0.01));
    ours.forEach((value, i) => {
      assert.ok(Math.abs(value - (theirs[i] ?? Number.NaN)) < 1e-5, name);
    });
  }
});

test('prediction and the exported file go by the running statistics, in tiles too', async () => {
  const model = modelOf('batch_norm', 'predict');
  assert.equal(
    model.ops.flatMap(({ kind }) => (kind === 'moments' || kind === 'normalize_by' ? [kind] : [])),
    ['normalize_by'],
  );
  const weights = statesAfter(2, planOf(modelOf('batch_norm'), { devices: 1 }));
  const pixels = (feeds.inputs.get('image') ?? new Float64Array()).slice(0, 160);
  const image = { step: 0, inputs: new Map([['image', pixels]]) };
  const right = runModelStep(model, forwardGraph(model), image, weights).get('kinds~class');
  const tiles = planOf(model, { devices: 3, tiles: [2, 3] });
  assert.equal(runPlanPrediction(tiles, image, weights).get('kinds'), right);
  const singles = new Map([...weights].map(([name, values]) => [name, Float32Array.from(values)]));
  const file = valueIn(exportOnnx(model, singles));
  const tensor = new Tensor('float32', Float32Array.from(pixels), [1, 2, 8, 10]);
  const { kinds } = await runOnnx(file, { image: tensor });
  assert.equal([...(kinds?.data ?? [])].map(Number), [...(right ?? [])]);
});

test('the verifier misses a statistic that is not summed, or not kept', () => {
  const plan = planOf(inPairs, replicas);
  const share = 'batch_norm[0].running_mean~share';
  const broken = (change: (instruction: Instruction) => Instruction): string[] =>
    verifyPlan({
      ...plan,
      roles: plan.roles.map((role) => ({ ...role, instructions: role.instructions.map(change) })),
    }).map(({ code }) => code);
  assert.equal(
    broken((one) => one),
    [],
  );
  const unsummed = broken((one) =>
    one.do === 'all_reduce' ? { ...one, buffers: one.buffers.filter((name) => name !== share) } : one,
  );
  assert.ok(unsummed.includes('not-reduced'));
  const unkept = broken((one) =>
    one.do === 'run' && one.why === 'update'
      ? {
          ...one,
          writes: one.writes.map((name) => (name.endsWith('running_var') ? at(one.writes, 0) : name)),
        }
      : one,
  );
  assert.ok(unkept.includes('not-reduced'));
});

test.run();
