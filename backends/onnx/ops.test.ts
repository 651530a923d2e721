/** Every op kind, at random shapes, against the float64 reference. */
import * as fc from 'fast-check';
import { test } from 'uvu';
import { wholeBox } from '../../ir/box.ts';
import type { Graph, Op } from '../../ir/graph.ts';
import { localKinds } from '../../ir/ops/table.ts';
import { array, map } from '../../ir/type.ts';
import { type Case, caseOf, casesOf, type World } from './testing/cases.ts';
import { assertAgrees } from './testing/compare.ts';

for (const kind of localKinds)
  test(`${kind} is what the reference computes`, async () => {
    await fc.assert(
      fc.asyncProperty(casesOf(kind), (example: Case) => assertAgrees(example)),
      { numRuns: 30 },
    );
  });

/** Large enough that a weight gradient is worked through in blocks, the last one shorter. */
const large: World = {
  axes: [
    { size: 75, kernel: 3, stride: 2, dilation: 1, factor: 1, pad: [1, 0], crop: [0, 0] },
    { size: 520, kernel: 3, stride: 2, dilation: 1, factor: 1, pad: [1, 1], crop: [0, 0] },
  ],
  samples: 2,
  cin: 9,
  cout: 2,
  groups: 1,
  flag: false,
  real: 1,
  weights: [],
  seed: 5,
};

for (const flag of [false, true])
  test(`a weight gradient in blocks, stride ${flag ? 2 : 1}`, async () => {
    await assertAgrees(caseOf('conv_weight', { ...large, flag }));
  });

for (const [cin, cout] of [
  [3, 2],
  [2, 3],
] as const)
  test(`a weight gradient of a kernel of one cell, ${cin} to ${cout} channels`, async () => {
    const pointwise = large.axes.map((axis) => ({ ...axis, size: 7, kernel: 1, pad: [0, 0] as const }));
    await assertAgrees(caseOf('conv_weight', { ...large, axes: pointwise, cin, cout, groups: 2 }));
  });

test('sums over a million cells far from 0 keep their digits', async () => {
  const image = wholeBox([1024, 1024]);
  const x = map(1, image);
  const far: Op = {
    kind: 'affine',
    output: 'far',
    inputs: ['x'],
    attrs: { scale: [1], shift: [300] },
    type: x,
  };
  const graph: Graph = {
    inputs: [{ name: 'x', type: x }],
    ops: [
      far,
      {
        kind: 'moments',
        output: 'moments',
        inputs: ['far'],
        attrs: { groups: 1, over: 1 },
        type: map(2, []),
      },
      { kind: 'channel_sum', output: 'sum', inputs: ['far'], attrs: {}, type: array([1]) },
    ],
    outputs: ['moments', 'sum'],
  };
  await assertAgrees({ graph, samples: 1, fills: {}, seed: 3 }, 1e-6);
});

test.run();
