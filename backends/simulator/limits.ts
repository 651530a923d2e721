/** What the computing of a device is bound by, kernel by kernel: where a faster part would help. */
import { typesAmong, typesOf } from '../../ir/graph.ts';
import { opLimit, opSeconds, piecemeal, strandsLimits } from '../../ir/kernels.ts';
import type { Machine } from '../../ir/machine.ts';
import type { Plan, Role, Segment } from '../../ir/plan.ts';
import { fusedLaunches, givingSeconds, pricedRole, pricesOf, workSeconds } from './work.ts';

/**
 * Seconds of a step. `arithmetic`: the floating-point units; `traffic`: the device's memory; `launches`: beginnings
 * of kernels and instructions, whatever their size. They add up to all that the device computes.
 */
export type Limits = { readonly arithmetic: number; readonly traffic: number; readonly launches: number };

const nothing: Limits = { arithmetic: 0, traffic: 0, launches: 0 };

const plus = (a: Limits, b: Limits): Limits => ({
  arithmetic: a.arithmetic + b.arithmetic,
  traffic: a.traffic + b.traffic,
  launches: a.launches + b.launches,
});

export function limitsOf(plan: Plan, machine: Machine, role: Role): Limits {
  const prices = pricesOf(plan, machine);
  const { launch, dispatch = 0 } = prices.machine.device;
  const priced = pricedRole(plan, role, prices);
  const used = new Set(role.instructions.flatMap((one) => (one.do === 'run' ? [one.segment] : [])));
  const segments = new Map(
    plan.segments
      .filter(({ name }) => used.has(name))
      .map((segment) => [segment.name, segmentLimits(prices.machine, segment)]),
  );
  return role.instructions.reduce((sum, one) => {
    if (one.do === 'run') {
      // Memory that is cleared, gradients that are looked at.
      const beside = workSeconds(one, priced) - prices.runSeconds(one.segment) - dispatch;
      const around = { ...nothing, traffic: Math.max(0, beside), launches: dispatch };
      return plus(sum, plus(segments.get(one.segment) ?? nothing, around));
    }
    // A copy; those of messages are on the lane of the messages.
    const seconds = one.do === 'exchange' || one.do === 'clip' ? 0 : workSeconds(one, priced);
    return seconds === 0 ? sum : plus(sum, { arithmetic: 0, traffic: seconds - launch, launches: launch });
  }, nothing);
}

function segmentLimits(machine: Machine, { graph, samples }: Segment): Limits {
  const { device } = machine;
  const strands = piecemeal(machine, graph);
  if (strands !== undefined) return { ...nothing, ...strandsLimits(device, strands) };
  const types = typesOf(graph);
  const results = typesAmong(types, graph.outputs);
  const ops = graph.ops.map((op): Limits => {
    const inputs = typesAmong(types, op.inputs);
    const seconds = opSeconds(device, op, inputs, samples) - device.launch;
    return { ...nothing, [opLimit(device, op, inputs, samples)]: seconds, launches: device.launch };
  });
  const rest = {
    ...nothing,
    traffic: givingSeconds(machine, results, samples),
    launches: -fusedLaunches(graph) * device.launch,
  };
  return [...ops, rest].reduce(plus, nothing);
}
