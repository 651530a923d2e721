/** The machine that a plan is for, and the devices that follow from it. */
import { type Result, success } from '../ir/diagnostics/diagnostic.ts';
import { type Machine, machineDevices } from '../ir/machine.ts';
import type { Pins } from '../ir/schedule.ts';
import { memoryOfThisMachine } from './inputs.ts';
import { readMachine } from './inputs-machine.ts';

/** Without a machine nothing is searched: the plain default decides, for processes on this one. */
export type Chosen = { readonly machine?: Machine; readonly pins: Pins };

/** The machine as named and as many of its devices as the pins ask for; without a name processes of this one. */
export function machineFor(name: string | undefined, pins: Pins): Result<Chosen> {
  if (name === undefined) {
    const memory = pins.memory ?? memoryOfThisMachine(pins.devices ?? 1);
    return success({ pins: { ...pins, memory } });
  }
  const read = readMachine(name);
  if (!read.ok) return read;
  const devices = pins.devices ?? machineDevices(read.value);
  return success({ machine: read.value, pins: { ...pins, devices } });
}
