/** Modules as text: what `unetc opt` reads and writes, and what a failed verification shows. */
import type { Gradient, Module, ModuleAt, Program, Stage } from '../module.ts';
import type { Cursor } from './cursor.ts';
import { printName } from './data.ts';
import { printGraph, printRange, readGraph, readRange } from './graph.ts';
import { printMachine, readMachineAt } from './machine.ts';
import { indent, printModelLines, readModel } from './model.ts';
import { printAxis, printPlan, readAll, readAxis, readPlan } from './plan.ts';
import { printScheduleLines, readSchedule, readWholeSchedule } from './schedule.ts';

const printProgram = ({ name, classes, origins, forward, strips, graph }: Program): string[] => [
  [
    `program ${printName(name)} classes [${classes.join(', ')}] origins [${origins.join(', ')}]`,
    ...(forward === undefined ? [] : [`forward ${forward}`]),
    ...(strips === undefined ? [] : [`strips [${strips.map(printRange).join(', ')}]`]),
    '{',
  ].join(' '),
  ...indent(printGraph(graph)),
  '}',
];

function readProgram(cursor: Cursor): Program {
  const name = cursor.name();
  cursor.expect('classes');
  const classes = cursor.list(() => cursor.integer());
  cursor.expect('origins');
  const origins = cursor.list(() => cursor.integer());
  const forward = cursor.take('forward') ? cursor.integer() : undefined;
  const strips = cursor.take('strips') ? cursor.list(() => readRange(cursor)) : undefined;
  cursor.expect('{');
  const graph = readGraph(cursor);
  cursor.expect('}');
  return {
    name,
    classes,
    origins,
    ...(forward === undefined ? {} : { forward }),
    ...(strips === undefined ? {} : { strips }),
    graph,
  };
}

const printGradient = ({ parameter, value }: Gradient): string =>
  `gradient ${printName(parameter)} ${printName(value)}`;

type Form<S extends Stage> = {
  print(module: ModuleAt<S>): string[];
  read(cursor: Cursor): ModuleAt<S>;
};

const forms: { readonly [S in Stage]: Form<S> } = {
  model: {
    print: ({ model, pins, machine }) => [
      ...printModelLines(model),
      ...printScheduleLines({ name: model.name, ...pins }),
      ...(machine === undefined ? [] : [printMachine(machine).trimEnd()]),
    ],
    read(cursor) {
      const model = readModel(cursor);
      const { name: _, ...pins } = readSchedule(cursor);
      const machine = cursor.peek().text === 'machine' ? readMachineAt(cursor) : undefined;
      return { stage: 'model', model, pins, ...(machine === undefined ? {} : { machine }) };
    },
  },
  scheduled: {
    print: ({ model, schedule }) => [...printModelLines(model), ...printScheduleLines(schedule)],
    read: (cursor) => ({
      stage: 'scheduled',
      model: readModel(cursor),
      schedule: readWholeSchedule(cursor),
    }),
  },
  sharded: {
    print: ({ model, schedule, axes, programs }) => [
      ...printModelLines(model),
      ...printScheduleLines(schedule),
      ...axes.map(printAxis),
      ...programs.flatMap(printProgram),
    ],
    read: (cursor) => ({
      stage: 'sharded',
      model: readModel(cursor),
      schedule: readWholeSchedule(cursor),
      axes: readAll(cursor, 'axis', readAxis),
      programs: readAll(cursor, 'program', readProgram),
    }),
  },
  differentiated: {
    print: (module) => [
      ...forms.sharded.print({ ...module, stage: 'sharded' }),
      ...module.gradients.map(printGradient),
    ],
    read(cursor) {
      const sharded = forms.sharded.read(cursor);
      const gradients = readAll(cursor, 'gradient', (c) => ({ parameter: c.name(), value: c.name() }));
      return { ...sharded, stage: 'differentiated', gradients };
    },
  },
  plan: {
    print: ({ allocated, plan }) => [...(allocated ? ['allocated'] : []), printPlan(plan).trimEnd()],
    read(cursor) {
      const allocated = cursor.take('allocated');
      return { stage: 'plan', allocated, plan: readPlan(cursor) };
    },
  },
};

const stages = Object.keys(forms) as readonly Stage[];

export function printModule<S extends Stage>(module: ModuleAt<S>): string {
  const form = forms[module.stage as S] as unknown as Form<S>;
  return `module ${module.stage}\n${form.print(module).join('\n')}\n`;
}

/** Reads a module; a plan by itself, as a bundle has it, is one too. */
export function readModule(cursor: Cursor): Module {
  if (cursor.peek().text === 'plan') return { stage: 'plan', allocated: true, plan: readPlan(cursor) };
  cursor.expect('module');
  return forms[cursor.oneOf(stages)].read(cursor);
}
