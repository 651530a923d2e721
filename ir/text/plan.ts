/** Plans as text: the model, the schedule, the grid, the segments, and the program of each role. */

import { at, type Box } from '../box.ts';
import type { Group, Piece } from '../ops/attributes.ts';
import {
  type Axis,
  type Buffer,
  type Instruction,
  type Plan,
  purposes,
  type Role,
  type Segment,
  type State,
} from '../plan.ts';
import type { Element } from '../type.ts';
import type { Cursor } from './cursor.ts';
import { printName } from './data.ts';
import { printGraph, readGraph, readRange } from './graph.ts';
import { indent, printModelLines, readModel } from './model.ts';
import { printScheduleLines, readWholeSchedule } from './schedule.ts';

type InstructionOf<D extends Instruction['do']> = Extract<Instruction, { do: D }>;

/** How the operands of one kind of instruction are written and read. */
type Form<D extends Instruction['do']> = {
  print(instruction: InstructionOf<D>): string;
  read(cursor: Cursor): InstructionOf<D>;
};

const names = (list: readonly string[]): string => `(${list.map(printName).join(', ')})`;
const readList = (cursor: Cursor): string[] => cursor.list(() => cursor.name(), '(', ')');
const after = (cursor: Cursor, word: string): string => {
  cursor.expect(word);
  return cursor.name();
};
const microOf = (cursor: Cursor): number => {
  cursor.expect('micro');
  return cursor.integer();
};
const groups: readonly Group[] = ['grid', 'stage', 'all'];
const groupOf = (cursor: Cursor): { over: Group; micro: number } => {
  cursor.expect('over');
  return { over: cursor.oneOf(groups), micro: microOf(cursor) };
};
const stageOf = (cursor: Cursor): number => {
  cursor.expect('stage');
  return cursor.integer();
};
const printPiece = ({ offset, box }: Piece): string => `[${offset.join(', ')}] cells ${printBox(box)}`;
const readPiece = (cursor: Cursor): Piece => {
  const offset = cursor.list(() => cursor.integer());
  cursor.expect('cells');
  return { offset, box: cursor.list(() => readRange(cursor)) };
};

function gathering<D extends 'all_gather' | 'reduce_scatter'>(
  kind: D,
): Form<'all_gather'> & Form<'reduce_scatter'> {
  type Fields = Omit<InstructionOf<'all_gather'>, 'do'>;
  return {
    print: ({ over, micro, from, into }: Fields) =>
      `over ${over} micro ${micro} ${printName(from)} into ${printName(into)}`,
    read: (c) => ({ do: kind, ...groupOf(c), from: c.name(), into: after(c, 'into') }) as never,
  };
}

const forms: { readonly [D in Instruction['do']]: Form<D> } = {
  load: {
    print: ({ source, micro, into }) => `${printName(source)} micro ${micro} into ${printName(into)}`,
    read: (c) => ({ do: 'load', source: c.name(), micro: microOf(c), into: after(c, 'into') }),
  },
  draw: {
    print: ({ source, micro, into }) => `${printName(source)} micro ${micro} into ${printName(into)}`,
    read: (c) => ({ do: 'draw', source: c.name(), micro: microOf(c), into: after(c, 'into') }),
  },
  count: {
    print: ({ source, from, into, first }) =>
      `${printName(source)} from ${printName(from)} into ${printName(into)}${first ? ' first' : ''}`,
    read: (c) => ({
      do: 'count',
      source: c.name(),
      from: after(c, 'from'),
      into: after(c, 'into'),
      first: c.take('first'),
    }),
  },
  run: {
    print: ({ segment, why, micro, reads, writes }) =>
      `${printName(segment)} ${why} micro ${micro} reads ${names(reads)} writes ${names(writes)}`,
    read(c) {
      const segment = c.name();
      const why = c.oneOf(purposes);
      const micro = microOf(c);
      c.expect('reads');
      const reads = readList(c);
      c.expect('writes');
      return { do: 'run', segment, why, micro, reads, writes: readList(c) };
    },
  },
  accumulate: {
    print: ({ from, into, first }) => `${printName(from)} into ${printName(into)}${first ? ' first' : ''}`,
    read: (c) => ({ do: 'accumulate', from: c.name(), into: after(c, 'into'), first: c.take('first') }),
  },
  all_reduce: {
    print: ({ over, micro, buffers }) => `over ${over} micro ${micro} ${names(buffers)}`,
    read: (c) => ({ do: 'all_reduce', ...groupOf(c), buffers: readList(c) }),
  },
  all_gather: gathering('all_gather'),
  reduce_scatter: gathering('reduce_scatter'),
  exchange: {
    print: ({ name, value, back, micro, from, into, keeps, sends, receives }) =>
      [
        `${printName(name)} of ${printName(value)}${back ? ' back' : ''} micro ${micro}`,
        ...(from === undefined ? [] : [`from ${printName(from)}`]),
        ...(into === undefined ? [] : [`into ${printName(into)}`]),
        ...(keeps === undefined ? [] : [`keeps ${printBox(keeps)}`]),
        ...sends.map((piece) => `to ${printPiece(piece)}`),
        ...receives.map((piece) => `receives ${printPiece(piece)}`),
      ].join(' '),
    read(c) {
      const head = { name: c.name(), value: after(c, 'of'), back: c.take('back'), micro: microOf(c) };
      const optional = <T>(word: string, read: () => T): T | undefined => (c.take(word) ? read() : undefined);
      const from = optional('from', () => c.name());
      const into = optional('into', () => c.name());
      const keeps = optional('keeps', () => c.list(() => readRange(c)));
      const sends = readAll(c, 'to', readPiece);
      const receives = readAll(c, 'receives', readPiece);
      return {
        do: 'exchange',
        ...head,
        ...(from === undefined ? {} : { from }),
        ...(into === undefined ? {} : { into }),
        ...(keeps === undefined ? {} : { keeps }),
        sends,
        receives,
      };
    },
  },
  send: {
    print: ({ name, micro, stage, from }) =>
      `${printName(name)} micro ${micro} stage ${stage} from ${printName(from)}`,
    read: (c) => ({
      do: 'send',
      name: c.name(),
      micro: microOf(c),
      stage: stageOf(c),
      from: after(c, 'from'),
    }),
  },
  receive: {
    print: ({ name, micro, stage, into }) =>
      `${printName(name)} micro ${micro} stage ${stage} into ${printName(into)}`,
    read: (c) => ({
      do: 'receive',
      name: c.name(),
      micro: microOf(c),
      stage: stageOf(c),
      into: after(c, 'into'),
    }),
  },
  paste: {
    print: ({ from, into, first }) => `${printName(from)} into ${printName(into)}${first ? ' first' : ''}`,
    read: (c) => ({ do: 'paste', from: c.name(), into: after(c, 'into'), first: c.take('first') }),
  },
  clip: {
    print: ({ buffers, norm }) => `${names(buffers)} norm ${norm}`,
    read(c) {
      const buffers = readList(c);
      c.expect('norm');
      return { do: 'clip', buffers, norm: c.number() };
    },
  },
  rate: {
    print: ({ into }) => `into ${printName(into)}`,
    read: (c) => ({ do: 'rate', into: after(c, 'into') }),
  },
  metric: {
    print: ({ target, predicted, labels }) =>
      `${printName(target)} predicted ${printName(predicted)} labels ${printName(labels)}`,
    read: (c) => ({
      do: 'metric',
      target: c.name(),
      predicted: after(c, 'predicted'),
      labels: after(c, 'labels'),
    }),
  },
  store: {
    print: ({ output, from }) => `${printName(output)} from ${printName(from)}`,
    read: (c) => ({ do: 'store', output: c.name(), from: after(c, 'from') }),
  },
  report: {
    print: ({ from }) => `from ${printName(from)}`,
    read: (c) => ({ do: 'report', from: after(c, 'from') }),
  },
  free: {
    print: ({ buffers }) => names(buffers),
    read: (c) => ({ do: 'free', buffers: readList(c) }),
  },
};

const instructionWords = Object.keys(forms) as readonly Instruction['do'][];

/** One instruction as a line: what a device announces, what a fault names. */
export function printInstruction<D extends Instruction['do']>(instruction: InstructionOf<D>): string {
  const form = forms[instruction.do as D] as unknown as Form<D>;
  return `${instruction.do} ${form.print(instruction)}`;
}

export const readInstruction = (cursor: Cursor): Instruction =>
  forms[cursor.oneOf(instructionWords)].read(cursor);

const printBox = (box: Box): string => `[${box.map(({ from, to }) => `${from}..${to}`).join(', ')}]`;

const printBuffer = ({
  name,
  value,
  element,
  dims,
  box,
  part,
  bytes,
  birth,
  death,
  offset,
}: Buffer): string => {
  const cells = box === undefined ? '' : ` cells ${printBox(box)}`;
  const place = part === undefined ? '' : ` part [${part.join(', ')}]`;
  return `buffer ${printName(name)} of ${printName(value)} ${element} [${dims.join(', ')}]${cells}${place} bytes ${bytes} from ${birth} to ${death} at ${offset}`;
};

function readBuffer(cursor: Cursor): Buffer {
  const name = cursor.name();
  const value = after(cursor, 'of');
  const element = cursor.oneOf<Element>(['f32', 'u8']);
  const dims = cursor.list(() => cursor.integer());
  const box = cursor.take('cells') ? cursor.list(() => readRange(cursor)) : undefined;
  const part = cursor.take('part') ? cursor.list(() => cursor.integer()) : undefined;
  const numberAfter = (word: string) => {
    cursor.expect(word);
    return cursor.integer();
  };
  return {
    name,
    value,
    element,
    dims,
    ...(box === undefined ? {} : { box }),
    ...(part === undefined ? {} : { part }),
    bytes: numberAfter('bytes'),
    birth: numberAfter('from'),
    death: numberAfter('to'),
    offset: numberAfter('at'),
  };
}

export const printAxis = ({ cuts, tiles, classes }: Axis): string =>
  `axis cuts [${cuts.join(', ')}] tiles [${tiles.join(', ')}] classes [${classes.join(', ')}]`;

export function readAxis(cursor: Cursor): Axis {
  cursor.expect('cuts');
  const cuts = cursor.list(() => cursor.integer());
  cursor.expect('tiles');
  const tiles = cursor.list(() => cursor.integer());
  cursor.expect('classes');
  return { cuts, tiles, classes: cursor.list(() => cursor.integer()) };
}

const printSegment = ({ name, samples, graph, workspace, heap, cleared }: Segment): string[] => [
  [
    `segment ${printName(name)} samples ${samples} workspace ${workspace}`,
    ...(heap === undefined ? [] : [`heap ${heap}`]),
    ...(cleared === undefined ? [] : [`cleared ${cleared}`]),
    '{',
  ].join(' '),
  ...indent(printGraph(graph)),
  '}',
];

function readSegment(cursor: Cursor): Segment {
  const name = cursor.name();
  cursor.expect('samples');
  const samples = cursor.integer();
  cursor.expect('workspace');
  const workspace = cursor.integer();
  const heap = cursor.take('heap') ? { heap: cursor.integer() } : {};
  const cleared = cursor.take('cleared') ? { cleared: cursor.integer() } : {};
  cursor.expect('{');
  const graph = readGraph(cursor);
  cursor.expect('}');
  return { name, samples, graph, workspace, ...heap, ...cleared };
}

/** `before`: the role that was printed last. Roles of a stage have buffers and instructions in common. */
function printRole(role: Role, before?: Printed): Printed {
  const { name, stage, classes, buffers, instructions, arenaBytes, peakBytes } = role;
  const bufferLines = buffers.map((one, i) =>
    before?.role.buffers[i] === one ? at(before.bufferLines, i) : `    ${printBuffer(one)}\n`,
  );
  const lines = instructions.map((one, i) =>
    before?.role.instructions[i] === one ? at(before.lines, i) : `    ${printInstruction(one)}\n`,
  );
  let text = `  role ${printName(name)} stage ${stage} classes [${classes.join(', ')}] arena ${arenaBytes} peak ${peakBytes} {\n`;
  for (const line of bufferLines) text += line;
  for (const line of lines) text += line;
  return { role, bufferLines, lines, text: `${text}  }\n` };
}

/** The text of a role in a plan, and the lines of its buffers and of its instructions. */
type Printed = {
  readonly role: Role;
  readonly bufferLines: readonly string[];
  readonly lines: readonly string[];
  readonly text: string;
};

function readRole(cursor: Cursor): Role {
  const name = cursor.name();
  const stage = stageOf(cursor);
  cursor.expect('classes');
  const classes = cursor.list(() => cursor.integer());
  cursor.expect('arena');
  const arenaBytes = cursor.integer();
  cursor.expect('peak');
  const peakBytes = cursor.integer();
  cursor.expect('{');
  const buffers: Buffer[] = [];
  while (cursor.take('buffer')) buffers.push(readBuffer(cursor));
  const instructions: Instruction[] = [];
  while (!cursor.take('}')) instructions.push(readInstruction(cursor));
  return { name, stage, classes, buffers, instructions, arenaBytes, peakBytes };
}

const printState = ({ buffer, parameter, slot }: State): string =>
  `state ${printName(buffer)} ${slot} of ${printName(parameter)}`;

function readState(cursor: Cursor): State {
  const buffer = cursor.name();
  const slot = cursor.oneOf(['weight', 'average', 'square', 'momentum']);
  return { buffer, slot, parameter: after(cursor, 'of') };
}

/** Part after part: plans are large, and who writes one into a file needs no more than a part at a time. */
export function* printPlanParts(plan: Plan): Generator<string> {
  yield `plan ${printName(plan.name)} ${plan.purpose} on ${plan.executor} samples ${plan.samples} {\n`;
  yield textOf(indent(printModelLines(plan.model)));
  yield textOf(indent([...printScheduleLines(plan.schedule), ...plan.axes.map(printAxis)]));
  for (const segment of plan.segments) yield textOf(indent(printSegment(segment)));
  let printed: Printed | undefined;
  for (const role of plan.roles) {
    printed = printRole(role, printed);
    yield printed.text;
  }
  yield textOf([...indent(plan.states.map(printState)), '}']);
}

const textOf = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('');

export const printPlan = (plan: Plan): string => [...printPlanParts(plan)].join('');

/** Statements of one kind, as long as they follow one another. */
export function readAll<T>(cursor: Cursor, word: string, read: (cursor: Cursor) => T): T[] {
  const items: T[] = [];
  while (cursor.take(word)) items.push(read(cursor));
  return items;
}

export function readPlan(cursor: Cursor): Plan {
  cursor.expect('plan');
  const name = cursor.name();
  const purpose = cursor.oneOf(['train', 'predict']);
  cursor.expect('on');
  const executor = cursor.oneOf(['processes', 'torch']);
  cursor.expect('samples');
  const samples = cursor.integer();
  cursor.expect('{');
  const plan: Plan = {
    name,
    purpose,
    executor,
    samples,
    model: readModel(cursor),
    schedule: readWholeSchedule(cursor),
    axes: readAll(cursor, 'axis', readAxis),
    segments: readAll(cursor, 'segment', readSegment),
    roles: readAll(cursor, 'role', readRole),
    states: readAll(cursor, 'state', readState),
  };
  cursor.expect('}');
  return plan;
}
