/** Runs plans on real device processes, for the laws about the ONNX executor. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { emitOnnx } from '../../backends/onnx/emit.ts';
import { at } from '../../ir/box.ts';
import type { Result } from '../../ir/diagnostics/diagnostic.ts';
import type { Model } from '../../ir/model.ts';
import type { Plan } from '../../ir/plan.ts';
import { roleIndexAt, seatOf } from '../../ir/ranks.ts';
import { dimsOf } from '../../ir/type.ts';
import { type Devices, type DevicesOptions, startDevices } from '../../runtime/local/devices.ts';
import type { Batch, FeedSpec } from '../../runtime/local/feeds.ts';
import { gradientBuffers } from '../../runtime/local/finite.ts';
import { tileOf } from '../../runtime/local/placement.ts';
import { wholeStates } from '../../runtime/local/whole-states.ts';
import type { Feeds } from './exactness.ts';

export function valueIn<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  throw new Error(result.diagnostics.map(({ message }) => message).join('\n'));
}

/** Starts the devices of a plan, fed with the same batch in every step, and ends them after `body`. */
export async function onDevices<T>(
  plan: Plan,
  feeds: Feeds,
  weights: ReadonlyMap<string, Float64Array>,
  body: (devices: Devices) => Promise<T>,
  options: Pick<Partial<DevicesOptions>, 'hold'> = {},
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'unetc-test-'));
  const segments: Record<string, string> = {};
  mkdirSync(folder, { recursive: true });
  for (const segment of plan.segments) {
    const path = join(folder, `${segment.name}.onnx`);
    writeFileSync(path, emitOnnx(segment));
    segments[segment.name] = path;
  }
  const states = [...weights].map(
    ([parameter, values]) => ({ parameter, slot: 'weight', values: Float32Array.from(values) }) as const,
  );
  const started = await startDevices({
    plan,
    segments,
    threads: 1,
    feed: feedOf(plan.model, feeds),
    states,
    ...options,
  });
  try {
    return await body(valueIn(started));
  } finally {
    if (started.ok) await started.value.close();
    rmSync(folder, { recursive: true });
  }
}

function feedOf(model: Model, { inputs }: Feeds): FeedSpec {
  const batch = model.training?.batch ?? 1;
  const entries = model.inputs.flatMap(({ name, type }): [string, Batch][] => {
    const values = inputs.get(name);
    if (values === undefined) return [];
    const data = type.element === 'u8' ? Uint8Array.from(values) : Float32Array.from(values);
    return [[name, { dims: dimsOf(type, batch), data }]];
  });
  return { kind: 'batch', inputs: Object.fromEntries(entries) };
}

export type Step = {
  readonly loss: number;
  readonly gradients: Map<string, Float64Array>;
  /** Weights and running statistics after the step. */
  readonly states: Map<string, Float64Array>;
};

/** One step on all devices: the loss, the reduced gradients before clipping and update, and what came of them. */
export async function stepOn(plan: Plan, devices: Devices, step: number): Promise<Step> {
  const before = plan.model.training?.clip === undefined ? 'rate' : 'clip';
  // Each stage has the gradients of its own part of the network.
  const jobs = Array.from({ length: devices.size }, (_, rank) => {
    const role = at(plan.roles, roleIndexAt(plan, seatOf(plan, rank)));
    const buffers = gradientBuffers(plan, role);
    const probe = { before, buffers: [...buffers.values()] } as const;
    return { buffers, done: devices.work(rank, { step, tile: tileOf(plan, rank), probe }) };
  });
  const gradients = new Map<string, Float64Array>();
  let loss = Number.NaN;
  for (const { buffers, done } of jobs) {
    const { loss: reported, probed } = valueIn(await done);
    if (reported !== undefined) loss = reported;
    for (const [parameter, buffer] of buffers)
      gradients.set(parameter, Float64Array.from(probed[buffer] ?? []));
  }
  const states = valueIn(await wholeStates(plan, devices)).flatMap(({ parameter, slot, values }) =>
    slot === 'weight' ? [[parameter, Float64Array.from(values)] as const] : [],
  );
  return { loss, gradients, states: new Map(states) };
}
