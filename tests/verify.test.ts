/** The verifier: sound plans pass, and each way of breaking one is caught by name. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { at } from '../ir/box.ts';
import type { Graph, Op } from '../ir/graph.ts';
import type { Buffer, Instruction, Plan, Role, Segment } from '../ir/plan.ts';
import { verifyPlan } from '../ir/verify/plan.ts';
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

const model = networkOf(recipe);
if (model === undefined) throw new Error('the recipe makes no network');
const clipped = { ...model, training: { ...model.training, clip: 1 } as NonNullable<typeof model.training> };
const sound = planOf(clipped, { devices: 8, replicas: 2, microBatches: 2, tiles: [2, 2] });

test('a plan of the compiler is sound', () => {
  assert.equal(verifyPlan(sound), []);
});

/** Breaks a plan at a place that `draw` chooses; undefined where there is no such place. */
type Mutation = (plan: Plan, draw: (below: number) => number) => Plan | undefined;

const pick = <T>(list: readonly T[], draw: (below: number) => number): T | undefined =>
  list.length === 0 ? undefined : at(list, draw(list.length));

const replaceAt = <T>(list: readonly T[], index: number, ...items: readonly T[]): T[] => [
  ...list.slice(0, index),
  ...items,
  ...list.slice(index + 1),
];

const inRole =
  (change: (role: Role, draw: (below: number) => number, plan: Plan) => Role | undefined): Mutation =>
  (plan, draw) => {
    const index = draw(plan.roles.length);
    const role = change(at(plan.roles, index), draw, plan);
    return role && { ...plan, roles: replaceAt(plan.roles, index, role) };
  };

const inInstruction = (
  chosen: (instruction: Instruction) => boolean,
  change: (instruction: Instruction, draw: (below: number) => number) => readonly Instruction[],
): Mutation =>
  inRole((role, draw) => {
    const places = role.instructions.flatMap((one, i) => (chosen(one) ? [i] : []));
    const index = pick(places, draw);
    if (index === undefined) return undefined;
    const instructions = replaceAt(role.instructions, index, ...change(at(role.instructions, index), draw));
    return { ...role, instructions };
  });

const inBuffer = (
  chosen: (buffer: Buffer) => boolean,
  change: (buffer: Buffer, role: Role) => Buffer | undefined,
): Mutation =>
  inRole((role, draw) => {
    const index = pick(
      role.buffers.flatMap((buffer, i) => (chosen(buffer) ? [i] : [])),
      draw,
    );
    if (index === undefined) return undefined;
    const buffer = change(at(role.buffers, index), role);
    return buffer && { ...role, buffers: replaceAt(role.buffers, index, buffer) };
  });

const inOp =
  (chosen: (op: Op) => boolean, change: (op: Op) => Op): Mutation =>
  (plan, draw) => {
    const places = plan.segments.flatMap(({ graph }, s) =>
      graph.ops.flatMap((op, i) => (chosen(op) && !op.output.includes('back') ? [[s, i] as const] : [])),
    );
    const place = pick(places, draw);
    if (place === undefined) return undefined;
    const segment = at(plan.segments, place[0]);
    const graph: Graph = {
      ...segment.graph,
      ops: replaceAt(segment.graph.ops, place[1], change(at(segment.graph.ops, place[1]))),
    };
    const changed: Segment = { ...segment, graph };
    return { ...plan, segments: replaceAt(plan.segments, place[0], changed) };
  };

const is =
  (...kinds: readonly Instruction['do'][]) =>
  (instruction: Instruction) =>
    kinds.includes(instruction.do);

const mutations: Readonly<Record<string, Mutation>> = {
  'drop an instruction': inInstruction(
    () => true,
    () => [],
  ),
  'do an all_reduce twice': inInstruction(is('all_reduce'), (one) => [one, one]),
  'free a buffer before its last use': inRole((role, draw) => {
    const frees = role.instructions.flatMap((one, i) => (one.do === 'free' && i > 1 ? [i] : []));
    const index = pick(frees, draw);
    if (index === undefined) return undefined;
    const rest = replaceAt(role.instructions, index);
    const earlier = Math.max(0, index - 1);
    const instructions = [...rest.slice(0, earlier), at(role.instructions, index), ...rest.slice(earlier)];
    return { ...role, instructions };
  }),
  'miss one buffer of an all_reduce': inInstruction(is('all_reduce'), (one) =>
    one.do === 'all_reduce' ? [{ ...one, buffers: one.buffers.slice(1) }] : [],
  ),
  'shift a region by one cell': inOp(
    (op) => op.type.kind === 'map' && op.type.box.length > 0 && op.kind !== 'classify',
    (op) =>
      op.type.kind === 'map'
        ? ({
            ...op,
            type: { ...op.type, box: op.type.box.map((r) => ({ from: r.from + 1, to: r.to + 1 })) },
          } as Op)
        : op,
  ),
  'pad where there is image': inOp(
    (op) => op.kind === 'conv' && op.attrs.kernel[0] === 3,
    (op) =>
      op.kind === 'conv'
        ? { ...op, attrs: { ...op.attrs, pad: op.attrs.pad.map(([lo, hi]) => [hi + 1, lo]) } }
        : op,
  ),
  'read another value': inOp(
    (op) => op.kind === 'concat',
    (op) => ({ ...op, inputs: [...op.inputs].reverse() }) as Op,
  ),
  'bind the wrong buffer': inInstruction(
    (one) => one.do === 'run' && one.why === 'step',
    (one) =>
      one.do === 'run'
        ? [{ ...one, reads: [at(one.reads, 1), at(one.reads, 0), ...one.reads.slice(2)] }]
        : [],
  ),
  'bind two weights the wrong way round': inInstruction(
    (one) => one.do === 'run' && one.why === 'update',
    (one) => (one.do === 'run' ? [{ ...one, reads: [...one.reads].reverse() }] : []),
  ),
  'label the margin too': inBuffer(
    ({ name, box }) => name.startsWith('truth') && box !== undefined,
    (buffer) => buffer.box && { ...buffer, box: buffer.box.map((r) => ({ from: r.from - 1, to: r.to - 1 })) },
  ),
  'put two live buffers at one place': inBuffer(
    ({ offset, bytes }) => offset > 0 && bytes > 0,
    (buffer, role) => {
      const other = role.buffers.find(
        (one) => one.offset === 0 && one.birth <= buffer.death && buffer.birth <= one.death,
      );
      return other && { ...buffer, offset: 0 };
    },
  ),
  'state a smaller peak': inRole((role) => ({ ...role, peakBytes: role.peakBytes - 64 })),
  'state fewer bytes': inBuffer(
    ({ bytes }) => bytes > 4,
    (buffer) => ({ ...buffer, bytes: buffer.bytes - 4 }),
  ),
  'lose a role': (plan) => ({ ...plan, roles: plan.roles.slice(1) }),
  'have a role twice': (plan) => ({ ...plan, roles: [...plan.roles, at(plan.roles, 0)] }),
  'cut elsewhere than scheduled': (plan) => ({
    ...plan,
    axes: plan.axes.map((axis) => ({ ...axis, cuts: axis.cuts.map((cut, i) => (i === 1 ? cut + 1 : cut)) })),
  }),
  'have a device too many': (plan) => ({ ...plan, schedule: { ...plan.schedule, devices: 9 } }),
  'give a tile the role of its neighbour': (plan) => ({
    ...plan,
    axes: plan.axes.map(({ cuts, tiles, classes }) => ({
      cuts,
      tiles: [...tiles].reverse(),
      classes: [...classes].reverse(),
    })),
  }),
  'update a weight twice': inInstruction(
    (one) => one.do === 'run' && one.why === 'update',
    (one) => [one, one],
  ),
  'load from another source': inInstruction(is('load'), (one) =>
    one.do === 'load' ? [{ ...one, source: one.source === 'image' ? 'truth' : 'image' }] : [],
  ),
  'work on another micro-batch': inInstruction(
    (one) => one.do === 'load' || (one.do === 'run' && one.why === 'step'),
    (one) => (one.do === 'load' || one.do === 'run' ? [{ ...one, micro: 1 - one.micro }] : []),
  ),
  'work on one micro-batch twice': inRole((role) => ({
    ...role,
    instructions: role.instructions.map((one) =>
      (one.do === 'run' && one.why === 'step') || one.do === 'load' ? { ...one, micro: 0 } : one,
    ),
  })),
  'lose what was summed before': inInstruction(
    (one) => (one.do === 'accumulate' || one.do === 'count') && !one.first,
    (one) => (one.do === 'accumulate' || one.do === 'count' ? [{ ...one, first: true }] : []),
  ),
  'add to what was never cleared': inInstruction(
    (one) => (one.do === 'accumulate' || one.do === 'count') && one.first,
    (one) => (one.do === 'accumulate' || one.do === 'count' ? [{ ...one, first: false }] : []),
  ),
  'add one gradient to another': inInstruction(is('accumulate'), (one) =>
    one.do === 'accumulate'
      ? [{ ...one, from: one.from.includes('bias') ? 'conv[1].weight~grad#0' : 'conv[1].bias~grad#0' }]
      : [],
  ),
  'drop the clip': inInstruction(is('clip'), () => []),
  'clip to another norm': inInstruction(is('clip'), (one) =>
    one.do === 'clip' ? [{ ...one, norm: 2 }] : [],
  ),
  'leave a gradient out of the norm': inInstruction(is('clip'), (one) =>
    one.do === 'clip' ? [{ ...one, buffers: one.buffers.slice(1) }] : [],
  ),
  'reduce in another order on one device': inInstruction(is('all_reduce'), (one) =>
    one.do === 'all_reduce' && one.buffers.length > 1
      ? [{ ...one, buffers: [...one.buffers].reverse() }]
      : [{ do: 'all_reduce', over: 'stage', micro: 0, buffers: [] }, one],
  ),
  'drop a metric': inInstruction(is('metric'), () => []),
  'take a metric against other labels': inInstruction(is('metric'), (one) =>
    one.do === 'metric' ? [{ ...one, labels: one.labels === 'truth#0' ? 'truth#1' : 'truth#0' }] : [],
  ),
  'drop the report': inInstruction(is('report'), () => []),
  'report something else than the loss': inInstruction(is('report'), (one) =>
    one.do === 'report' ? [{ ...one, from: 'conv[1].bias~grad' }] : [],
  ),
  'work on fewer samples': (plan) => ({ ...plan, samples: plan.samples - 1 }),
  'predict where the model trains': (plan) => ({ ...plan, purpose: 'predict' }),
  'keep a state for another parameter': (plan) => ({
    ...plan,
    states: plan.states.map((state, i) =>
      i === 0 ? { ...state, parameter: at(plan.states, plan.states.length - 1).parameter } : state,
    ),
  }),
  'forget a state': (plan) => ({ ...plan, states: plan.states.slice(1) }),
};

for (const [name, mutate] of Object.entries(mutations))
  test(`caught: ${name}`, () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const broken = mutate(sound, numbers(seed));
        fc.pre(broken !== undefined);
        const faults = verifyPlan(broken);
        assert.ok(faults.length > 0, `not caught: ${name}`);
        assert.ok(faults.every(({ message }) => message.length > 10));
      }),
      { numRuns: 25 },
    );
  });

test('a fault names the role and the instruction', () => {
  const [role] = sound.roles;
  if (role === undefined) throw new Error('no role');
  const index = role.instructions.findIndex(({ do: what }) => what === 'all_reduce');
  const broken = {
    ...sound,
    roles: [{ ...role, instructions: replaceAt(role.instructions, index) }, ...sound.roles.slice(1)],
  };
  const messages = verifyPlan(broken).map(({ message }) => message);
  assert.ok(
    messages.some(
      (message) =>
        /role_0_0: instruction \d+ \(run step_\d \(step/.test(message) &&
        message.includes('before it is summed'),
    ),
    messages.join('\n'),
  );
});

test.run();
