/** The simulator on drawn plans of every kind, and on plans whose time can be worked out by hand. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { limitsOf } from '../backends/simulator/limits.ts';
import { simulate } from '../backends/simulator/simulate.ts';
import { lanes, type Simulation, workedSeconds } from '../backends/simulator/simulation.ts';
import { compileModel } from '../compiler/front/lower-model.ts';
import { at } from '../ir/box.ts';
import { aliveAt, bytesByKind, kindsIn, memoryOf } from '../ir/contents.ts';
import { typesOf } from '../ir/graph.ts';
import { opSeconds } from '../ir/kernels.ts';
import type { Plan } from '../ir/plan.ts';
import type { Pins } from '../ir/schedule.ts';
import { valueIn } from './support/devices.ts';
import { planOf } from './support/exactness.ts';
import { anyCases } from './support/law-cases.ts';
import { faster, roundMachine } from './support/machines.ts';

const local = { ...roundMachine, launcher: 'local' } as const;

const plans = [1, 2].flatMap((rank) => [...anyCases(rank, 30, 11 + rank)].map(({ plan }) => plan));

const near = (a: number, b: number): boolean => Math.abs(a - b) <= 1e-9 * Math.max(a, b);

const total = (seconds: Readonly<Record<string, number>>): number =>
  Object.values(seconds).reduce((sum, one) => sum + one, 0);

for (const machine of [roundMachine, local])
  test(`what a device's time goes to adds up to the step (${machine.launcher})`, () => {
    for (const plan of plans) {
      const { roles, stepSeconds } = simulate(plan, machine);
      for (const { seconds } of roles) assert.ok(near(total(seconds), stepSeconds), plan.name);
    }
  });

test('a faster machine is faster', () => {
  for (const plan of plans)
    for (const machine of [roundMachine, local])
      assert.ok(simulate(plan, faster(machine, 2)).stepSeconds < simulate(plan, machine).stepSeconds);
});

test('devices that are in each other’s way take longer, one that is alone does not', () => {
  const contention = [
    { size: 1, share: 1 },
    { size: 2, share: 0.5 },
  ];
  const crowded = { ...local, device: { ...local.device, contention } };
  for (const plan of plans) {
    const [alone, among] = [simulate(plan, local), simulate(plan, crowded)];
    const times = plan.schedule.devices === 1 ? 1 : 2;
    for (const [index, { seconds }] of among.roles.entries())
      assert.ok(
        near(workedSeconds(seconds), times * workedSeconds(at(alone.roles, index).seconds)),
        plan.name,
      );
  }
});

test('messages that overlap with work never make a step longer', () => {
  // Here an update goes in pieces, there in passes over memory: without time for either they differ by launches alone.
  const free = { update: [{ size: 1, share: 1e15 }] };
  const device = { ...roundMachine.device, arithmetic: free, traffic: free };
  for (const plan of plans) {
    const together = simulate(plan, { ...roundMachine, device });
    const apart = simulate(plan, { ...local, device });
    const launches = together.roles.map(
      ({ seconds }, index) => seconds.update - at(apart.roles, index).seconds.update,
    );
    const most = apart.stepSeconds + Math.max(0, ...launches);
    assert.ok(together.stepSeconds <= most * (1 + 1e-12), plan.name);
  }
});

test('an update in pieces takes no longer than in passes over memory', () => {
  for (const plan of plans) {
    const [passes, pieces] = [simulate(plan, roundMachine), simulate(plan, local)];
    for (const [index, { seconds }] of pieces.roles.entries())
      assert.ok(seconds.update <= at(passes.roles, index).seconds.update * (1 + 1e-12), plan.name);
  }
});

test('memory is cleared at the rate that the machine says, for all segments but one that keeps it', () => {
  const clear = [{ size: 1, share: 1e-3 }];
  const { device } = local;
  const clearing = { ...local, device: { ...device, traffic: { ...device.traffic, clear } } };
  const [cleared, small, large] = [2 ** 20, 2 ** 10, 2 ** 40];
  const each = cleared / (device.bandwidth * 1e-3);
  for (const plan of plans)
    for (const keeps of [false, true]) {
      const segments = plan.segments.map((segment, index) => ({
        ...segment,
        cleared,
        workspace: keeps && index === 0 ? large : small,
      }));
      const told = { ...plan, segments };
      const [without, within] = [simulate(told, local), simulate(told, clearing)];
      for (const [index, { instructions }] of plan.roles.entries()) {
        const names = instructions.flatMap((one) => (one.do === 'run' ? [one.segment] : []));
        // The only segment of a role is kept, whatever its size.
        if (new Set(names).size < 2) continue;
        const kept = keeps && plan.purpose === 'train' ? segments[0]?.name : undefined;
        const seconds = each * names.filter((name) => name !== kept).length;
        const [before, after] = [without, within].map(({ roles }) => workedSeconds(at(roles, index).seconds));
        assert.ok(near((before ?? 0) + seconds, after ?? 0), plan.name);
      }
    }
});

test('gradients are looked at before they are used, at the rate that the machine says', () => {
  const check = [{ size: 1, share: 1e-3 }];
  const { device } = local;
  const checking = { ...local, device: { ...device, traffic: { ...device.traffic, check } } };
  for (const plan of plans) {
    const [without, within] = [simulate(plan, local), simulate(plan, checking)];
    for (const [index, { buffers, instructions }] of plan.roles.entries()) {
      const bytes = new Map(buffers.map((buffer) => [buffer.name, buffer.bytes]));
      const weights = new Map(plan.states.map(({ buffer, slot }) => [buffer, slot === 'weight']));
      const rates = new Set(instructions.flatMap((one) => (one.do === 'rate' ? [one.into] : [])));
      const perRun = instructions.flatMap((one) => {
        if (one.do !== 'run' || one.why !== 'update') return [];
        const read = one.reads.filter((name) => weights.get(name) === true || rates.has(name));
        return [read.reduce((sum, name) => sum + (bytes.get(name) ?? 0), 0)];
      });
      // The first looks at all, a later one at its own again.
      const looked = perRun.reduce((sum, own, run) => sum + own * (run === 0 ? 1 : 2), 0);
      const [before, after] = [without, within].map(({ roles }) => workedSeconds(at(roles, index).seconds));
      assert.ok(near((before ?? 0) + looked / (device.bandwidth * 1e-3), after ?? 0), plan.name);
    }
  }
});

test('memory is that of the plan', () => {
  for (const plan of plans)
    assert.equal(
      simulate(plan, roundMachine).roles.map(({ peakBytes }) => peakBytes),
      plan.roles.map(({ peakBytes }) => peakBytes),
    );
});

test('arithmetic, memory traffic and launches add up to the work of a device', () => {
  const share = [{ size: 1, share: 0.1 }];
  const told = { ...local.device, dispatch: 3e-6, traffic: { run: share, clear: share, check: share } };
  const clearing = plans.map((plan) => ({
    ...plan,
    segments: plan.segments.map((segment) => ({ ...segment, cleared: 2 ** 20 })),
  }));
  for (const machine of [roundMachine, { ...local, device: told }])
    for (const plan of clearing)
      for (const [index, { seconds }] of simulate(plan, machine).roles.entries()) {
        const limits = limitsOf(plan, machine, at(plan.roles, index));
        assert.ok(near(total(limits), workedSeconds(seconds)), plan.name);
        assert.ok(Object.values(limits).every((one) => one >= 0));
      }
});

test('what is alive at the peak adds up to it, each kind of buffer as what it is', () => {
  for (const plan of plans)
    for (const role of plan.roles) {
      const memory = memoryOf(plan, role);
      const contents = aliveAt(plan, role, memory.indexOf(role.peakBytes));
      assert.is(total(bytesByKind(contents)), role.peakBytes);
      const kindOf = kindsIn(plan, role);
      const kinds = new Map(role.buffers.map((buffer) => [buffer.name, kindOf(buffer)]));
      for (const { buffer, slot } of plan.states)
        if (kinds.has(buffer)) assert.is(kinds.get(buffer), slot === 'weight' ? 'weights' : 'optimizer');
      for (const one of role.instructions)
        if (one.do === 'clip') for (const name of one.buffers) assert.is(kinds.get(name), 'gradients', name);
    }
});

test('the events of a lane follow one another', () => {
  for (const plan of plans)
    for (const { events } of simulate(plan, roundMachine).roles)
      for (const lane of lanes) {
        const own = events.filter((event) => event.lane === lane);
        if (lane === 'compute')
          assert.ok(own.every(({ from }, i) => i === 0 || from >= (own[i - 1]?.to ?? 0)));
        assert.ok(own.every(({ from, to }) => from >= 0 && to >= from));
      }
});

const file = 'examples/coastline.unet';
const text = readFileSync(join(import.meta.dirname, '..', file), 'utf8');
const coastline = (pins: Pins, batch = 4): Plan => {
  const source = text.replace('batch = 4', `batch = ${batch}`);
  return planOf(valueIn(compileModel(source, file, { purpose: 'train', sets: { side: '64' } })), pins);
};

test('one device takes as long as its kernels, and one launch for all parameters an update op', () => {
  const plan = coastline({ devices: 1 });
  const { roles } = simulate(plan, roundMachine);
  const seconds = plan.segments
    .filter(({ graph }) => graph.ops.every(({ kind }) => !kind.startsWith('moving') && kind !== 'adam_step'))
    .flatMap(({ graph, samples }) => {
      const types = typesOf(graph);
      return graph.ops.map((op) =>
        opSeconds(
          roundMachine.device,
          op,
          op.inputs.flatMap((name) => types.get(name) ?? []),
          samples,
        ),
      );
    });
  assert.ok(
    near(
      roles[0]?.seconds.step ?? 0,
      seconds.reduce((sum, one) => sum + one, 0),
    ),
  );
});

const bubbleOf = ({ bubble }: Simulation): number => bubble;

test('more micro-batches leave a smaller bubble', () => {
  const chunks = [
    { from: '', stage: 0 },
    { from: 'unet.decode[1].conv[0]', stage: 1 },
  ];
  const bubbles = [2, 4, 8].map((microBatches) =>
    bubbleOf(simulate(coastline({ devices: 2, microBatches, chunks, order: 'gpipe' }, 8), roundMachine)),
  );
  assert.ok((bubbles[0] ?? 0) > (bubbles[1] ?? 0) && (bubbles[1] ?? 0) > (bubbles[2] ?? 1), bubbles.join());
});

test('more devices cost no more roles', () => {
  const roles = ([tiles, devices]: [number, number]) =>
    simulate(coastline({ devices, tiles: [1, tiles], replicas: devices / tiles }, 4096), {
      ...roundMachine,
      nodes: 1e6,
    }).roles.length;
  assert.is(roles([3, 3]), 3);
  assert.is(roles([3, 3 * 1024]), 3);
});

test.run();
