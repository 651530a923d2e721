/** Work of one device: what is done, on what, how often, in which order, and what is summed. */
import { at } from '../../../ir/box.ts';
import { trainedParameters } from '../../../ir/model.ts';
import type { Buffer, Instruction, Plan, Role } from '../../../ir/plan.ts';
import { usesOf } from '../../../ir/uses.ts';
import {
  anything,
  atInstruction,
  type InstructionOf,
  instead,
  isKind,
  type Mutation,
  moved,
  replaceAt,
} from './edit.ts';

type Run = InstructionOf<'run'>;
const isRun = isKind('run');
const isStep = (one: Instruction): one is Run => one.do === 'run' && one.why !== 'update';
const isUpdate = (one: Instruction): one is Run => one.do === 'run' && one.why === 'update';
const isSum = (one: Instruction): one is InstructionOf<'accumulate' | 'count'> =>
  one.do === 'accumulate' || one.do === 'count';

/** Instructions with a single operand to read that can be another buffer. */
const reading: { readonly [D in Instruction['do']]?: string } = {
  count: 'from',
  accumulate: 'from',
  all_gather: 'from',
  reduce_scatter: 'from',
  exchange: 'from',
  send: 'from',
  metric: 'predicted',
  report: 'from',
};
const writing: { readonly [D in Instruction['do']]?: string } = {
  load: 'into',
  draw: 'into',
  count: 'into',
  accumulate: 'into',
  all_gather: 'into',
  reduce_scatter: 'into',
  exchange: 'into',
  receive: 'into',
  rate: 'into',
};

/** The instruction with one of its operands replaced. */
function withOperand(
  one: Instruction,
  table: typeof reading,
  list: 'reads' | 'writes',
  by: (name: string) => string | undefined,
): Instruction | undefined {
  if (one.do === 'run') {
    const index = one[list].findIndex((name) => by(name) !== undefined);
    if (index < 0) return undefined;
    return { ...one, [list]: replaceAt(one[list], index, by(at(one[list], index)) ?? '') };
  }
  const key = table[one.do];
  const name = key === undefined ? undefined : (one as Readonly<Record<string, unknown>>)[key];
  const other = typeof name === 'string' ? by(name) : undefined;
  return key === undefined || other === undefined ? undefined : ({ ...one, [key]: other } as Instruction);
}

const named = ({ buffers }: Role, name: string): Buffer | undefined =>
  buffers.find((one) => one.name === name);

/** Micro-batch and tile: a sweep loads the same cells as the step after it. */
const partNamed = (buffer: string): string => buffer.slice(buffer.lastIndexOf('#'));

/** A buffer of the same value that holds another micro-batch, another tile, or the sum. */
const sibling =
  (role: Role) =>
  (name: string): string | undefined => {
    const own = named(role, name);
    return role.buffers.find(
      (other) =>
        own !== undefined &&
        partNamed(other.name) !== partNamed(name) &&
        other.value === own.value &&
        other.dims.join() === own.dims.join(),
    )?.name;
  };

/**
 * A buffer of the same size that holds something else. Which of two cotangents flows where is not told by the
 * static checks, so what carries one is given a value of the model.
 */
const stranger = (role: Role, one: Instruction, { model }: Plan) => {
  const known = new Set([...model.inputs.map(({ name }) => name), ...model.ops.map(({ output }) => output)]);
  const carriesCotangent = one.do === 'reduce_scatter' || (one.do === 'exchange' && one.back);
  return (name: string): string | undefined => {
    const own = named(role, name);
    return role.buffers.find(
      (other) =>
        own !== undefined &&
        other.value !== own.value &&
        (!carriesCotangent || known.has(other.value)) &&
        other.dims.join() === own.dims.join() &&
        other.element === own.element,
    )?.name;
  };
};

const firstWriter = (work: readonly Instruction[], name: string): number =>
  work.findIndex((one) => usesOf(one).writes.includes(name));

const isReduceOfGradients = (one: Instruction, plan: Plan): boolean => {
  const gradients = new Set(trainedParameters(plan.model).map((name) => `${name}~grad`));
  return one.do === 'all_reduce' && one.buffers.some((name) => gradients.has(name));
};

export const onSteps: Readonly<Record<string, Mutation>> = {
  'drop an instruction': instead(anything, () => []),
  'do an instruction before what it needs': atInstruction(anything, (one, index, work, _role, plan) => {
    const states = new Set(plan.states.map(({ buffer }) => buffer));
    const needed = usesOf(one).reads.filter((name) => !states.has(name));
    const writer = needed.map((name) => firstWriter(work, name)).find((first) => first >= 0 && first < index);
    return writer === undefined ? undefined : moved(work, index, writer);
  }),
  'run a segment twice': instead(isStep, (one) => [one, one]),
  'run a segment of somebody else': instead(isStep, (one, _role, plan) => {
    const own = plan.segments.find(({ name }) => name === one.segment);
    const other = plan.segments.find(
      ({ name, graph }) =>
        name !== one.segment &&
        graph.inputs.length === own?.graph.inputs.length &&
        graph.outputs.length === own.graph.outputs.length,
    );
    return other && [{ ...one, segment: other.name }];
  }),
  'call work an update': instead(isStep, (one) => [{ ...one, why: 'update' }]),
  'update twice': instead(isUpdate, (one) => [one, one]),
  'update weights the wrong way round': instead(isUpdate, (one) =>
    one.reads.length > 1 ? [{ ...one, reads: [...one.reads].reverse() }] : undefined,
  ),
  'update before the sums are there': atInstruction(isUpdate, (_one, index, work, _role, plan) => {
    const reduced = work.findIndex((other) => isReduceOfGradients(other, plan));
    return reduced < 0 || reduced > index ? undefined : moved(work, index, reduced);
  }),
  'load or draw from another source': instead(isKind('load', 'draw'), (one, _role, { model }) => {
    const other = model.inputs.find(({ name, source }) => name !== one.source && source.from !== 'count');
    return other && [{ ...one, source: other.name }];
  }),
  'work on another micro-batch': instead(anything, (one, _role, { schedule }) =>
    'micro' in one && one.do !== 'all_reduce' && !isUpdate(one) && schedule.microBatches > 1
      ? [{ ...one, micro: one.micro === 0 ? 1 : one.micro - 1 }]
      : undefined,
  ),
  'read of another micro-batch': instead(anything, (one, role) => {
    const changed = withOperand(one, reading, 'reads', sibling(role));
    return changed && [changed];
  }),
  'write to another micro-batch': instead(anything, (one, role) => {
    const changed = withOperand(one, writing, 'writes', sibling(role));
    return changed && [changed];
  }),
  'read another value': instead(anything, (one, role, plan) => {
    const changed = withOperand(one, reading, 'reads', stranger(role, one, plan));
    return changed && [changed];
  }),
  'write another value': instead(anything, (one, role, plan) => {
    const changed = withOperand(one, writing, 'writes', stranger(role, one, plan));
    return changed && [changed];
  }),
  'bind operands the wrong way round': instead(isRun, (one) =>
    one.reads.length > 1
      ? [{ ...one, reads: [at(one.reads, 1), at(one.reads, 0), ...one.reads.slice(2)] }]
      : undefined,
  ),
  'lose what was summed before': instead(isSum, (one) => (one.first ? undefined : [{ ...one, first: true }])),
  'add to what was never cleared': instead(isSum, (one) =>
    one.first ? [{ ...one, first: false }] : undefined,
  ),
  'add a part twice': instead(isSum, (one) => [one, { ...one, first: false }]),
  'clip to another norm': instead(isKind('clip'), (one) => [{ ...one, norm: 2 * one.norm }]),
  'leave a gradient out of the norm': instead(isKind('clip'), (one) =>
    one.buffers.length > 0 ? [{ ...one, buffers: one.buffers.slice(1) }] : undefined,
  ),
  'clip twice': instead(isKind('clip'), (one) => [one, one]),
  'clip after the update': atInstruction(isKind('clip'), (_one, index, work) =>
    moved(work, index, work.findLastIndex(isUpdate) + 1),
  ),
  'take a metric against other labels': instead(isKind('metric'), (one, role) => {
    const labels = sibling(role)(one.labels);
    return labels === undefined ? undefined : [{ ...one, labels }];
  }),
  'take a metric twice': instead(isKind('metric'), (one) => [one, one]),
  'report twice': instead(isKind('report'), (one) => [one, one]),
};
