/** Whether a lowered plan fits the memory of a device, and what to say where it does not. */
import { type Fault, fault } from '../../ir/diagnostics/diagnostic.ts';
import { innerIntervals } from '../../ir/liveness.ts';
import type { Plan } from '../../ir/plan.ts';
import { showBytes } from '../../ir/units.ts';

/** Bytes of the fullest device. */
export const peakOf = (plan: Plan): number => Math.max(...plan.roles.map(({ peakBytes }) => peakBytes));

/** Names the missing bytes, and the tensor that binds. */
export function doesNotFit(plan: Plan, memory: number): Fault {
  const needed = peakOf(plan);
  return fault('does-not-fit', {
    devices: plan.schedule.devices === 1 ? '1 device' : `${plan.schedule.devices} devices`,
    memory: showBytes(memory),
    needed: showBytes(needed),
    missing: showBytes(needed - memory),
    binding: bindingOf(plan),
  });
}

/** The largest single thing in the plan that needs the most. */
function bindingOf(plan: Plan): string {
  const buffers = plan.roles.flatMap((role) =>
    role.buffers.map(({ value, bytes }) => ({ name: value, bytes })),
  );
  const inner = plan.segments.flatMap(({ graph, samples }) =>
    innerIntervals(graph, samples).map(({ birth, bytes }) => ({
      name: graph.ops[birth]?.output ?? '',
      bytes,
    })),
  );
  const largest = [...buffers, ...inner].reduce((a, b) => (b.bytes > a.bytes ? b : a));
  return `\`${largest.name}\`, ${showBytes(largest.bytes)}`;
}
