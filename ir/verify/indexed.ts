/** What the checks look up in a plan again and again: made once, and handed to all of them. */
import { at } from '../box.ts';
import type { Diagnostic } from '../diagnostics/diagnostic.ts';
import { typesOf } from '../graph.ts';
import type { Buffer, Plan, Role, Segment } from '../plan.ts';
import { type Belongings, belongings } from '../stages.ts';
import type { ValueType } from '../type.ts';
import { type Uses, usesOf } from '../uses.ts';
import { type Meaning, meaningsOf } from './names.ts';

export type IndexedSegment = Segment & {
  /** The types of all values of the graph. */
  readonly types: ReadonlyMap<string, ValueType>;
};

export type IndexedRole = {
  readonly role: Role;
  readonly buffers: ReadonlyMap<string, Buffer>;
  /** What each instruction reads, writes and frees. */
  readonly uses: readonly Uses[];
  /** What the stage has of the model. */
  readonly has: Belongings;
  readonly meaning: Meaning;
};

export type IndexedPlan = {
  readonly plan: Plan;
  readonly segments: ReadonlyMap<string, IndexedSegment>;
  /** Buffers that live from step to step. */
  readonly states: ReadonlySet<string>;
  readonly roles: readonly IndexedRole[];
};

/** What is known of the plan is worked out once, then each role is checked. */
export type RoleCheck = (index: IndexedPlan) => (role: IndexedRole) => Diagnostic[];

export function indexed(plan: Plan): IndexedPlan {
  const meaningOf = meaningsOf(plan);
  const stages = [...new Set(plan.roles.map(({ stage }) => stage))];
  const belonging = stages.map((stage) => belongings(plan.model, plan.schedule, stage));
  return {
    plan,
    segments: new Map(plan.segments.map((one) => [one.name, { ...one, types: typesOf(one.graph) }])),
    states: new Set(plan.states.map(({ buffer }) => buffer)),
    roles: plan.roles.map((role) => ({
      role,
      buffers: new Map(role.buffers.map((buffer) => [buffer.name, buffer])),
      uses: role.instructions.map((one) => usesOf(one)),
      has: at(belonging, stages.indexOf(role.stage)),
      meaning: meaningOf(role),
    })),
  };
}
