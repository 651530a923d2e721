/**
 * Whether the names and sizes of a plan meet: enough that the interpreter finds everything it is told to use,
 * inside the memory it has. Whether the plan computes the right thing is for the verifier to prove.
 */
import type { Instruction, Plan, Role } from '../ir/plan.ts';
import { rankCount } from '../ir/ranks.ts';
import { stagesOf } from '../ir/schedule.ts';
import { bytesOf } from '../ir/type.ts';
import { usesOf } from '../ir/uses.ts';

type InstructionOf<K extends Instruction['do']> = Extract<Instruction, { do: K }>;

/** Buffers that an instruction names. */
function buffersOf(instruction: Instruction): readonly string[] {
  const { reads, writes, frees } = usesOf(instruction);
  return [...reads, ...writes, ...frees];
}

/** What an instruction takes from the model. */
const inputNames = (instruction: Instruction): string[] =>
  'source' in instruction ? [instruction.source] : [];

/** The first thing that does not meet, or nothing. */
export function brokenReference(plan: Plan): string | undefined {
  return firstOf([...gridProblems(plan), ...plan.roles.flatMap((role) => [...roleProblems(plan, role)])]);
}

const firstOf = (problems: readonly (string | undefined)[]): string | undefined =>
  problems.find((problem) => problem !== undefined);

function* gridProblems(plan: Plan): Generator<string | undefined> {
  const { axes, model, schedule } = plan;
  yield axes.length === model.rank ? undefined : `${axes.length} axes for a model of rank ${model.rank}`;
  for (const [axis, { cuts, tiles, classes }] of axes.entries()) {
    yield cuts.length === tiles.length + 1 ? undefined : `${cuts.length} cuts for ${tiles.length} tiles`;
    yield tiles.length === classes.length * (schedule.stream[axis] ?? 0)
      ? undefined
      : `${tiles.length} tiles for ${classes.length} places`;
  }
  const expected = plan.purpose === 'train' ? rankCount(plan) : schedule.devices;
  yield schedule.devices === expected && expected > 0
    ? undefined
    : `${schedule.devices} devices for ${expected} ranks`;
  const lacking = lackingRole(plan);
  yield lacking === undefined ? undefined : `no role has the classes ${lacking.join(', ')}`;
}

/** Classes of some place that no role is for. */
function lackingRole({ axes, roles, schedule }: Plan): number[] | undefined {
  const classes = axes.reduce<number[][]>(
    (found, axis) => found.flatMap((prefix) => [...new Set(axis.classes)].map((one) => [...prefix, one])),
    [[]],
  );
  const known = new Set(roles.map((role) => `${role.stage}: ${role.classes.join()}`));
  const stages = Array.from({ length: stagesOf(schedule) }, (_, stage) => stage);
  return classes.find((one) => stages.some((stage) => !known.has(`${stage}: ${one.join()}`)));
}

function* roleProblems(plan: Plan, role: Role): Generator<string | undefined> {
  const where = `role ${role.name}`;
  const buffers = new Map(role.buffers.map((buffer) => [buffer.name, buffer]));
  const inputs = new Set(plan.model.inputs.map(({ name }) => name));
  for (const buffer of role.buffers) {
    const size = bytesOf({ kind: 'array', element: buffer.element, dims: buffer.dims }, 1);
    const fits = buffer.offset % 64 === 0 && buffer.offset + buffer.bytes <= role.arenaBytes;
    yield size === buffer.bytes && fits
      ? undefined
      : `${where}: buffer ${buffer.name} does not fit its place`;
  }
  for (const [index, instruction] of role.instructions.entries()) {
    const lacking =
      buffersOf(instruction).find((name) => !buffers.has(name)) ??
      inputNames(instruction).find((name) => !inputs.has(name));
    const at = `${where}, instruction ${index}`;
    yield lacking === undefined ? undefined : `${at}: there is no ${lacking}`;
    yield instruction.do === 'run' ? runProblem(plan, instruction, at) : undefined;
  }
}

function runProblem(
  plan: Plan,
  { segment, reads, writes }: InstructionOf<'run'>,
  at: string,
): string | undefined {
  const found = plan.segments.find(({ name }) => name === segment);
  if (found === undefined) return `${at}: there is no segment ${segment}`;
  const { inputs, outputs } = found.graph;
  return inputs.length === reads.length && outputs.length === writes.length
    ? undefined
    : `${at}: ${segment} has ${inputs.length} inputs and ${outputs.length} outputs, not ${reads.length} and ${writes.length}`;
}
