import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { range } from '../../ir/box.ts';
import type { Instruction, Plan } from '../../ir/plan.ts';
import { forwardGraph, runModelStep } from './run-model.ts';
import { initialStates, runPlanPrediction, runPlanStep } from './run-plan.ts';
import { feeds, model, plan, predictPlan, stepGraph } from './tests/line-plan.ts';
import { differences, distance } from './tests/probe.ts';

const states = initialStates(plan);
const weight = states.get('w') ?? new Float64Array(0);

const lossOf = (w: Float64Array): number =>
  runModelStep(model, forwardGraph(model), feeds, new Map([['w', w]])).get('loss')?.[0] ?? Number.NaN;

const norm = (values: Float64Array): number => Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0));

test('loss and gradients of tiles, replicas and micro-batches are those of the plain network', () => {
  const plain = runModelStep(model, stepGraph(range(0, 5), range(0, 5)), feeds, states);
  const result = runPlanStep(plan, feeds, states);
  const gradient = result.gradients.get('w') ?? new Float64Array(0);
  assert.ok(Math.abs(result.loss - lossOf(weight)) < 1e-14);
  assert.ok(distance(gradient, plain.get('w~grad') ?? new Float64Array(0)) < 1e-14);
  assert.ok(distance(gradient, differences(weight, lossOf)) < 1e-8);
});

test('the update moves by the rate times the clipped gradient', () => {
  const { gradients, states: next } = runPlanStep(plan, feeds, states);
  const gradient = gradients.get('w') ?? new Float64Array(0);
  assert.ok(norm(gradient) > 0.01);
  const expected = weight.map((w, i) => w - (0.5 * 0.01 * (gradient[i] ?? 0)) / norm(gradient));
  assert.ok(distance(next.get('w') ?? new Float64Array(0), expected) < 1e-14);
});

test('the confusion matrix counts every labelled cell once', () => {
  const matrix = runPlanStep(plan, feeds, states).confusion.get('land') ?? new Float64Array(0);
  const labels = [...(feeds.inputs.get('land') ?? [])];
  const predicted = [...(runModelStep(model, forwardGraph(model), feeds, states).get('class') ?? [])];
  const count = (label: number, guess: number) =>
    labels.filter((one, i) => one === label && predicted[i] === guess).length;
  assert.equal([...matrix], [count(0, 0), count(0, 1), count(1, 0), count(1, 1)]);
});

test('predictions of the tiles make up that of the whole image', () => {
  const image = Float64Array.of(0.3, -0.8, 0.1, 0.9, -0.2);
  const one = { step: 0, inputs: new Map([['image', image]]) };
  const whole = runModelStep(predictPlan.model, forwardGraph(predictPlan.model), one, states).get('class');
  assert.equal(runPlanPrediction(predictPlan, one, states).get('land'), whole);
});

/** The plan with other instructions in its role `index`. */
const changed = (
  index: number,
  change: (instructions: readonly Instruction[]) => readonly Instruction[],
  from: Plan = plan,
): Plan => ({
  ...from,
  roles: from.roles.map((role, i) =>
    i === index ? { ...role, instructions: change(role.instructions) } : role,
  ),
});

const without =
  (kind: Instruction['do']) =>
  (all: readonly Instruction[]): Instruction[] =>
    all.filter((instruction) => instruction.do !== kind);

const refused = (broken: Plan, words: RegExp): void =>
  assert.throws(() => runPlanStep(broken, feeds, states), words);

test('reading what was never written, or was freed, throws', () => {
  refused(changed(0, without('rate')), /buffer hyper of role_left on rank \d is read, but not alive/);
  const early: Instruction = { do: 'free', buffers: ['land#1'] };
  refused(
    changed(1, (all) => [...all.slice(0, 5), early, ...all.slice(5)]),
    /buffer land#1 of role_right on rank \d is read, but not alive/,
  );
});

test('freeing twice throws', () => {
  refused(
    changed(0, (all) => [...all, { do: 'free', buffers: ['hyper'] }]),
    /hyper of role_left on rank \d is freed, but not alive/,
  );
});

test('devices that do not meet in the same all_reduce throw', () => {
  const other = (all: readonly Instruction[]): Instruction[] =>
    all.map((one) => (one.do === 'all_reduce' && one.buffers[0] === 'n' ? { ...one, buffers: ['w'] } : one));
  refused(changed(1, other), /devices wait for each other: rank 0 at all_reduce n; rank 1 at all_reduce w/);
});

test('a gradient that is not reduced leaves devices with different weights, which throws', () => {
  const unreduced = (all: readonly Instruction[]): Instruction[] =>
    all.map((one) =>
      one.do === 'all_reduce' && one.buffers.length > 1 ? { ...one, buffers: ['loss'] } : one,
    );
  refused(changed(0, unreduced, changed(1, unreduced)), /devices disagree on gradient of w/);
});

test('a box outside its value throws', () => {
  const [left, right] = plan.roles;
  if (left === undefined || right === undefined) throw new Error('two roles');
  const far = left.buffers.map((buffer) =>
    buffer.name === 'image' ? { ...buffer, box: [range(-1, 2)] } : buffer,
  );
  refused({ ...plan, roles: [{ ...left, buffers: far }, right] }, /cells -1 to 2 of 0 to 5 on axis 0/);
});

test('a prediction that lacks a tile throws', () => {
  const one = { step: 0, inputs: new Map([['image', new Float64Array(5)]]) };
  const broken = changed(1, without('store'), predictPlan);
  assert.throws(() => runPlanPrediction(broken, one, states), /cells of land are missing/);
});

test.run();
