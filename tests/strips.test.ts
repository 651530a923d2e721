/** Strips: what a schedule may ask for, and each way of breaking a plan with strips is caught by name. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { carryOut } from '../compiler/compile.ts';
import { compileModel } from '../compiler/front/lower-model.ts';
import { at, shift } from '../ir/box.ts';
import type { Op } from '../ir/graph.ts';
import type { Model } from '../ir/model.ts';
import type { Instruction, Plan, Role } from '../ir/plan.ts';
import { plainDecisions, type Schedule, type Strips } from '../ir/schedule.ts';
import { readStripName } from '../ir/strips.ts';
import { verifyPlan } from '../ir/verify/plan.ts';
import { verifySchedule } from '../ir/verify/schedule.ts';
import { valueIn as good } from './support/devices.ts';
import { planOf } from './support/exactness.ts';
import { networkOf, type Recipe } from './support/networks.ts';
import { numbers } from './support/schedules.ts';

const recipe: Recipe = {
  sizes: [18, 21],
  levels: 1,
  width: 2,
  convs: 1,
  kernel: 3,
  dilation: 1,
  same: true,
  down: 'max_pool',
  up: 'up_conv',
  skip: 'concat',
  activation: 'relu',
  norm: 'none',
  dropout: 'none',
  beside: 'nothing',
  loss: 'cross_entropy',
  batch: 4,
};

const network = (changes: Partial<Recipe>): Model => {
  const model = networkOf({ ...recipe, ...changes });
  if (model === undefined) throw new Error('the recipe makes no network');
  return model;
};

const opOf = (model: Model, kind: string, which = 0): string =>
  at(
    model.ops.filter((op) => op.kind === kind),
    which,
  ).output;

const model = network({});
const encoder = { from: opOf(model, 'conv'), to: opOf(model, 'max_pool'), count: 2 };
const decoder = { from: opOf(model, 'up_conv'), to: opOf(model, 'cross_entropy'), count: 3 };

const decided = (of: Model, decisions: Partial<Schedule>): Schedule => ({
  ...plainDecisions(2),
  name: of.name,
  devices: 1,
  cuts: [
    [0, 18],
    [0, 21],
  ],
  ...decisions,
});

const refusals = (of: Model, strips: readonly Strips[], decisions: Partial<Schedule> = {}): string =>
  verifySchedule(of, decided(of, { ...decisions, strips }))
    .map(({ message }) => message)
    .join('\n');

test('what cannot be done in strips is refused by name', () => {
  assert.is(refusals(model, [encoder, decoder]), '');
  const { from, to } = decoder;
  assert.match(refusals(model, [{ ...decoder, from: 'conv' }]), /no op of the model is called `conv`/);
  assert.match(refusals(model, [{ from: to, to: from, count: 2 }]), /comes before/);
  assert.match(refusals(model, [decoder, { from, to: from, count: 2 }]), /overlap those from `up_conv/);
  assert.match(refusals(model, [{ ...decoder, count: 5000 }]), /at most 4096/);
  assert.is(refusals(model, [{ ...decoder, of: 'columns' }]), '');
  assert.match(refusals(model, [{ ...decoder, of: 'slices' }]), /has no slices/);
  const exchanges = [{ before: opOf(model, 'conv', 2), operand: 0, cells: 1 }];
  assert.match(refusals(model, [decoder], { exchanges }), /margins are exchanged before `conv\[9\]`/);
  const cut = {
    chunks: [
      { from: '', stage: 0 },
      { from: opOf(model, 'concat'), stage: 1 },
    ],
    devices: 2,
  };
  assert.match(refusals(model, [decoder], { ...cut, order: 'gpipe' }), /a stage begins between the two/);
  assert.is(refusals(model, [encoder], { ...cut, order: 'gpipe' }), '');
});

test('strips across live statistics are refused by name', () => {
  const normed = network({ norm: 'instance' });
  const across = [{ from: opOf(normed, 'conv'), to: opOf(normed, 'relu'), count: 2 }];
  assert.match(refusals(normed, across), /`moments\[\d\]` takes the statistics of a whole sample/);
  const behind = [{ from: opOf(normed, 'normalize'), to: opOf(normed, 'relu'), count: 2 }];
  assert.is(refusals(normed, behind), '');
  const diced = network({ loss: 'dice' });
  const sums = [{ from: opOf(diced, 'up_conv'), to: opOf(diced, 'dice_sums'), count: 2 }];
  assert.match(refusals(diced, sums), /`dice_sums\[\d+\]` is made of sums over a whole sample/);
});

test('the forward pass keeps what enters, and no more strips run than there are rows', () => {
  const one = planOf(model, { devices: 1, strips: [{ ...decoder, count: 400 }] });
  const runs = at(one.roles, 0).instructions.filter((it) => it.do === 'run' && it.why === 'strip');
  assert.is(runs.length, 18);
  const values = new Set(at(one.roles, 0).buffers.map(({ value }) => value));
  assert.ok(values.has(opOf(model, 'relu')) && !values.has(opOf(model, 'concat')));
});

test('all of a network in strips, of tiles that come one after another, is sound', () => {
  const all = { from: at(model.ops, 0).output, to: opOf(model, 'cross_entropy'), count: 2 };
  const plan = planOf(model, { devices: 1, tiles: [2, 1], stream: [2, 1], strips: [all] });
  assert.equal(verifyPlan(plan), []);
});

const inStrips = (strips: readonly Strips[]): Plan =>
  planOf(model, { devices: 4, microBatches: 2, tiles: [2, 2], strips });

const sound = inStrips([encoder, decoder]);

/** Plans to break: strips of rows, and of columns. */
const plans = [sound, inStrips([encoder, decoder].map((one) => ({ ...one, of: 'columns' })))];

type Draw = (below: number) => number;
type Mutation = (plan: Plan, draw: Draw) => Plan | undefined;

const replaceAt = <T>(list: readonly T[], index: number, ...items: readonly T[]): T[] => [
  ...list.slice(0, index),
  ...items,
  ...list.slice(index + 1),
];

/** Changes one of the instructions that are chosen. */
const inInstruction =
  (
    chosen: (it: Instruction, role: Role) => boolean,
    change: (it: Instruction, role: Role, draw: Draw) => readonly Instruction[],
  ): Mutation =>
  (plan, draw) => {
    const index = draw(plan.roles.length);
    const role = at(plan.roles, index);
    const places = role.instructions.flatMap((it, i) => (chosen(it, role) ? [i] : []));
    if (places.length === 0) return undefined;
    const place = at(places, draw(places.length));
    const changed = change(at(role.instructions, place), role, draw);
    return {
      ...plan,
      roles: replaceAt(plan.roles, index, {
        ...role,
        instructions: replaceAt(role.instructions, place, ...changed),
      }),
    };
  };

const inOp =
  (chosen: (op: Op) => boolean, change: (op: Op) => Op): Mutation =>
  (plan, draw) => {
    const places = plan.segments.flatMap(({ graph }, s) =>
      graph.ops.flatMap((op, i) => (chosen(op) ? [[s, i] as const] : [])),
    );
    if (places.length === 0) return undefined;
    const [s, i] = at(places, draw(places.length));
    const segment = at(plan.segments, s);
    const body = replaceAt(segment.graph.ops, i, change(at(segment.graph.ops, i)));
    return {
      ...plan,
      segments: replaceAt(plan.segments, s, { ...segment, graph: { ...segment.graph, ops: body } }),
    };
  };

const valueIn = (role: Role, name: string): string =>
  role.buffers.find((one) => one.name === name)?.value ?? '';

type Adding = Extract<Instruction, { do: 'paste' | 'accumulate' }>;
const adds =
  (...kinds: readonly string[]) =>
  (it: Instruction, role: Role): it is Adding =>
    (it.do === 'paste' || it.do === 'accumulate') &&
    kinds.includes(readStripName(valueIn(role, it.from))?.kind ?? '');
const isShare = adds('share', 'own');
const isOwn = adds('own');
const isStrip = (it: Instruction) => it.do === 'run' && it.why === 'strip';
const ofKind = (kind: string) => (op: Op) =>
  readStripName(op.output)?.kind === kind && op.type.kind === 'map';

const shifted = (op: Op, axis: number): Op =>
  op.type.kind === 'map'
    ? ({ ...op, type: { ...op.type, box: op.type.box.map((r, i) => (i === axis ? shift(r, 1) : r)) } } as Op)
    : op;

/** Of what a strip is scored on, both the labels and what is predicted, the last row is left out. */
const fewerRows = (op: Op): Op => {
  const [r, ...rest] = op.type.kind === 'map' ? op.type.box : [];
  const isScored = op.kind === 'crop' && op.output.startsWith('truth~rows');
  if (!isScored || op.type.kind !== 'map' || r === undefined || r.to - r.from < 2) return op;
  const [[lo, hi] = [0, 0], ...others] = op.attrs.sides;
  const box = [{ from: r.from, to: r.to - 1 }, ...rest];
  return { ...op, attrs: { sides: [[lo, hi + 1], ...others] }, type: { ...op.type, box } };
};

const mutations: Readonly<Record<string, Mutation>> = {
  'lose a share': inInstruction(isShare, () => []),
  'add a share twice': inInstruction(
    (it, role) => isShare(it, role) && !it.first,
    (it) => [it, it],
  ),
  'lose the shares before': inInstruction(
    (it, role) => isShare(it, role) && !it.first,
    (it, role) => (isShare(it, role) ? [{ ...it, first: true }] : []),
  ),
  'add to what was not cleared': inInstruction(
    (it, role) => isShare(it, role) && it.first,
    (it, role) => (isShare(it, role) ? [{ ...it, first: false }] : []),
  ),
  'add a share to another sum': inInstruction(
    (it, role) => isShare(it, role) && !it.first,
    (it, role, draw) => {
      if (!isShare(it, role)) return [];
      const others = role.instructions.flatMap((one) =>
        isShare(one, role) && one.do === it.do && one.into !== it.into ? [one.into] : [],
      );
      return others.length === 0 ? [] : [{ ...it, into: at(others, draw(others.length)) }];
    },
  ),
  'add the share of another strip again': inInstruction(
    (it, role) => isShare(it, role) && !it.first,
    (it, role) =>
      isShare(it, role)
        ? role.instructions.filter((one) => isShare(one, role) && one.into === it.into).slice(0, 1)
        : [],
  ),
  'leave a strip out': inInstruction(isStrip, () => []),
  'do a strip twice': inInstruction(isStrip, (it) => [it, it]),
  'do a strip of another micro-batch': inInstruction(isStrip, (it) =>
    it.do === 'run' ? [{ ...it, micro: 1 - it.micro }] : [],
  ),
  'do one strip in place of another': (plan, draw) => {
    const runs = plan.segments.filter(({ name }) => name.startsWith('strip'));
    const [from, to] = [at(runs, draw(runs.length)), at(runs, draw(runs.length))];
    if (from === to) return undefined;
    const segments = plan.segments.map((one) => (one === to ? { ...from, name: to.name } : one));
    return { ...plan, segments };
  },
  'shift the rows that a strip reads': inOp(ofKind('rows'), (op) => shifted(op, 0)),
  'read other rows': inOp(
    (op) => op.kind === 'crop' && ofKind('rows')(op) && (op.attrs.sides[0]?.[1] ?? 0) > 0,
    (op) =>
      op.kind === 'crop'
        ? ({
            ...shifted(op, 0),
            attrs: { sides: op.attrs.sides.map(([lo, hi], i) => (i === 0 ? [lo + 1, hi - 1] : [lo, hi])) },
          } as Op)
        : op,
  ),
  'shift what a strip computes again': inOp(ofKind('strip'), (op) => shifted(op, 0)),
  'shift a share': inOp(ofKind('share'), (op) => shifted(op, 1)),
  'lose a part of a loss or a prediction': inInstruction(isOwn, () => []),
  'add a part of a loss or a prediction twice': inInstruction(
    (it, role) => isOwn(it, role) && !it.first,
    (it) => [it, it],
  ),
  'shift a prediction': inOp(ofKind('own'), (op) => shifted(op, 0)),
  'hold the prediction of a strip against all labels': inOp(
    (op) => op.kind === 'cross_entropy' && readStripName(op.output)?.kind === 'own',
    (op) => ({ ...op, inputs: op.inputs.map((name, i) => (i === 1 ? 'truth' : name)) }) as Op,
  ),
  'sum the loss over fewer rows': (plan) => ({
    ...plan,
    segments: plan.segments.map((segment) => ({
      ...segment,
      graph: { ...segment.graph, ops: segment.graph.ops.map(fewerRows) },
    })),
  }),
  'take a metric before the last strip': inInstruction(
    (it, role) => isOwn(it, role) && it.do === 'paste' && !it.first,
    (it, role) => {
      const metric = role.instructions.find((one) => one.do === 'metric');
      return metric === undefined ? [it] : [metric, it];
    },
  ),
  'compute the loss before the last strip': (plan) => ({
    ...plan,
    roles: plan.roles.map((role) => {
      const loss = role.instructions.findLastIndex((it) => isOwn(it, role) && it.do === 'accumulate');
      const total = role.instructions.findIndex(
        (it, i) => i > loss && it.do === 'accumulate' && !isShare(it, role),
      );
      const instructions = [...role.instructions];
      const [moved] = instructions.splice(total, 1);
      if (moved !== undefined) instructions.splice(loss, 0, moved);
      return { ...role, instructions };
    }),
  }),
  'give the strips more rows to do': (plan) => ({
    ...plan,
    schedule: { ...plan.schedule, strips: plan.schedule.strips.map((one) => ({ ...one, count: 1 })) },
  }),
  'say that strips are of rows, or of columns, and they are not': (plan) => ({
    ...plan,
    schedule: {
      ...plan.schedule,
      strips: plan.schedule.strips.map((one) => ({ ...one, of: one.of === 'columns' ? 'rows' : 'columns' })),
    },
  }),
  'pad where there are rows': inOp(
    (op) => op.kind === 'conv' && ofKind('strip')(op) && op.attrs.kernel[0] === 3,
    (op) =>
      op.kind === 'conv'
        ? { ...op, attrs: { ...op.attrs, pad: op.attrs.pad.map(([lo, hi]) => [hi + 1, lo]) } }
        : op,
  ),
  'put a sum elsewhere': (plan) => ({
    ...plan,
    roles: plan.roles.map((role) => ({
      ...role,
      buffers: role.buffers.map((one) =>
        one.value.includes('~sum') && one.box !== undefined
          ? { ...one, box: one.box.map((r) => shift(r, 1)) }
          : one,
      ),
    })),
  }),
  'read a sum before its last share': inInstruction(isStrip, (it, role) => {
    const sum = role.instructions.find((one) => isShare(one, role) && one.do === 'accumulate');
    return sum?.do === 'accumulate'
      ? [it, { do: 'accumulate', from: sum.into, into: sum.from, first: true }]
      : [it];
  }),
};

test('a plan with strips is sound', () => {
  for (const plan of plans) assert.equal(verifyPlan(plan), []);
  const values = sound.roles.flatMap(({ instructions }) => instructions.map((it) => it.do));
  assert.ok(values.includes('paste'));
});

for (const [name, mutate] of Object.entries(mutations))
  test(`caught: ${name}`, () => {
    let met = 0;
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const draw = numbers(seed);
        const broken = mutate(at(plans, draw(plans.length)), draw);
        fc.pre(broken !== undefined);
        met++;
        const faults = verifyPlan(broken);
        assert.ok(faults.length > 0, `not caught: ${name}`);
        assert.ok(faults.every(({ message }) => message.length > 10));
      }),
      { numRuns: 30 },
    );
    assert.ok(met > 0);
  });

test('a fault names the role, the instruction and the share', () => {
  const role = at(sound.roles, 0);
  const index = role.instructions.findIndex((it) => it.do === 'paste' && adds('share')(it, role));
  const broken = {
    ...sound,
    roles: replaceAt(sound.roles, 0, { ...role, instructions: replaceAt(role.instructions, index) }),
  };
  const messages = verifyPlan(broken)
    .map(({ message }) => message)
    .join('\n');
  assert.match(
    messages,
    /role_0_0: instruction \d+ \(run strip_\d+ \(strip.*share0?\d?\.\d+` is added 0 times/,
  );
});

// Both strips called what they cut out of it by one name.
test('strips of which each needs all rows of what enters cut pieces of their own', () => {
  const text = `model res
input  image : f32[1, 8, 8]
target cells : class[8, 8] of 2
let x = image |> conv(4, 3)
let y = x |> conv(4, 3) |> relu |> conv(4, 3) |> relu |> conv(4, 3) |> relu |> conv(4, 3)
loss cross_entropy((x + y) |> conv(2, 1), cells)
train sgd(1e-2), batch = 2, steps = 3
`;
  const small = good(compileModel(text, 'res.unet', { purpose: 'train', sets: {} }));
  const strips = [{ from: opOf(small, 'conv', 1), to: opOf(small, 'cross_entropy'), count: 2 }];
  const cuts = [
    [0, 8],
    [0, 8],
  ];
  const schedule = { ...plainDecisions(2), name: small.name, devices: 1, cuts, strips };
  assert.equal(verifyPlan(good(carryOut(small, schedule))), []);
});

test.run();
