/** The machine at hand, as far as it is known without measuring: its cores and memory, at assumed rates. */
import { availableParallelism } from 'node:os';
import { type Result, success } from '../ir/diagnostics/diagnostic.ts';
import type { Machine } from '../ir/machine.ts';
import { type Pins, pinnedStages, pinnedTiles } from '../ir/schedule.ts';
import { product } from '../ir/type.ts';
import { memoryOfThisMachine } from './inputs.ts';
import { readMachine } from './inputs-machine.ts';

/** What plans are made for where no machine is named, and its name. */
export const localName = 'local';

/** As many processes as the pins ask for; they share the cores and, unless the pins say how much each has, the memory. */
export function localMachine(pins: Pins, cores = availableParallelism()): Result<Machine> {
  const core = readMachine(localName);
  if (!core.ok) return core;
  const devices = pins.devices ?? devicesOf(pins);
  const share = cores / devices;
  const { device } = core.value;
  return success({
    ...core.value,
    devicesPerNode: devices,
    sockets: [Array.from({ length: devices }, (_, index) => index)],
    device: {
      ...device,
      name: 'process',
      memory: (pins.memory ?? memoryOfThisMachine(devices)) + device.reserve,
      peak: device.peak * share,
      bandwidth: device.bandwidth * share,
    },
  });
}

/** What pinned decisions ask for; one device where nothing does. */
function devicesOf(pins: Pins): number {
  const places = product(pinnedTiles(pins) ?? []) / product(pins.stream ?? []);
  return Math.max(1, (pins.replicas ?? 1) * (pinnedStages(pins) ?? 1) * Math.ceil(places));
}
