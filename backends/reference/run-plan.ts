/**
 * Carries out a plan in float64, all devices in one process: the judge of what a plan computes. It trusts
 * nothing: a buffer that is not alive, a box outside its value, or devices that do not meet in the same
 * all_reduce throw.
 */
import { at } from '../../ir/box.ts';
import { initialWeights } from '../../ir/draw.ts';
import type { Instruction, Plan } from '../../ir/plan.ts';
import { ownership } from '../../ir/tiling.ts';
import { product } from '../../ir/type.ts';
import { assemble } from './assemble.ts';
import { type Device, deviceOf, read, tileCount, write } from './device.ts';
import type { Feeds } from './feeds.ts';
import { perform, type Records, type Run } from './instructions.ts';
import { element } from './kernels/kernel.ts';
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
  const ranks = plan.schedule.replicas * tileCount(plan);
  const devices = Array.from({ length: ranks }, (_, rank) => startDevice(plan, rank, states));
  const run = newRun(plan, feeds);
  const gradients = new Map<string, Float64Array>();
  runInLockstep(devices, run, (device) => {
    for (const [parameter, values] of gradientsOn(plan, device))
      gradients.set(parameter, agreed(`gradient of ${parameter}`, gradients.get(parameter), values));
  });
  const next = new Map<string, Float64Array>();
  for (const device of devices)
    for (const { buffer } of plan.states)
      next.set(buffer, agreed(buffer, next.get(buffer), read(device, buffer)));
  return { loss: agreedLoss(run.records, ranks), gradients, states: next, confusion: run.records.confusion };
}

/** The named outputs of a prediction, whole: `[channels, ...extents]`. */
export function runPlanPrediction(plan: Plan, feeds: Feeds, states: Values): Map<string, Float64Array> {
  if (plan.purpose !== 'predict') throw new Error(`plan ${plan.name} does not predict`);
  const run = newRun(plan, feeds);
  for (let tile = 0; tile < tileCount(plan); tile++)
    runInLockstep([startDevice(plan, tile, states)], run, () => undefined);
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

type AllReduce = Extract<Instruction, { do: 'all_reduce' }>;

/**
 * Every device works up to its next all_reduce or its end; then all must stand at the same one. `reduced` is
 * called for each device when its gradients are final: before its first `clip` or `rate`.
 */
function runInLockstep(devices: readonly Device[], run: Run, reduced: (device: Device) => void): void {
  const next = devices.map(() => 0);
  for (;;) {
    const stops = devices.map((device, i): AllReduce | undefined => {
      for (;;) {
        const instruction = device.role.instructions[next[i] ?? 0];
        if (instruction === undefined) return undefined;
        if (isFinal(device, next[i] ?? 0)) reduced(device);
        next[i] = (next[i] ?? 0) + 1;
        if (instruction.do === 'all_reduce') return instruction;
        perform(device, instruction, run);
      }
    });
    const [first] = stops;
    for (const [rank, stop] of stops.entries())
      if (stop?.buffers.join() !== first?.buffers.join())
        throw new Error(`rank ${rank} reduces ${show(stop)} where rank 0 reduces ${show(first)}`);
    if (first === undefined) return;
    for (const name of first.buffers) allReduce(devices, name);
  }
}

const show = (instruction: AllReduce | undefined): string =>
  instruction === undefined ? 'nothing more' : instruction.buffers.join(', ');

const isFinal = ({ role: { instructions } }: Device, index: number): boolean =>
  index === instructions.findIndex((one) => one.do === 'clip' || one.do === 'rate');

/** Everybody gets the sum over all devices, added in rank order. */
function allReduce(devices: readonly Device[], name: string): void {
  const parts = devices.map((device) => read(device, name));
  const sum = at(parts, 0).map((_, i) => parts.reduce((total, part) => total + element(part, i), 0));
  for (const device of devices) write(device, name, sum);
}

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

function agreedLoss({ losses }: Records, ranks: number): number {
  const [loss, ...others] = losses.values();
  if (loss === undefined || losses.size !== ranks) throw new Error('not every device reports a loss');
  if (others.some((other) => !Object.is(other, loss))) throw new Error('devices disagree on the loss');
  return loss;
}
