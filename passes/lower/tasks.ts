/**
 * Splits the program of a tile into tasks: graphs that run as a whole, and meetings of devices between them.
 * A value that the schedule drops is computed again, in a task of its own, before the first op of the backward
 * pass that reads it: inside one session ONNX Runtime would merge it with the first time.
 */
import { at, type Range } from '../../ir/box.ts';
import { type Graph, type Op, typesOf } from '../../ir/graph.ts';
import type { Program } from '../../ir/module.ts';
import { ops } from '../../ir/ops/table.ts';
import type { Purpose } from '../../ir/plan.ts';
import { inSweep } from '../../ir/sweeps.ts';
import type { ValueType } from '../../ir/type.ts';

/** `part`: so many buckets of gradients are complete before it. `reads` and `writes`: values. */
export type Task = {
  readonly part: number;
  readonly reads: readonly string[];
  readonly writes: readonly string[];
} & (
  | { readonly kind: 'run'; readonly why: Purpose; readonly graph: Graph }
  | { readonly kind: 'meet'; readonly op: Op }
);

/** The tasks of one chunk in one direction, or, in a program of one chunk, of both. */
export type Work = {
  readonly chunk: number;
  readonly phase: 'forward' | 'backward' | 'both';
  readonly tasks: readonly Task[];
  /** What must be there before it: what a backward pass reads must come with the forward pass. */
  readonly needs: readonly string[];
  /** What works of other chunks read of what it makes. */
  readonly gives: readonly string[];
};

/** A work without what follows from the others. */
type Draft = Omit<Work, 'needs' | 'gives'>;

/** What goes forward ahead of all works. */
export type Ahead = Pick<Work, 'phase' | 'tasks' | 'needs'>;

export type Split = {
  /** Makes the parts of the sums that a sweep adds up; no tasks where there are none. */
  readonly ahead: Ahead;
  readonly works: readonly Work[];
  /** The work that makes a value, and the chunks whose works read it. */
  readonly makers: ReadonlyMap<string, Draft>;
  readonly readers: ReadonlyMap<string, ReadonlySet<number>>;
  /** Types of all values, those that are computed again included. */
  readonly types: ReadonlyMap<string, ValueType>;
};

/** Where an op belongs: its chunk, and how many buckets of gradients are complete before it. */
type Home = { readonly chunk: number; readonly part: number };

type Pass = 'sweep' | 'forward' | 'backward' | 'recompute' | 'strip';
/** `strip`: which of the program's strips an op belongs to. */
type Placed = { readonly op: Op; readonly pass: Pass; readonly strip?: number } & Home;

export type Cutting = {
  /** Chunk of each op of the model. */
  readonly chunkOf: readonly number[];
  /** For each op of the model how many buckets of gradients are complete before its backward pass. */
  readonly partOf: readonly number[];
  readonly drop: readonly string[];
  /** Values that are used after the program: sums and predictions. */
  readonly results: readonly string[];
  /** Ops of the model, by their index, that go forward in a sweep as well. */
  readonly swept: ReadonlySet<number>;
  /** Forward and backward pass of a micro-batch follow each other at once. */
  readonly together: boolean;
};

/** The name of a value that is computed again. */
export const again = (value: string): string => `${value}~again`;

export function splitProgram(program: Program, cutting: Cutting): Split {
  const { graph } = program;
  const sums = graph.ops.filter(isSweep);
  const parts = new Set(sums.flatMap(({ inputs }) => inputs));
  const results = new Set(cutting.results);
  const ahead = live(sweepOf(program, cutting, parts), parts);
  const placed = live(
    withRecompute(program, cutting).filter(({ op }) => !isSweep(op)),
    results,
  );
  const given = sums.map(({ output, type }) => ({ name: output, type }));
  const body = [...ahead, ...placed].map(({ op }) => op);
  const types = typesOf({ inputs: [...graph.inputs, ...given], ops: body });
  const works: { chunk: number; phase: Work['phase']; tasks: Task[] }[] = [];
  for (const { group, task } of inTasks(placed, results, types, cutting)) {
    const last = works.at(-1);
    if (last?.chunk === group.chunk && last.phase === group.phase) last.tasks.push(task);
    else works.push({ chunk: group.chunk, phase: group.phase, tasks: [task] });
  }
  const tasks = inTasks(ahead, parts, types, cutting).map(({ task }) => task);
  return { ...connected(works), ahead: { phase: 'both', tasks, needs: readBefore(tasks) }, types };
}

const isSweep = ({ kind }: Op): boolean => kind === 'sweep';

/** The forward ops that the parts of sums are made by, under names of their own: they are done again with all others. */
function sweepOf(
  { graph, origins, forward = graph.ops.length }: Program,
  { swept, chunkOf }: Cutting,
  parts: ReadonlySet<string>,
): Placed[] {
  const body = graph.ops
    .slice(0, forward)
    .flatMap((op, index) => (swept.has(at(origins, index)) && !isSweep(op) ? [{ op, index }] : []));
  const made = new Set(body.map(({ op }) => op.output).filter((name) => !parts.has(name)));
  const name = (value: string) => (made.has(value) ? inSweep(value) : value);
  return body.map(({ op, index }) => ({
    op: { ...op, output: name(op.output), inputs: op.inputs.map(name) } as Op,
    pass: 'sweep',
    chunk: at(chunkOf, at(origins, index)),
    part: 0,
  }));
}

/** What tasks read that none before them makes. */
function readBefore(tasks: readonly Task[]): string[] {
  const made = new Set(tasks.flatMap(({ writes }) => writes));
  return [...new Set(tasks.flatMap(({ reads }) => reads))].filter((name) => !made.has(name));
}

/** Ops as tasks; what a task makes leaves it where another reads it, or it is a result. */
function inTasks(
  placed: readonly Placed[],
  results: ReadonlySet<string>,
  types: ReadonlyMap<string, ValueType>,
  cutting: Cutting,
): { readonly group: OpGroup; readonly task: Task }[] {
  const groups = grouped(placed, cutting);
  const several = -1;
  /** By name the group that reads it. */
  const readers = new Map<string, number>();
  for (const [index, { ops: group }] of groups.entries())
    for (const { inputs } of group)
      for (const name of inputs) readers.set(name, (readers.get(name) ?? index) === index ? index : several);
  const isWanted = (name: string, index: number): boolean =>
    results.has(name) || (readers.get(name) ?? index) !== index;
  return groups.map((group, index) => ({
    group,
    task: taskOf(group, types, (name) => isWanted(name, index)),
  }));
}

function connected(drafts: readonly Draft[]): Omit<Split, 'ahead' | 'types'> {
  const readers = chunksOfReaders(drafts);
  const works = drafts.map((draft): Work => {
    const made = draft.tasks.flatMap(({ writes }) => writes);
    const isRead = (name: string) => [...(readers.get(name) ?? [])].some((chunk) => chunk !== draft.chunk);
    return { ...draft, needs: needsOf(draft, new Set(made), drafts), gives: made.filter(isRead) };
  });
  return { works, makers: makersOf(drafts), readers };
}

function needsOf(draft: Draft, made: ReadonlySet<string>, drafts: readonly Draft[]): string[] {
  const readers = draft.phase === 'backward' ? [draft] : drafts.filter(({ chunk }) => chunk === draft.chunk);
  const read = readers.flatMap(({ tasks }) => tasks.flatMap(({ reads }) => reads));
  return [...new Set(read)].filter((name) => !made.has(name));
}

/** A value that several works give is that of the first. */
const makersOf = (drafts: readonly Draft[]): Map<string, Draft> =>
  new Map(
    drafts
      .toReversed()
      .flatMap((draft) =>
        draft.tasks.flatMap(({ writes }) => writes.map((name): [string, Draft] => [name, draft])),
      ),
  );

function chunksOfReaders(drafts: readonly Draft[]): Map<string, Set<number>> {
  const readers = new Map<string, Set<number>>();
  for (const { chunk, tasks } of drafts)
    for (const name of tasks.flatMap(({ reads }) => reads))
      readers.set(name, (readers.get(name) ?? new Set()).add(chunk));
  return readers;
}

/** The ops in their order, with those that are to be done again where they are needed. */
function withRecompute(
  { graph, origins, forward = graph.ops.length, strips }: Program,
  cutting: Cutting,
): Placed[] {
  const homes = homesOf(graph, origins, forward, cutting);
  const first = graph.ops
    .slice(0, forward)
    .map((op, i): Placed => ({ op, pass: 'forward', ...at(homes, i), part: 0 }));
  const byChunk = byChunkOf(droppedOps(first, cutting.drop));
  const redone = new Set<string>();
  const stripOf = new Map((strips ?? []).flatMap((run, strip) => indicesIn(run).map((i) => [i, strip])));
  const rest = graph.ops.slice(forward).flatMap((op, i): Placed[] => {
    const here = at(homes, forward + i);
    const strip = stripOf.get(forward + i);
    const placed = (own: Op): Placed =>
      strip === undefined
        ? { op: own, pass: 'backward', ...here }
        : { op: own, pass: 'strip', strip, ...here };
    // What another chunk computes is kept here as it came.
    const dropped = byChunk.get(here.chunk);
    if (dropped === undefined) return [placed(op)];
    const name = (value: string) => (dropped.has(value) ? again(value) : value);
    // A strip is done in one go: what it needs of the dropped comes before all of it.
    const readers = strip === undefined ? [op] : opsIn(graph, at(strips ?? [], strip));
    const needed = readers
      .flatMap(({ inputs }) => inputs)
      .flatMap((value) => chainOf(value, dropped, redone));
    const repeated = needed.map(
      (one): Placed => ({
        op: { ...one, output: again(one.output), inputs: one.inputs.map(name) } as Op,
        pass: 'recompute',
        ...here,
      }),
    );
    return [...repeated, placed({ ...op, inputs: op.inputs.map(name) } as Op)];
  });
  // A cotangent is made from those of later ops alone, so this keeps what is read before what reads it.
  return [...first, ...rest.sort((a, b) => b.chunk - a.chunk || a.part - b.part)];
}

/** The chunk of each op of a program, and how many buckets are complete before it. */
function homesOf(graph: Graph, origins: readonly number[], forward: number, cutting: Cutting): Home[] {
  const { chunkOf, partOf } = cutting;
  const homes = origins.map((origin): Home => ({ chunk: at(chunkOf, origin), part: at(partOf, origin) }));
  const makers = new Map(graph.ops.map(({ output }, index) => [output, index]));
  const readers = new Map<string, Home[]>();
  for (const [index, { kind, inputs, output }] of [...graph.ops.entries()].reverse()) {
    const own = at(homes, index);
    // What comes of several chunks is added where it is needed: in a fold the skip never leaves its device.
    const comesFromElsewhere = inputs.some((name) => {
      const maker = makers.get(name);
      return maker !== undefined && at(homes, maker).chunk !== own.chunk;
    });
    const users = readers.get(output) ?? [];
    const [user] = users;
    if (index >= forward && kind === 'add' && comesFromElsewhere && user !== undefined)
      if (users.every(({ chunk }) => chunk === user.chunk))
        homes[index] = { chunk: user.chunk, part: Math.min(...users.map(({ part }) => part)) };
    for (const name of inputs) {
      const known = readers.get(name);
      if (known === undefined) readers.set(name, [at(homes, index)]);
      else known.push(at(homes, index));
    }
  }
  return homes;
}

const indicesIn = ({ from, to }: Range): number[] => Array.from({ length: to - from }, (_, i) => from + i);

const opsIn = ({ ops: all }: Graph, { from, to }: Range): readonly Op[] => all.slice(from, to);

/** The forward ops whose results are dropped; a piece cut out of a dropped value is dropped with it. */
function droppedOps(forward: readonly Placed[], drop: readonly string[]): Map<string, Placed> {
  const names = new Set(drop);
  const dropped = new Map<string, Placed>();
  for (const one of forward) {
    const { kind, inputs, output } = one.op;
    const isPiece = ops[kind].cropsItself === true && inputs.some((name) => dropped.has(name));
    if (ops[kind].meets !== true && (names.has(output) || isPiece)) dropped.set(output, one);
  }
  return dropped;
}

function byChunkOf(placed: ReadonlyMap<string, Placed>): Map<number, Map<string, Placed>> {
  const byChunk = new Map<number, Map<string, Placed>>();
  for (const [name, one] of placed)
    byChunk.set(one.chunk, (byChunk.get(one.chunk) ?? new Map<string, Placed>()).set(name, one));
  return byChunk;
}

/** The ops that must be done again so that a value is there, each after those it reads of. */
function chainOf(value: string, dropped: ReadonlyMap<string, Placed>, redone: Set<string>): Op[] {
  const op = dropped.get(value)?.op;
  if (op === undefined || redone.has(value)) return [];
  redone.add(value);
  return [...op.inputs.flatMap((name) => chainOf(name, dropped, redone)), op];
}

type OpGroup = {
  readonly ops: Op[];
  readonly passes: Set<Pass>;
  readonly strip: number | undefined;
  readonly chunk: number;
  readonly part: number;
  readonly phase: Work['phase'];
};

const meets = ({ kind }: Op): boolean => ops[kind].meets === true;

/** Ops that follow one another in one session; a meeting is alone. */
function grouped(placed: readonly Placed[], { together }: Cutting): OpGroup[] {
  const groups: OpGroup[] = [];
  for (const { op, pass, chunk, part, strip } of placed) {
    const phase = together ? 'both' : pass === 'forward' ? 'forward' : 'backward';
    const last = groups.at(-1);
    const previous = last?.ops.at(-1);
    const alone = previous === undefined || meets(op) || meets(previous);
    const again = last?.passes.has('recompute') !== (pass === 'recompute');
    const isElsewhere = last?.chunk !== chunk || last.part !== part || last.strip !== strip;
    if (last === undefined || alone || again || isElsewhere || last.phase !== phase)
      groups.push({ ops: [op], passes: new Set([pass]), strip, chunk, part, phase });
    else {
      last.ops.push(op);
      last.passes.add(pass);
    }
  }
  return groups;
}

const whyOf = (passes: ReadonlySet<Pass>): Purpose => {
  const [only] = passes;
  return passes.size > 1 || only === undefined ? 'step' : only;
};

function taskOf(
  { ops: body, passes, part }: OpGroup,
  types: ReadonlyMap<string, ValueType>,
  isWanted: (name: string) => boolean,
): Task {
  const [first] = body;
  if (first !== undefined && meets(first))
    return { kind: 'meet', op: first, part, reads: first.inputs, writes: [first.output] };
  const made = new Set(body.map(({ output }) => output));
  const read = [...new Set(body.flatMap(({ inputs }) => inputs))].filter((name) => !made.has(name));
  const inputs = read.map((name) => ({ name, type: typeIn(types, name) }));
  const outputs = body.map(({ output }) => output).filter(isWanted);
  const graph = { inputs, ops: body, outputs };
  return { kind: 'run', why: whyOf(passes), graph, part, reads: read, writes: outputs };
}

export function typeIn(types: ReadonlyMap<string, ValueType>, name: string): ValueType {
  const type = types.get(name);
  if (type === undefined) throw new Error(`no value ${name}`);
  return type;
}

/** The ops that some result is made from, and the meetings, where others wait for this device. */
function live(placed: readonly Placed[], results: ReadonlySet<string>): Placed[] {
  const wanted = new Set(results);
  return placed
    .toReversed()
    .filter(({ op }) => {
      if (!wanted.has(op.output) && ops[op.kind].meets !== true) return false;
      for (const name of op.inputs) wanted.add(name);
      return true;
    })
    .reverse();
}
