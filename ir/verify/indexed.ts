/** What the checks look up in a plan again and again: made once, and handed to all of them. */
import { at, type Box } from '../box.ts';
import { buffersByName } from '../buffers.ts';
import type { Diagnostic } from '../diagnostics/diagnostic.ts';
import { typesOf } from '../graph.ts';
import { trainedParameters } from '../model.ts';
import type { Buffer, Plan, Role, Segment } from '../plan.ts';
import { type Belongings, belongings } from '../stages.ts';
import { bytesOf, dimsOf, type Element, type ValueType } from '../type.ts';
import { type Uses, usesOf } from '../uses.ts';
import { firstsAlike } from './alike.ts';
import { type Meaning, meaningsOf } from './names.ts';

/** What a buffer must be that is bound to an input or a result of a segment. */
export type Operand = {
  readonly value: string;
  readonly element: Element;
  readonly dims: readonly number[];
  readonly bytes: number;
  readonly box: Box | undefined;
};

export type IndexedSegment = Segment & {
  /** The types of all values of the graph. */
  readonly types: ReadonlyMap<string, ValueType>;
  /** Inputs, then results; undefined for a result that nothing makes. */
  readonly operands: readonly (Operand | undefined)[];
};

export type IndexedRole = {
  readonly role: Role;
  readonly buffers: ReadonlyMap<string, Buffer>;
  /** What each instruction reads, writes and frees. */
  readonly uses: readonly Uses[];
  /** By instruction the tile of the device that it works on; empty where a device has one tile alone. */
  readonly parts: readonly (readonly number[] | undefined)[];
  /** Index of the first role that does the same and differs in cells alone, or its own. */
  readonly alike: number;
  /** What the stage has of the model. */
  readonly has: Belongings;
  readonly meaning: Meaning;
};

export type IndexedPlan = {
  readonly plan: Plan;
  readonly segments: ReadonlyMap<string, IndexedSegment>;
  /** Buffers that live from step to step. */
  readonly states: ReadonlySet<string>;
  /** Parameters that gradients train. */
  readonly trained: ReadonlySet<string>;
  readonly roles: readonly IndexedRole[];
};

/** What is known of the plan is worked out once, then each role is checked. */
export type RoleCheck = (index: IndexedPlan) => (role: IndexedRole) => Diagnostic[];

export function indexed(plan: Plan): IndexedPlan {
  const meaningOf = meaningsOf(plan);
  const stages = [...new Set(plan.roles.map(({ stage }) => stage))];
  const firsts = firstsAlike(plan);
  const usesOfAlike = new Map<number, readonly Uses[]>();
  const usesOfRole = (first: number): readonly Uses[] => {
    const uses = usesOfAlike.get(first) ?? at(plan.roles, first).instructions.map((one) => usesOf(one));
    usesOfAlike.set(first, uses);
    return uses;
  };
  const belonging = stages.map((stage) => belongings(plan.model, plan.schedule, stage));
  return {
    plan,
    segments: new Map(plan.segments.map((segment) => [segment.name, indexedSegment(segment)])),
    states: new Set(plan.states.map(({ buffer }) => buffer)),
    trained: new Set(trainedParameters(plan.model)),
    roles: plan.roles.map((role, index) => {
      const buffers = buffersByName(role.buffers);
      const uses = usesOfRole(at(firsts, index));
      return {
        role,
        buffers,
        uses,
        parts: partsOf(role, buffers, uses),
        alike: at(firsts, index),
        has: at(belonging, stages.indexOf(role.stage)),
        meaning: meaningOf(role),
      };
    }),
  };
}

function indexedSegment(segment: Segment): IndexedSegment {
  const { graph, samples } = segment;
  const types = typesOf(graph);
  const operands: (Operand | undefined)[] = [];
  const add = (value: string) => {
    const type = types.get(value);
    operands.push(type && operandOf(value, type, samples));
  };
  for (const { name } of graph.inputs) add(name);
  for (const name of graph.outputs) add(name);
  return { ...segment, types, operands };
}

const operandOf = (value: string, type: ValueType, samples: number): Operand => ({
  value,
  element: type.element,
  dims: dimsOf(type, samples),
  bytes: bytesOf(type, samples),
  box: type.kind === 'map' && type.box.length > 0 ? type.box : undefined,
});

/**
 * The first of its buffers that is of a tile says which an instruction works on; where it has numbers alone, those that
 * it reads: they are of the tile that made them. What is made of nothing, where the way back begins, is of the tile that
 * reads it.
 */
function partsOf(
  role: Role,
  buffers: ReadonlyMap<string, Buffer>,
  uses: readonly Uses[],
): IndexedRole['parts'] {
  if (role.buffers.every(({ part }) => part === undefined)) return [];
  const makers = new Map<string, readonly number[] | undefined>();
  const firstOf = (names: readonly string[], partIn: (name: string) => readonly number[] | undefined) =>
    names.map(partIn).find((part) => part !== undefined);
  const own = (name: string) => buffers.get(name)?.part;
  const found = uses.map(({ reads, writes }) => {
    const part = firstOf([...reads, ...writes], own) ?? firstOf(reads, (name) => makers.get(name));
    // What several tiles write is of none of them.
    for (const name of writes) {
      const isShared = makers.has(name) && makers.get(name)?.join() !== part?.join();
      makers.set(name, isShared ? undefined : part);
    }
    return part;
  });
  const readerOf = (name: string, index: number) =>
    found[uses.findIndex(({ reads }, later) => later > index && reads.includes(name))];
  return found.map((part, index) => {
    const { reads, writes } = at(uses, index);
    const isMadeOfNothing = role.instructions[index]?.do === 'run' && reads.length === 0;
    return part ?? (isMadeOfNothing ? firstOf(writes, (name) => readerOf(name, index)) : undefined);
  });
}
