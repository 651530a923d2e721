/**
 * The tasks of all programs of a module. Programs that have the same ops, by name, on other cells fall into the same
 * tasks: these are told once, and given the ops of each.
 */
import { at } from '../../ir/box.ts';
import { graphsAlike, type Op, typesOf } from '../../ir/graph.ts';
import type { Program } from '../../ir/module.ts';
import { sameItems } from '../../ir/same-data.ts';
import type { ValueType } from '../../ir/type.ts';
import { type Cutting, type Split, splitProgram, type Task, typeIn } from './tasks.ts';

export function splitsOf(programs: readonly Program[], cutting: Cutting): Map<Program, Split> {
  const splits = new Map<Program, Split>();
  for (const program of programs) {
    const like = [...splits.keys()].find((one) => areAlike(one, program));
    const split = like && splits.get(like);
    const found = like && split && splitLike(split, like, program);
    splits.set(program, found ?? splitProgram(program, cutting));
  }
  return splits;
}

const areAlike = (one: Program, other: Program): boolean =>
  one.strips === undefined &&
  other.strips === undefined &&
  one.forward === other.forward &&
  sameItems(one.origins, other.origins) &&
  graphsAlike(one.graph, other.graph);

/** Undefined where a task has ops that are not of the program itself: they are done again, or ahead. */
function splitLike(split: Split, one: Program, other: Program): Split | undefined {
  const twins = new Map(one.graph.ops.map((op, i) => [op, at(other.graph.ops, i)]));
  const all = [...split.ahead.tasks, ...split.works.flatMap(({ tasks }) => tasks)];
  if (!all.every((task) => opsOf(task).every((op) => twins.has(op)))) return undefined;
  const known = typesOf(other.graph);
  const types = new Map([...split.types.keys()].map((name) => [name, typeIn(known, name)] as const));
  const twinOf = (op: Op): Op => twins.get(op) ?? op;
  const withOps = (task: Task): Task => taskWith(task, twinOf, types);
  return {
    ...split,
    ahead: { ...split.ahead, tasks: split.ahead.tasks.map(withOps) },
    works: split.works.map((work) => ({ ...work, tasks: work.tasks.map(withOps) })),
    types,
  };
}

const opsOf = (task: Task): readonly Op[] => (task.kind === 'meet' ? [task.op] : task.graph.ops);

function taskWith(task: Task, twinOf: (op: Op) => Op, types: ReadonlyMap<string, ValueType>): Task {
  if (task.kind === 'meet') {
    const op = twinOf(task.op);
    return { ...task, op, reads: op.inputs };
  }
  const inputs = task.reads.map((name) => ({ name, type: typeIn(types, name) }));
  return { ...task, graph: { inputs, ops: task.graph.ops.map(twinOf), outputs: task.writes } };
}
