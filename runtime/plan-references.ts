/**
 * Whether the names and sizes of a plan meet: enough that the interpreter finds everything it is told to use,
 * inside the memory it has. Whether the plan computes the right thing is for the verifier to prove.
 */
import type { Instruction, Plan, Role } from '../ir/plan.ts';
import { bytesOf, product } from '../ir/type.ts';

type InstructionOf<K extends Instruction['do']> = Extract<Instruction, { do: K }>;

/** Buffers that an instruction names. */
const named: { readonly [K in Instruction['do']]: (instruction: InstructionOf<K>) => readonly string[] } = {
  load: ({ into }) => [into],
  draw: ({ into }) => [into],
  count: ({ from, into }) => [from, into],
  run: ({ reads, writes }) => [...reads, ...writes],
  accumulate: ({ from, into }) => [from, into],
  all_reduce: ({ buffers }) => buffers,
  clip: ({ buffers }) => buffers,
  rate: ({ into }) => [into],
  metric: ({ predicted, labels }) => [predicted, labels],
  store: ({ from }) => [from],
  report: ({ from }) => [from],
  free: ({ buffers }) => buffers,
};

const buffersOf = <K extends Instruction['do']>(
  instruction: InstructionOf<K> & { do: K },
): readonly string[] => named[instruction.do](instruction);

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
  const tiles = product(axes.map(({ cuts }) => cuts.length - 1));
  yield axes.length === model.rank ? undefined : `${axes.length} axes for a model of rank ${model.rank}`;
  for (const { cuts, classes } of axes)
    yield cuts.length === classes.length + 1 ? undefined : `${cuts.length} cuts for ${classes.length} tiles`;
  const expected = plan.purpose === 'train' ? schedule.replicas * tiles : schedule.devices;
  yield schedule.devices === expected && expected > 0
    ? undefined
    : `${schedule.devices} devices for ${schedule.replicas} replicas of ${tiles} tiles`;
  const lacking = lackingRole(plan);
  yield lacking === undefined ? undefined : `no role has the classes ${lacking.join(', ')}`;
}

/** Classes of some tile that no role is for. */
function lackingRole({ axes, roles }: Plan): number[] | undefined {
  const classes = axes.reduce<number[][]>(
    (found, axis) => found.flatMap((prefix) => [...new Set(axis.classes)].map((one) => [...prefix, one])),
    [[]],
  );
  const known = new Set(roles.map((role) => role.classes.join()));
  return classes.find((one) => !known.has(one.join()));
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
  for (const { buffer } of plan.states)
    if (plan.purpose === 'train')
      yield buffers.has(buffer) ? undefined : `${where} has no buffer for the state ${buffer}`;
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
