/** Devices of a plan for a bench, given the same numbers in every step. Throws where they cannot be had. */
import { makeDevices } from '../cli/made-devices.ts';
import type { Plan } from '../ir/plan.ts';
import type { Devices } from '../runtime/local/devices.ts';
import { valueIn } from '../tests/support/devices.ts';

export const devicesOf = async (plan: Plan, threads = 1): Promise<Devices> =>
  valueIn(await makeDevices(plan, threads));

export async function withDevices<T>(
  plan: Plan,
  body: (devices: Devices) => Promise<T>,
  threads = 1,
): Promise<T> {
  const devices = await devicesOf(plan, threads);
  try {
    return await body(devices);
  } finally {
    await devices.close();
  }
}
