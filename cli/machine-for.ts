/** The machine that a plan is for, and the memory and devices that follow from it. */
import { type Result, success } from '../ir/diagnostics/diagnostic.ts';
import { type Machine, machineDevices } from '../ir/machine.ts';
import type { Pins } from '../ir/schedule.ts';
import { memoryOfThisMachine } from './inputs.ts';
import { readMachine } from './inputs-machine.ts';

export type Chosen = { readonly machine: Machine; readonly pins: Pins };

/** The machine as named; without a name this one, its processes the devices. */
export function machineFor(name: string | undefined, pins: Pins): Result<Chosen> {
  const read = readMachine(name ?? 'local');
  if (!read.ok) return read;
  if (name !== undefined) {
    const devices = pins.devices ?? machineDevices(read.value);
    return success({ machine: read.value, pins: { ...pins, devices } });
  }
  return success({ machine: thisMachine(read.value, pins), pins: withDefaults(pins) });
}

/** One process, unless the pins name more. */
function withDefaults(pins: Pins): Pins {
  const devices = pins.devices ?? 1;
  return { ...pins, devices, memory: pins.memory ?? memoryOfThisMachine(devices) };
}

/** As many devices as are asked for, each with its share of the memory that is here. */
function thisMachine(local: Machine, pins: Pins): Machine {
  const count = Math.max(1, pins.devices ?? 1);
  const memory = Math.max(pins.memory ?? 0, memoryOfThisMachine(count)) + local.device.reserve;
  const devicesPerNode = Math.max(count, 1);
  return {
    ...local,
    nodes: 1,
    devicesPerNode,
    sockets: [Array.from({ length: devicesPerNode }, (_, device) => device)],
    device: { ...local.device, memory },
  };
}
