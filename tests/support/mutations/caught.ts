/** Whether the verifier catches a broken plan, and says where. */
import type { Diagnostic } from '../../../ir/diagnostics/diagnostic.ts';
import type { Instruction, Plan } from '../../../ir/plan.ts';
import { isSameData } from '../../../ir/same-data.ts';
import { verifyPlan } from '../../../ir/verify/plan.ts';

/** Faults of a plan as a whole, which no instruction is to blame for. */
const ofThePlan = ['wrong-grid', 'wrong-schedule'];

/** Why a broken plan passes for a sound one, or is refused without a word on where; undefined where all is well. */
export function missed(sound: Plan, broken: Plan): string | undefined {
  let faults: readonly Diagnostic[];
  try {
    faults = verifyPlan(broken);
  } catch (error) {
    return `the verifier fails: ${error}`;
  }
  if (faults.length === 0) return `not caught: ${differences(sound, broken)}`;
  if (faults.some(({ code }) => ofThePlan.includes(code))) return undefined;
  if (faults.some(({ message }) => message.startsWith(`plan ${broken.name}: `))) return undefined;
  const touched = touchedNames(sound, broken);
  const named = faults.some(({ message }) => {
    const instruction = instructionNamed(broken, message);
    if (instruction === undefined) return false;
    const words = `${message} ${JSON.stringify(instruction)}`;
    return touched.length === 0 || touched.some((name) => words.includes(name));
  });
  const messages = faults.slice(0, 6).map(({ message }) => `    ${message}`);
  return named ? undefined : `no instruction named of ${touched.slice(0, 9)}\n${messages.join('\n')}`;
}

/** The instruction whose role and index a message gives. */
function instructionNamed({ roles }: Plan, message: string): Instruction | undefined {
  const [, name, index] = /^(\S+): instruction (\d+) \(/.exec(message) ?? [];
  return roles.find((role) => role.name === name)?.instructions[Number(index)];
}

const isKept = (one: Instruction): boolean => one.do !== 'free';

/** Names of buffers, segments and meetings of what differs. */
function touchedNames(sound: Plan, broken: Plan): string[] {
  const names = new Set<string>();
  const stringsIn = (value: unknown): void => {
    if (typeof value === 'string') names.add(value);
    else if (Array.isArray(value)) value.forEach(stringsIn);
    else if (typeof value === 'object' && value !== null) Object.values(value).forEach(stringsIn);
  };
  for (const [index, role] of sound.roles.entries()) {
    const other = broken.roles[index];
    if (other === undefined) continue;
    for (const one of changedIn(role.instructions, other.instructions)) stringsIn(one);
    const twins = new Map(other.buffers.map((buffer) => [buffer.name, buffer]));
    for (const buffer of role.buffers) {
      const twin = twins.get(buffer.name);
      if (twin !== undefined && !isSameData(twin, buffer)) names.add(buffer.name);
    }
  }
  for (const [index, segment] of sound.segments.entries())
    if (!isSameData(segment, broken.segments[index])) names.add(segment.name);
  return [...names];
}

/** Instructions that only one of the lists has, or has elsewhere; frees where they are all that differs. */
function changedIn(before: readonly Instruction[], after: readonly Instruction[]): Instruction[] {
  const kept = between(before.filter(isKept), after.filter(isKept));
  return kept.length > 0 ? kept : between(before, after);
}

/** What is left of two lists without their common beginning and end. */
function between(before: readonly Instruction[], after: readonly Instruction[]): Instruction[] {
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && isSameData(before[start], after[start])) start++;
  let end = 0;
  while (end < shorter - start && isSameData(before.at(-1 - end), after.at(-1 - end))) end++;
  return [...before.slice(start, before.length - end), ...after.slice(start, after.length - end)];
}

function differences(sound: Plan, broken: Plan): string {
  const roles = sound.roles.flatMap((role, index) =>
    changedIn(role.instructions, broken.roles[index]?.instructions ?? []).map(
      (one) => `${role.name} ${JSON.stringify(one)}`,
    ),
  );
  const segments = sound.segments.flatMap(({ name, graph }, index) => {
    const other = broken.segments[index]?.graph;
    const ops = graph.ops.filter((op, i) => !isSameData(op, other?.ops[i])).slice(0, 2);
    return ops.map((op) => `${name} ${JSON.stringify(op)}`);
  });
  return (
    [...roles.slice(0, 4), ...segments.slice(0, 2)].join('\n    ') ||
    touchedNames(sound, broken).slice(0, 5).join()
  );
}
