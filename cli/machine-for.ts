/** The machine that a plan is for, and the devices that follow from it. */
import {
  type Diagnostic,
  diagnose,
  failure,
  fault,
  type Result,
  success,
} from '../ir/diagnostics/diagnostic.ts';
import { type Machine, machineDevices, usableMemory } from '../ir/machine.ts';
import type { Pins } from '../ir/schedule.ts';
import { showBytes } from '../ir/units.ts';
import { readMachine } from './inputs-machine.ts';
import { localMachine, localName } from './local-machine.ts';

export type Chosen = { readonly machine: Machine; readonly pins: Pins };

/** The machine of a name, a file, or the one at hand as the pins share it out. */
export const machineNamed = (name: string, pins: Pins): Result<Machine> =>
  name === localName ? localMachine(pins) : readMachine(name);

/** The machine as named and as many of its devices as the pins ask for; without a name processes of this one. */
export function machineFor(name: string | undefined, pins: Pins): Result<Chosen> {
  if (name === undefined || name === localName) return processesHere(pins);
  const read = readMachine(name);
  if (!read.ok) return read;
  const machine = read.value;
  const enough = hasDevices(machine, `\`--devices ${pins.devices}\``, pins.devices ?? 1, fewer(machine));
  if (!enough.ok) return enough;
  return success(
    { machine, pins: { ...pins, devices: pins.devices ?? machineDevices(machine) } },
    memoryWarnings(machine, pins),
  );
}

function processesHere(pins: Pins): Result<Chosen> {
  const machine = localMachine(pins);
  if (!machine.ok) return machine;
  const devices = machineDevices(machine.value);
  return success({
    machine: machine.value,
    pins: { ...pins, devices, memory: usableMemory(machine.value.device) },
  });
}

const fewer = (machine: Machine): string =>
  `leave \`--devices\` out to use up to all ${machineDevices(machine).toLocaleString('en-US')}`;

/** Errors: `too-few-devices`. */
export function hasDevices(machine: Machine, what: string, devices: number, remedy: string): Result<void> {
  const has = machineDevices(machine);
  if (devices <= has) return success(undefined);
  const count = (number: number) => number.toLocaleString('en-US');
  return failure(
    diagnose(
      fault('too-few-devices', {
        what,
        devices: count(devices),
        machine: machine.name,
        has: count(has),
        remedy,
      }),
    ),
  );
}

function memoryWarnings({ name, device }: Machine, { memory = 0 }: Pins): Diagnostic[] {
  const has = usableMemory(device);
  if (memory <= has) return [];
  return [diagnose(fault('memory-beyond', { given: showBytes(memory), machine: name, has: showBytes(has) }))];
}
