/**
 * Carries out a plan in float64, all devices in one process: the judge of what a plan computes. It trusts
 * nothing: a buffer that is not alive, a box outside its value, or devices that do not meet in the same
 * all_reduce throw.
 */
import { at } from '../../ir/box.ts';
import { initialWeights } from '../../ir/draw.ts';
import type { Plan } from '../../ir/plan.ts';
import { placesOf, rankCount } from '../../ir/ranks.ts';
import { instructionInWords } from '../../ir/text/instruction-words.ts';
import { ownership } from '../../ir/tiling.ts';
import { product } from '../../ir/type.ts';
import { assemble } from './assemble.ts';
import { type Device, deviceOf, read, write } from './device.ts';
import type { Feeds } from './feeds.ts';
import { perform, type Records, type Run } from './instructions.ts';
import { isMeeting, meet, type Post } from './meet.ts';
import type { Values } from './run-graph.ts';

export type StepResult = {
  readonly loss: number;
  /** By parameter: summed over all devices, before clipping. */
  readonly gradients: Map<string, Float64Array>;
  /** By buffer of the plan's `states`: after the update. */
  readonly states: Map<string, Float64Array>;
  /** For each target, cells by label (rows) and predicted class (columns). */
  readonly confusion: Map<string, Float64Array>;
};

/** The states before the first step: drawn weights, and 0 for what the optimizer keeps. */
export function initialStates({ model, states }: Plan): Map<string, Float64Array> {
  return new Map(
    states.map(({ buffer, parameter: name, slot }) => {
      const parameter = model.parameters.find((one) => one.name === name);
      if (parameter === undefined) throw new Error(`state ${buffer} is of no parameter of the model`);
      if (slot !== 'weight') return [buffer, new Float64Array(product(parameter.dims))];
      return [buffer, Float64Array.from(initialWeights(parameter, model.training?.seed ?? 0))];
    }),
  );
}

/** One step of training. `states` holds the value of each state buffer before it. */
export function runPlanStep(plan: Plan, feeds: Feeds, states: Values): StepResult {
  if (plan.purpose !== 'train') throw new Error(`plan ${plan.name} does not train`);
  const ranks = rankCount(plan);
  const devices = Array.from({ length: ranks }, (_, rank) => startDevice(plan, rank, states));
  const run = newRun(plan, feeds);
  const gradients = new Map<string, Float64Array>();
  runTogether(devices, run, (device) => {
    for (const [parameter, values] of gradientsOn(plan, device))
      gradients.set(parameter, agreed(`gradient of ${parameter}`, gradients.get(parameter), values));
  });
  const next = new Map<string, Float64Array>();
  for (const device of devices)
    for (const { buffer } of plan.states)
      if (device.alive.has(buffer)) next.set(buffer, agreed(buffer, next.get(buffer), read(device, buffer)));
  return {
    loss: agreedLoss(run.records, devices),
    gradients,
    states: next,
    confusion: run.records.confusion,
  };
}

/** The named outputs of a prediction, whole: `[channels, ...extents]`. */
export function runPlanPrediction(plan: Plan, feeds: Feeds, states: Values): Map<string, Float64Array> {
  if (plan.purpose !== 'predict') throw new Error(`plan ${plan.name} does not predict`);
  const run = newRun(plan, feeds);
  for (let tile = 0; tile < product(placesOf(plan)); tile++)
    runTogether([startDevice(plan, tile, states)], run, () => undefined);
  return assemble(plan, run.records.stored);
}

function startDevice(plan: Plan, rank: number, states: Values): Device {
  const device = deviceOf(plan, rank);
  for (const { buffer } of plan.states) {
    const values = states.get(buffer);
    if (values !== undefined && device.role.buffers.some(({ name }) => name === buffer))
      write(device, buffer, values);
  }
  return device;
}

const newRun = (plan: Plan, feeds: Feeds): Run => ({
  plan,
  feeds,
  owners: ownership(plan.model, plan.schedule.cuts),
  records: { losses: new Map(), confusion: new Map(), stored: [] },
});

/**
 * Lets each device go on as far as it can, in turns, until all are done. `reduced` is called on a device when
 * its gradients are complete. Devices that wait for each other for ever are a fault of the plan.
 */
function runTogether(devices: readonly Device[], run: Run, reduced: (device: Device) => void): void {
  const post: Post = { letters: new Map() };
  const next = devices.map(() => 0);
  const tried = devices.map(() => -1);
  const advance = (device: Device, i: number): boolean => {
    const index = at(next, i);
    const instruction = device.role.instructions[index];
    if (instruction === undefined) return false;
    const first = tried[i] !== index;
    if (first && isFinal(device, index)) reduced(device);
    tried[i] = index;
    if (isMeeting(instruction)) {
      if (!meet(instruction, { device, post, first })) return false;
    } else perform(device, instruction, run);
    next[i] = index + 1;
    return true;
  };
  for (let moved = true; moved; ) {
    moved = false;
    for (const [i, device] of devices.entries()) while (advance(device, i)) moved = true;
  }
  const waiting = devices.flatMap(({ rank, role }, i) => {
    const instruction = role.instructions[at(next, i)];
    return instruction === undefined ? [] : [`rank ${rank} at ${instructionInWords(instruction)}`];
  });
  if (waiting.length > 0) throw new Error(`devices wait for each other: ${waiting.join('; ')}`);
  const left = [...post.letters].filter(([, letters]) => letters.length > 0).map(([what]) => what);
  if (left.length > 0) throw new Error(`nobody takes ${left.join(', ')}`);
}

const isFinal = ({ role: { instructions } }: Device, index: number): boolean =>
  index === instructions.findIndex((one) => one.do === 'clip' || one.do === 'rate');

/** Lowering names the cotangent of a parameter after it. */
const gradientValue = (parameter: string): string => `${parameter}~grad`;

/** The gradients that a device holds, by parameter. */
function gradientsOn(plan: Plan, device: Device): [string, Float64Array][] {
  return plan.model.parameters.flatMap(({ name }) => {
    const held = device.role.buffers.filter(
      (buffer) => buffer.value === gradientValue(name) && device.alive.has(buffer.name),
    );
    return held.map((buffer): [string, Float64Array] => [name, read(device, buffer.name)]);
  });
}

/** What all devices must hold alike, bit by bit. */
function agreed(what: string, before: Float64Array | undefined, values: Float64Array): Float64Array {
  if (before !== undefined && !before.every((value, i) => Object.is(value, values[i])))
    throw new Error(`devices disagree on ${what}`);
  return values;
}

function agreedLoss({ losses }: Records, devices: readonly Device[]): number {
  const [loss, ...others] = losses.values();
  const reporting = devices.filter(({ role }) => role.instructions.some((one) => one.do === 'report'));
  if (loss === undefined || losses.size !== reporting.length)
    throw new Error('not every device reports its loss');
  if (others.some((other) => !Object.is(other, loss))) throw new Error('devices disagree on the loss');
  return loss;
}
