/** Checkmate's programme as the judge of ours: on a graph small enough to solve at once. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { search } from '../../passes/decide/recompute/search.ts';
import { memoryOf } from '../../tests/support/tape-memory.ts';
import { secondsOf, tapeOfNodes, unet } from './graph.ts';
import { solve } from './milp.ts';
import { partFrom, tapeInStrips } from './parts.ts';

const graph = unet(1);
const plain = tapeOfNodes(graph);
const { peak } = memoryOf(plain).cost(new Uint8Array(plain.values.length));
const ours = search(plain);
const overheadWithin = (budget: number, found = ours) => {
  const best = found.find((one) => one.peak <= budget * peak);
  return best === undefined ? undefined : best.seconds / secondsOf(graph);
};

for (const budget of [1, 0.8, 0.75])
  test(`never worse than Checkmate at ${100 * budget} % of the memory`, async () => {
    const answer = await solve(graph, budget * peak, 60);
    assert.is(answer.status, 'solved');
    const found = overheadWithin(budget) ?? 1;
    if (answer.status !== 'solved') return;
    assert.ok(found <= answer.overhead + 1e-6, `${found}`);
    // It stops within 1 % of the least time, and may do all that our drops do.
    assert.ok(found >= answer.overhead - 0.01 * (1 + answer.overhead) - 1e-6, `${found}`);
  });

test('where Checkmate is proved to fit nowhere, strips do', async () => {
  const answer = await solve(graph, 0.65 * peak, 60);
  assert.is(answer.status, 'infeasible');
  assert.is(overheadWithin(0.65), undefined);
  const first = graph.nodes.findIndex(({ name }) => name === 'up0');
  const strips = search(tapeInStrips(graph, [partFrom(graph, first, 8, false)]));
  const overhead = overheadWithin(0.65, strips) ?? 1;
  // The part is computed twice.
  const part = graph.nodes.slice(first, graph.forward);
  const again = part.reduce((sum, { seconds }) => sum + seconds, 0) / secondsOf(graph);
  assert.ok(overhead > again && overhead < again + 0.05, `${overhead}`);
});

test.run();
