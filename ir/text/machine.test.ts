/** Texts of machines: what is printed reads back the same, and every fault of a text is named. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type Curve,
  type Device,
  type KernelName,
  kernelClasses,
  type Link,
  launchers,
  type Machine,
  precisions,
  provenances,
} from '../machine.ts';
import { printMachine, readMachine } from './machine.ts';
import { noLink } from './machine-assembly.ts';
import { amountOf, type Dimension, printQuantity } from './quantity.ts';

const amount = fc.double({ min: 1e-3, max: 1e18, noNaN: true });
const time = fc.double({ min: 0, max: 1e3, noNaN: true }).map((seconds) => seconds + 0);
const share = fc.double({ min: 1e-6, max: 1, noNaN: true });
const count = fc.integer({ min: 1, max: 8 });
const name = fc.string({ minLength: 1, maxLength: 8 });

const curve: fc.Arbitrary<Curve> = fc
  .uniqueArray(amount, { minLength: 1, maxLength: 5 })
  .chain((sizes) =>
    fc
      .array(share, { minLength: sizes.length, maxLength: sizes.length })
      .map((shares) => sizes.sort((a, b) => a - b).map((size, i) => ({ size, share: shares[i] ?? 1 }))),
  );

/** By how many devices are at work. */
const countedCurve: fc.Arbitrary<Curve> = fc
  .uniqueArray(fc.integer({ min: 1, max: 4096 }), { minLength: 1, maxLength: 4 })
  .chain((counts) =>
    fc
      .array(share, { minLength: counts.length, maxLength: counts.length })
      .map((shares) => counts.sort((a, b) => a - b).map((size, i) => ({ size, share: shares[i] ?? 1 }))),
  );

const some = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const whole = <T extends object>(record: T): T =>
  Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as T;

/** Classes, kinds of ops and an instruction. */
const kernels: readonly KernelName[] = [...kernelClasses, 'max_pool_grad', 'up_conv', 'accumulate', 'run'];

const curves = fc
  .record(Object.fromEntries(kernels.map((kernel) => [kernel, some(curve)])))
  .map(whole) as fc.Arbitrary<Device['arithmetic']>;

const device = fc
  .record({
    name,
    memory: amount.map((bytes) => bytes + 1),
    reserve: fc.constantFrom(0, 1e-3, 0.5),
    peak: amount,
    otherPeaks: some(
      fc.dictionary(fc.constantFrom(...precisions), amount, { minKeys: 1, noNullPrototype: true }),
    ),
    bandwidth: amount,
    launch: time,
    dispatch: some(time),
    arithmetic: curves,
    intensity: some(curves.filter((drawn) => Object.keys(drawn).length > 0)),
    traffic: curves,
    contention: some(countedCurve),
    wave: some(fc.record({ processors: count, pixels: count, channels: count }, { noNullPrototype: true })),
  })
  .map(whole) as fc.Arbitrary<Device>;

const link = fc
  .record({ name, bandwidth: amount, latency: time, curve: some(curve), shared: fc.boolean() })
  .map(whole) as fc.Arbitrary<Link>;

/** The devices of a node in drawn groups, in any order. */
const groups = (devices: number) =>
  fc
    .tuple(
      fc.shuffledSubarray(
        Array.from({ length: devices }, (_, i) => i),
        { minLength: devices, maxLength: devices },
      ),
      fc.integer({ min: 1, max: devices }),
    )
    .map(([order, size]) =>
      Array.from({ length: Math.ceil(devices / size) }, (_, i) => order.slice(i * size, (i + 1) * size)),
    );

/** Where a machine has no use for a link, it has the one that reading gives it. */
const machine: fc.Arbitrary<Machine> = count.chain((devicesPerNode) =>
  fc
    .record({
      name,
      nodes: count,
      device,
      sockets: groups(devicesPerNode),
      inSocket: link,
      betweenSockets: link,
      network: link,
      allReduce: fc.record({ bandwidth: amount, latency: time, curve: some(curve) }).map(whole),
      host: fc.record({ memory: amount, link: amount }, { noNullPrototype: true }),
      storage: amount,
      launcher: fc.constantFrom(...launchers),
      provenance: some(
        fc.dictionary(
          fc.constantFrom('device.memory', 'link.bandwidth', 'storage', 'host.link'),
          fc.constantFrom(...provenances),
          { minKeys: 1, noNullPrototype: true },
        ),
      ),
    })
    .map((drawn) => {
      const sockets = drawn.sockets.length === 1 ? [drawn.sockets.flat().sort()] : drawn.sockets;
      const betweenSockets = sockets.length === 1 ? drawn.inSocket : drawn.betweenSockets;
      return whole({ ...drawn, devicesPerNode, sockets, betweenSockets }) as Machine;
    }),
);

test('what is printed reads back the same', () => {
  fc.assert(
    fc.property(machine, (drawn) => {
      const text = printMachine(drawn);
      const back = readMachine(text, 'drawn.machine');
      assert.equal(back.ok ? [] : back.diagnostics, [], text);
      if (back.ok) {
        assert.equal(back.value, drawn);
        assert.is(printMachine(back.value), text);
      }
    }),
    { numRuns: 300 },
  );
});

test('a machine of one device needs no link, one node no network', () => {
  const text = `machine laptop
  nodes 1
  node 1 x cpu { memory 8 GiB; reserve 0 B; fp32 100 GFLOP/s; bandwidth 20 GB/s; launch 0 s }
  host { memory 8 GiB; link 20 GB/s }
  storage 1 GB/s
  launcher local
`;
  const read = readMachine(text, 'laptop.machine');
  assert.ok(read.ok, read.ok ? '' : JSON.stringify(read.diagnostics));
  if (!read.ok) return;
  assert.equal(read.value.network, noLink(read.value.device));
  assert.not.match(printMachine(read.value), /link none|network|all_reduce/);
});

test('quantities lose nothing, whatever their unit', () => {
  const dimensions: readonly Dimension[] = ['bytes', 'bandwidth', 'flops', 'rate', 'time'];
  const anything = fc.double({ min: 1e-12, max: 1e24, noNaN: true });
  fc.assert(
    fc.property(anything, fc.constantFrom(...dimensions), (drawn, dimension) => {
      const [number = '', unit = ''] = printQuantity(drawn, dimension).split(' ');
      assert.is(amountOf(number, unit, dimension), drawn);
    }),
    { numRuns: 2000 },
  );
  assert.is(printQuantity(16 * 2 ** 30, 'bytes'), '16 GiB');
  assert.is(printQuantity(900e9, 'bandwidth'), '900 GB/s');
  assert.is(printQuantity(21.7e-6, 'time'), '21.7 us');
});

const sound = `machine m
  nodes 2
  node 4 x gpu {
    memory 16 GiB published
    reserve 1 GiB
    fp32 10 TFLOP/s
    bandwidth 900 GB/s
    launch 8 us
    efficiency conv arithmetic { 1 MFLOP 0.2; 1 GFLOP 0.75 } measured
  }
  link in [0..1] [2..3] { bandwidth 40 GB/s; latency 20 us }
  link across [0..1]-[2..3] { bandwidth 30 GB/s; latency 20 us; shared }
  host { memory 512 GiB; link 50 GB/s }
  network tree { bandwidth 23 GB/s per node; latency 25 us }
  all_reduce { bandwidth 20 GB/s per node; latency 25 us }
  storage 2 GB/s per node
  launcher slurm
`;

/** Messages for the sound text after replacements, with the lines they point to. */
function faultsOf(...changes: readonly (readonly [string, string])[]): string[] {
  const text = changes.reduce((changed, [from, to]) => {
    assert.ok(changed.includes(from), from);
    return changed.replace(from, to);
  }, sound);
  const read = readMachine(text, 'm.machine');
  return read.ok
    ? []
    : read.diagnostics.map(
        ({ message, hint, span }) =>
          `${span?.line}: ${message}${hint?.startsWith('did') ? ` (${hint})` : ''}`,
      );
}

test('a sound text has no faults', () => assert.equal(faultsOf(), []));

const cases: readonly [string, readonly [string, string], string][] = [
  ['an unknown word', ['launch 8', 'lunch 8'], '8: `node` knows no `lunch` (did you mean `launch`?)'],
  ['no unit', ['16 GiB', '16'], '4: `memory` is bytes, such as `16 GiB`, and 16 has no unit'],
  [
    'another kind of unit',
    ['900 GB/s', '900 GB'],
    '7: `bandwidth` is bytes a second, such as `900 GB/s`, and has no unit `GB` (did you mean `GB/s`?)',
  ],
  [
    'a unit on a count',
    ['nodes 2', 'nodes 2 GB'],
    '2: `nodes` is a count, a plain number, and has no unit `GB`',
  ],
  ['a missing figure', ['    reserve 1 GiB\n', ''], '3: `node` lacks `reserve`'],
  ['a missing block', ['  host { memory 512 GiB; link 50 GB/s }\n', ''], '1: the machine lacks `host`'],
  ['a missing launcher', ['  launcher slurm\n', ''], '1: the machine lacks `launcher`'],
  [
    'a missing link',
    ['  link across [0..1]-[2..3] {', '  // {'],
    '1: the machine lacks `link NAME [..]-[..]`',
  ],
  ['a figure twice', ['launch 8 us', 'launch 8 us; launch 9 us'], '8: `launch` stands twice for the device'],
  ['zero', ['900 GB/s', '0 GB/s'], '7: `bandwidth` cannot be zero'],
  ['negative', ['8 us', '-8 us'], '8: `launch` cannot be negative'],
  ['no number', ['8 us', 'NaN us'], '8: expected a time, such as `8 us`, found `NaN`'],
  ['half a node', ['nodes 2', 'nodes 2.5'], '2: `nodes` counts, and must be a whole number'],
  ['too many', ['node 4', 'node 1e9'], '3: `node` is more than 4096'],
  ['no room', ['reserve 1 GiB', 'reserve 16 GiB'], '5: `reserve` leaves nothing of `memory`'],
  [
    'a share above 1',
    ['0.75', '75'],
    '9: `efficiency` is a share of a peak, and cannot exceed 1 (did you mean 0.75? Shares are no percentages)',
  ],
  ['sizes that fall', ['1 GFLOP', '1 kFLOP'], '9: `efficiency` needs sizes that grow'],
  ['an unknown class', ['conv arith', 'cov arith'], '9: `efficiency` knows no `cov` (did you mean `conv`?)'],
  [
    'a device left out',
    ['[0..1] [2..3]', '[0..1] [2]'],
    '11: the groups of `link` do not name device 3 of 4',
  ],
  ['a device twice', ['[0..1] [2..3]', '[0..2] [2..3]'], '11: the groups of `link` name device 2 twice'],
  [
    'too many devices',
    ['[0..1] [2..3]', '[0..1] [2..4]'],
    '11: the groups of `link` name device 4, and a node has 4',
  ],
  [
    'other groups',
    ['[0..1]-[2..3]', '[0..2]-[3]'],
    '12: the groups of `link` that it lies between are not those of the link inside them',
  ],
  ['a launcher nobody knows', ['slurm', 'slrum'], '17: `launcher` knows no `slrum` (did you mean `slurm`?)'],
  ['a sign', ['2 GB/s per', '2 GB/s × per'], '16: expected the end of the line, found `×`'],
];

for (const [what, change, expected] of cases)
  test(what, () => {
    const found = faultsOf(change);
    assert.ok(found.includes(expected), found.join('\n'));
  });

test('all faults of a text are reported at once', () => {
  const found = faultsOf(
    ['16 GiB', '16'],
    ['launch 8', 'lunch 8'],
    ['0.2;', '2;'],
    ['50 GB/s', '50 s'],
    ['slurm', 'x'],
  );
  assert.equal(
    found.map((line) => Number(line.split(':')[0])),
    [4, 8, 9, 13, 17],
    found.join('\n'),
  );
});

test('no text hangs or throws', () => {
  const pieces = fc.constantFrom(
    ...sound.split(/(\s+|[{};[\]])/).filter((word) => word !== ''),
    '{',
    '"',
    '..',
    '-1',
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 120 }), fc.nat(200), (drawn, keep) => {
      readMachine(sound.slice(0, keep) + drawn.join(' '), 'm.machine');
    }),
    { numRuns: 500 },
  );
  readMachine(`machine m\n${'{'.repeat(200_000)}`, 'm.machine');
});

test.run();
