/** Sweeps: what goes forward ahead of all else, for the sums of a loss. */
import type { Graph, Op } from '../../../ir/graph.ts';
import type { Instruction, Plan, Role } from '../../../ir/plan.ts';
import { sharingOf } from '../../../ir/sharers.ts';
import { inSweep, sweptSums } from '../../../ir/sweeps.ts';
import { usesOf } from '../../../ir/uses.ts';
import {
  atInstruction,
  everywhere,
  type InstructionOf,
  instead,
  type Mutation,
  moved,
  placed,
  replaceAt,
} from './edit.ts';

type Adding = InstructionOf<'accumulate'>;
type Run = InstructionOf<'run'>;
type Reducing = InstructionOf<'all_reduce'>;

/** Buffers of the sums that sweeps make. */
const sumsOf = ({ model, schedule, samples }: Plan, { buffers }: Role): Set<string> => {
  const swept = sweptSums(model, sharingOf(schedule), samples);
  return new Set(buffers.filter(({ value }) => swept.has(value)).map(({ name }) => name));
};

const isAdding = (one: Instruction): one is Adding => one.do === 'accumulate';
const isReducing = (one: Instruction): one is Reducing => one.do === 'all_reduce';
const isSweeping = (one: Instruction): one is Run => one.do === 'run' && one.why === 'sweep';
const isReading = (one: Instruction): one is Run => one.do === 'run' && one.why !== 'sweep';

/** Whoever adds to a sum first clears it: what stands first after a change does. */
function cleared(work: readonly Instruction[], sum: string): Instruction[] {
  const first = work.findIndex((one) => isAdding(one) && one.into === sum);
  return work.map((one, index) =>
    isAdding(one) && one.into === sum ? { ...one, first: index === first } : one,
  );
}

/** Without the part that an instruction adds, and what makes it. */
function without(work: readonly Instruction[], { from, into }: Adding): Instruction[] {
  const rest = work.filter(
    (one) => !(isAdding(one) && one.from === from) && !(one.do === 'run' && one.writes.includes(from)),
  );
  return cleared(rest, into);
}

const partsIn = (work: readonly Instruction[], sums: ReadonlySet<string>): Adding[] =>
  work.filter((one): one is Adding => isAdding(one) && sums.has(one.into));

export const onSweeps: Readonly<Record<string, Mutation>> = {
  'leave a part out of a sweep': atInstruction(isAdding, (one, _index, work, role, plan) =>
    sumsOf(plan, role).has(one.into) ? without(work, one) : undefined,
  ),
  'leave a part out of every sweep': everywhere((work, role, plan) => {
    const last = partsIn(work, sumsOf(plan, role)).at(-1);
    return last && without(work, last);
  }),
  'have no sweep': everywhere((work, role, plan) => {
    const sums = sumsOf(plan, role);
    if (sums.size === 0) return undefined;
    return work.filter((one) => !isSweeping(one) && !(isAdding(one) && sums.has(one.into)));
  }),
  'sweep a part in place of another': atInstruction(isSweeping, (one, index, work) => {
    const other = work.find((twin, i) => i < index && isSweeping(twin) && twin.segment === one.segment);
    return other && replaceAt(work, index, { ...other, writes: one.writes } as Run);
  }),
  'count a part of a sweep in place of another': atInstruction(isAdding, (one, index, work, role, plan) => {
    const parts = partsIn(work, sumsOf(plan, role)).filter(({ into }) => into === one.into);
    const other = parts.find(({ from }) => from !== one.from);
    return parts.includes(one) && other !== undefined
      ? replaceAt(work, index, { ...one, from: other.from })
      : undefined;
  }),
  'count a part in the sum of another micro-batch': instead(isAdding, (one, role, plan) => {
    const other = [...sumsOf(plan, role)].find((sum) => sum !== one.into);
    return sumsOf(plan, role).has(one.into) && other !== undefined
      ? [one, { ...one, into: other, first: false }]
      : undefined;
  }),
  'go backward before a sweep is over': atInstruction(isReading, (one, index, work, role, plan) => {
    const sums = sumsOf(plan, role);
    const last = work.findLastIndex(
      (other, i) => i < index && usesOf(other).writes.some((sum) => sums.has(sum)),
    );
    return last >= 0 && one.reads.some((name) => sums.has(name)) ? moved(work, index, last) : undefined;
  }),
  'sum a sweep before its last part': everywhere((work, role, plan) => {
    const sums = sumsOf(plan, role);
    const index = work.findIndex((one) => isReducing(one) && one.buffers.some((name) => sums.has(name)));
    const last = work.findLastIndex((one, i) => i < index && isAdding(one) && sums.has(one.into));
    return index < 0 || last < 0 ? undefined : moved(work, index, last);
  }),
  'sum no sweep over the devices': everywhere((work, role, plan) => {
    const sums = sumsOf(plan, role);
    const isOfSweep = (one: Instruction) => isReducing(one) && one.buffers.some((name) => sums.has(name));
    return work.some(isOfSweep) ? work.filter((one) => !isOfSweep(one)) : undefined;
  }),
  'read the sums of another micro-batch': instead(isReading, (one, role, plan) => {
    const sums = [...sumsOf(plan, role)];
    const index = one.reads.findIndex((name) => sums.includes(name));
    const other = sums.find((name) => name !== one.reads[index]);
    return index < 0 || other === undefined
      ? undefined
      : [{ ...one, reads: replaceAt(one.reads, index, other) }];
  }),
  'use a value of a sweep in the step': (plan) =>
    plan.segments.flatMap((segment, s) => {
      const graph = usingSweep(plan, segment.graph);
      return graph === undefined
        ? []
        : [() => placed({ ...plan, segments: replaceAt(plan.segments, s, { ...segment, graph }) })];
    }),
};

/** A sweep that gives a value of the step as well. */
function usingSweep({ model }: Plan, graph: Graph): Graph | undefined {
  const known = model.ops.find(({ kind, output }) => kind === 'relu' && hasOp(graph, inSweep(output)));
  const own = graph.ops.find(({ output }) => known !== undefined && output === inSweep(known.output));
  return known && own && { ...graph, ops: [...graph.ops, { ...own, output: known.output } as Op] };
}

const hasOp = ({ ops }: Graph, name: string): boolean => ops.some(({ output }) => output === name);
