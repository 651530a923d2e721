/** A step whose loss or gradients are not finite must not reach the weights. */
import { fault } from '../../ir/diagnostics/diagnostic.ts';
import { statisticsOf } from '../../ir/model.ts';
import type { Instruction, Plan, Role } from '../../ir/plan.ts';
import type { Arena } from './arena.ts';
import { DeviceFault } from './fault.ts';

const isUpdate = (one: Instruction): one is Extract<Instruction, { do: 'run' }> =>
  one.do === 'run' && one.why === 'update';

/**
 * The buffer that holds the gradient of each trained parameter when the update begins. The update reads, for
 * each parameter, its states and then its gradient.
 */
export function gradientBuffers(plan: Plan, role: Role): Map<string, string> {
  const parameters = new Map(plan.states.map(({ buffer, parameter }) => [buffer, parameter]));
  const running = new Set(statisticsOf(plan.model).map(({ parameter }) => parameter));
  const gradients = new Map<string, string>();
  for (const instruction of role.instructions) {
    if (!isUpdate(instruction)) continue;
    let current: string | undefined;
    for (const name of instruction.reads) {
      const parameter = parameters.get(name);
      if (parameter === undefined && current !== undefined && !running.has(current))
        gradients.set(current, name);
      current = parameter;
    }
  }
  return gradients;
}

/** Four sums, since one alone would wait for each of its additions. */
export const allFinite = (values: Float32Array): boolean => {
  let [a, b, c, d] = [0, 0, 0, 0];
  const even = values.length - (values.length % 4);
  // Any infinity or NaN makes the sum of zeros NaN.
  for (let i = 0; i < even; i += 4) {
    a += (values[i] ?? 0) * 0;
    b += (values[i + 1] ?? 0) * 0;
    c += (values[i + 2] ?? 0) * 0;
    d += (values[i + 3] ?? 0) * 0;
  }
  for (let i = even; i < values.length; i++) a += (values[i] ?? 0) * 0;
  return a + b + c + d === 0;
};

/**
 * Stops the step before its update if something is not finite: says what, where it is seen first. Before the first run of
 * the update, when no weight has changed, all gradients are looked at; before another one those that it reads.
 */
export function refuseNotFinite(plan: Plan, role: Role, one: Instruction, arena: Arena, step: number): void {
  if (!isUpdate(one)) return;
  const loss = lossOf(role, arena);
  const isFirst = role.instructions.find(isUpdate) === one;
  const gradients = [...gradientBuffers(plan, role)].filter(
    ([, buffer]) => isFirst || one.reads.includes(buffer),
  );
  const broken = gradients.find(([, buffer]) => !allFinite(arena.floats(buffer)));
  if (Number.isFinite(loss) && broken === undefined) return;
  const weights = plan.states.filter(({ slot }) => slot === 'weight');
  const spoiled = weights.find(({ buffer }) => !allFinite(arena.floats(buffer)));
  const parameter = spoiled
    ? `the weights of \`${spoiled.parameter}\` are not finite`
    : broken
      ? `the gradient of \`${broken[0]}\` is not finite`
      : 'all gradients are finite';
  throw new DeviceFault(fault('loss-not-finite', { step, loss: `${loss}`, parameter }));
}

function lossOf(role: Role, arena: Arena): number {
  const report = role.instructions.find((instruction) => instruction.do === 'report');
  return report?.do === 'report' ? (arena.floats(report.from)[0] ?? 0) : 0;
}
