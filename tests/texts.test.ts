/** Texts of models, schedules, modules and plans read back as what was printed. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { planPipeline } from '../compiler/pipelines.ts';
import { isFault } from '../ir/diagnostics/diagnostic.ts';
import type { Module } from '../ir/module.ts';
import type { Instruction } from '../ir/plan.ts';
import { axisWords } from '../ir/schedule.ts';
import { readText } from '../ir/text/cursor.ts';
import { type Data, printData, readData } from '../ir/text/data.ts';
import { printModule, readModule } from '../ir/text/module.ts';
import { printInstruction, readInstruction } from '../ir/text/plan.ts';
import { printSchedule, readSchedule } from '../ir/text/schedule.ts';
import { networkOf, recipes } from './support/networks.ts';
import { pinsFor } from './support/schedules.ts';

function roundTrip(module: Module): void {
  const text = printModule(module);
  const back = readText(text, 'module', readModule);
  assert.ok(back.ok, back.ok ? '' : JSON.stringify(back.diagnostics));
  if (back.ok) {
    assert.equal(back.value, module);
    assert.is(printModule(back.value), text);
  }
}

test('every stage of drawn networks under drawn schedules', () => {
  fc.assert(
    fc.property(recipes(), fc.nat(), (recipe, choice) => {
      const model = networkOf(recipe);
      fc.pre(model !== undefined);
      let module: Module = { stage: 'model', model, pins: pinsFor(model, choice) };
      roundTrip(module);
      for (const pass of planPipeline) {
        const next = pass.run(module as never);
        if (isFault(next)) return;
        roundTrip(next);
        module = next;
      }
    }),
    { numRuns: 60 },
  );
});

const datum: fc.Arbitrary<Data> = fc.letrec<{ data: Data }>((tie) => ({
  data: fc.oneof(
    { maxDepth: 3 },
    fc.string(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.integer(),
    fc.boolean(),
    fc.array(tie('data')),
    fc.dictionary(
      fc.string().filter((key) => key !== '__proto__'),
      tie('data'),
    ),
  ),
})).data;

test('any plain data', () => {
  fc.assert(
    fc.property(datum, (data) => {
      const back = readText(printData(data), 'data', readData);
      assert.ok(back.ok);
      if (back.ok) assert.is(JSON.stringify(back.value), JSON.stringify(data));
    }),
  );
});

const name = fc.oneof(fc.constantFrom('image#0', 'unet.encode[0].conv[1].weight~grad', 'micro'), fc.string());
const list = fc.array(name, { maxLength: 3 });
const count = fc.nat(99);
const group = fc.constantFrom('grid' as const, 'stage' as const, 'all' as const);
const cell = fc.integer({ min: -99, max: 99 });
const box = fc.array(fc.record({ from: cell, to: cell }), { minLength: 1, maxLength: 3 });
const pieces = fc.array(fc.record({ offset: fc.array(cell, { minLength: 1, maxLength: 3 }), box }), {
  maxLength: 3,
});
const instructions: fc.Arbitrary<Instruction> = fc.oneof(
  fc.record({ do: fc.constant('load' as const), source: name, micro: count, into: name }),
  fc.record({ do: fc.constant('draw' as const), source: name, micro: count, into: name }),
  fc.record({ do: fc.constant('count' as const), source: name, from: name, into: name, first: fc.boolean() }),
  fc.record({
    do: fc.constant('run' as const),
    segment: name,
    why: fc.constantFrom('forward' as const, 'backward' as const, 'step' as const, 'update' as const),
    micro: count,
    reads: list,
    writes: list,
  }),
  fc.record({ do: fc.constant('accumulate' as const), from: name, into: name, first: fc.boolean() }),
  fc.record({ do: fc.constant('all_reduce' as const), over: group, micro: count, buffers: list }),
  fc.record({ do: fc.constant('all_gather' as const), over: group, micro: count, from: name, into: name }),
  fc.record({
    do: fc.constant('reduce_scatter' as const),
    over: group,
    micro: count,
    from: name,
    into: name,
  }),
  fc.record(
    {
      do: fc.constant('exchange' as const),
      name,
      value: name,
      back: fc.boolean(),
      micro: count,
      from: name,
      into: name,
      keeps: box,
      sends: pieces,
      receives: pieces,
    },
    { requiredKeys: ['do', 'name', 'value', 'back', 'micro', 'sends', 'receives'] },
  ),
  fc.record({ do: fc.constant('send' as const), name, micro: count, stage: count, from: name }),
  fc.record({ do: fc.constant('receive' as const), name, micro: count, stage: count, into: name }),
  fc.record({ do: fc.constant('paste' as const), from: name, into: name, first: fc.boolean() }),
  fc.record({
    do: fc.constant('clip' as const),
    buffers: list,
    norm: fc.double({ min: 0.001, max: 1e9, noNaN: true }),
  }),
  fc.record({ do: fc.constant('rate' as const), into: name }),
  fc.record({ do: fc.constant('metric' as const), target: name, predicted: name, labels: name }),
  fc.record({ do: fc.constant('store' as const), output: name, from: name }),
  fc.record({ do: fc.constant('report' as const), from: name }),
  fc.record({ do: fc.constant('free' as const), buffers: list }),
);

/** Without what only fast-check's records have. */
const plain = (data: unknown): unknown => JSON.parse(JSON.stringify(data));

test('every kind of instruction', () => {
  fc.assert(
    fc.property(instructions, (instruction) => {
      const back = readText(printInstruction(instruction), 'instruction', readInstruction);
      assert.ok(back.ok);
      if (back.ok) assert.equal(back.value, plain(instruction));
    }),
    { numRuns: 500 },
  );
});

test('schedules, complete or with decisions left open', () => {
  const cuts = fc
    .uniqueArray(fc.integer({ min: 1, max: 500 }), { minLength: 1, maxLength: 4 })
    .map((marks) => [0, ...marks.sort((a, b) => a - b)]);
  const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
  const positive = fc.integer({ min: 1, max: 99 });
  const values = fc.array(
    name.filter((word) => word !== 'nothing'),
    { maxLength: 3 },
  );
  const schedules = fc.record({
    devices: optional(positive),
    replicas: optional(positive),
    microBatches: optional(positive),
    tiles: optional(fc.array(positive, { minLength: 1, maxLength: 3 })),
    cuts: optional(fc.array(cuts, { minLength: 1, maxLength: 3 })),
    order: optional(fc.constantFrom('one_after_another' as const, 'gpipe' as const, '1f1b' as const)),
    stream: optional(fc.array(positive, { minLength: 1, maxLength: 3 })),
    exchanges: optional(
      fc.array(fc.record({ before: name, operand: fc.nat(3), cells: positive }), { maxLength: 3 }),
    ),
    coarsen: optional(
      fc.record({ grid: fc.array(positive, { minLength: 1, maxLength: 3 }), level: fc.nat(5) }),
    ),
    chunks: optional(
      fc.oneof(
        fc.constant([]),
        fc
          .array(fc.record({ from: name, stage: fc.nat(5) }), { minLength: 1, maxLength: 3 })
          .map((chunks) => chunks.map((chunk, i) => (i === 0 ? { from: '', stage: 0 } : chunk))),
      ),
    ),
    pace: optional(
      fc
        .tuple(positive, fc.array(fc.tuple(positive, positive), { minLength: 1, maxLength: 3 }))
        .map(([inFlight, times]) => ({
          inFlight,
          forward: times.map(([first]) => first),
          backward: times.map(([, second]) => second),
        })),
    ),
    drop: optional(values),
    lean: optional(values),
    strips: optional(
      fc.array(
        fc.record(
          { from: name, to: name, count: positive, of: fc.constantFrom(...axisWords) },
          { requiredKeys: ['from', 'to', 'count'] },
        ),
        { maxLength: 2 },
      ),
    ),
  });
  fc.assert(
    fc.property(schedules, (drawn) => {
      const pins = Object.fromEntries(Object.entries(drawn).filter(([, value]) => value !== undefined));
      const back = readText(printSchedule({ name: 's', ...pins }), 's', readSchedule);
      assert.ok(back.ok);
      if (back.ok) assert.equal(back.value, plain({ name: 's', ...pins }));
    }),
  );
});

test('what cannot be read is named with its place', () => {
  const back = readText('schedule s\n  replicas two\n', 'my.schedule', readSchedule);
  assert.not.ok(back.ok);
  if (back.ok) return;
  const [fault] = back.diagnostics;
  assert.is(fault?.message, 'expected a whole number from 1, found `two`');
  assert.equal(fault?.span, { file: 'my.schedule', line: 2, column: 12, length: 3 });
});

test.run();
