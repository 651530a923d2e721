/** Steps of plans as the devices of this machine take them: what a description of the machine is held against. */
import { type Result, success } from '../ir/diagnostics/diagnostic.ts';
import { median } from '../ir/median.ts';
import type { Plan } from '../ir/plan.ts';
import type { Devices } from '../runtime/local/devices.ts';
import { tileOf } from '../runtime/local/placement.ts';
import { makeDevices } from './made-devices.ts';

/** Steps before those that count: sessions have all their memory from the third on. */
const [warming, counted] = [2, 4];

/** A plan, and the seconds of one of its steps. */
export type PlanSteps = { readonly plan: Plan; readonly seconds: number };

/** Plans one after another, until so many seconds have passed. Errors: `write-failed`, `device-*`. */
export async function measureSteps(
  plans: readonly Plan[],
  threads: number,
  mostSeconds: number,
): Promise<Result<PlanSteps[]>> {
  const found: PlanSteps[] = [];
  const start = performance.now();
  for (const plan of plans) {
    if (performance.now() - start > 1000 * mostSeconds) break;
    const devices = await makeDevices(plan, threads);
    if (!devices.ok) return devices;
    try {
      const seconds = await stepSeconds(plan, devices.value);
      if (!seconds.ok) return seconds;
      found.push({ plan, seconds: seconds.value });
    } finally {
      await devices.value.close();
    }
  }
  return success(found);
}

async function stepSeconds(plan: Plan, devices: Devices): Promise<Result<number>> {
  const times: number[] = [];
  for (let step = 0; step < warming + counted; step++) {
    const begun = performance.now();
    const ranks = Array.from({ length: devices.size }, (_, rank) => rank);
    const done = await Promise.all(
      ranks.map((rank) => devices.work(rank, { step, tile: tileOf(plan, rank) })),
    );
    const failed = done.find((one) => !one.ok);
    if (failed?.ok === false) return failed;
    times.push((performance.now() - begun) / 1000);
  }
  return success(median(times.slice(warming)));
}
