import { type Result, success } from '../ir/diagnostics/diagnostic.ts';
import type { Plan } from '../ir/plan.ts';
import type { RunCurve } from '../ir/profile.ts';
import { writeCurve } from '../runtime/pictures/curve.ts';
import { pictured } from '../runtime/run-curves.ts';
import { many } from './plan-tables.ts';

/** Draws the curves of `steps` steps; of a single one there is nothing to draw. Errors: `write-failed`. */
export async function drawRun(
  file: string | undefined,
  { name, schedule }: Plan,
  curves: readonly RunCurve[],
  { steps, seconds }: { readonly steps: number; readonly seconds: number },
): Promise<Result<undefined>> {
  if (file === undefined || steps < 2) return success(undefined);
  const subtitle = `${many(schedule.devices, 'device')}, ${steps} steps in ${seconds.toFixed(0)} s`;
  return writeCurve(file, { title: name, subtitle, ...pictured(curves) });
}
