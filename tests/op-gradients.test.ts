/**
 * The gradient of every op of the table against slopes, in float64: each op of random sizes, its result turned
 * into one number, and the backward pass that the compiler writes for it.
 */
import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Case, casesOf, type Fill } from '../backends/onnx/testing/cases.ts';
import { runGraph } from '../backends/reference/run-graph.ts';
import { at } from '../ir/box.ts';
import { isFault } from '../ir/diagnostics/diagnostic.ts';
import { type Graph, type Op, typesOf } from '../ir/graph.ts';
import type { OpKind } from '../ir/ops/attributes.ts';
import { definitionOf, localKinds, makeOp } from '../ir/ops/table.ts';
import { array, dimsOf, product, type ValueType } from '../ir/type.ts';
import { withGradients } from '../passes/lower/gradient.ts';
import { numbers } from './support/schedules.ts';

const RUNS = 20;
const step = 1e-5;
const tolerance = 1e-5;

/** Ops that stand before every parameter, give no slopes, or only predict. */
const notDifferentiated: readonly OpKind[] = [
  'affine',
  'classify',
  'max_pool_index',
  'normalize_by',
  'relu_mask',
  'running_share',
];

const fills: Record<Fill, (draw: (below: number) => number) => number> = {
  real: (draw) => draw(1e6) / 2.5e5 - 2,
  coarse: (draw) => draw(1e6) / 5e5 - 1,
  positive: (draw) => draw(1e6) / 1e6 + 0.1,
  labels: (draw) => (draw(5) === 0 ? 255 : draw(4)),
  count: (draw) => 3 + draw(9),
};

function made<K extends OpKind>(...args: Parameters<typeof makeOp<K>>): Op {
  const op = makeOp(...args);
  if (isFault(op)) throw new Error(op.code);
  return op;
}

/** The graph with one number `loss` at its end: the mean square of a map, the result itself where it is one. */
function withLoss({ graph }: Case): Graph {
  const type = typesOf(graph).get('result');
  if (type === undefined) throw new Error('no result');
  if (type.kind === 'array') return { ...graph, outputs: ['result'] };
  const goal = { name: 'goal', type };
  const count = { name: 'goal~count', type: array([]) };
  const inputs = ['result', goal.name, count.name];
  const op = made('mse', 'loss', inputs, {}, [type, type, count.type]);
  return { inputs: [...graph.inputs, goal, count], ops: [...graph.ops, op], outputs: ['loss'] };
}

/** Compares one number of the gradient of each operand; gives how many operands have one. */
function check(example: Case): number {
  const draw = numbers(example.seed);
  const plain = withLoss(example);
  const loss = at(plain.outputs, 0);
  const fillOf = (name: string): Fill => (name === 'goal~count' ? 'count' : (example.fills[name] ?? 'real'));
  const filled = (name: string, type: ValueType) =>
    Float64Array.from({ length: product(dimsOf(type, example.samples)) }, () => fills[fillOf(name)](draw));
  const feeds = new Map(plain.inputs.map(({ name, type }) => [name, filled(name, type)]));
  const lossWith = (name: string, index: number, by: number): number => {
    const moved = Float64Array.from(feeds.get(name) ?? []);
    moved[index] = (moved[index] ?? 0) + by;
    const values = runGraph(plain, example.samples, new Map([...feeds, [name, moved]]));
    return values.get(loss)?.[0] ?? Number.NaN;
  };
  let checked = 0;
  for (const { name, type } of example.graph.inputs) {
    if (type.element === 'u8') continue;
    const graph = withGradients(plain, loss, [name]);
    const gradient = graph.ops.find(({ output }) => output === `${name}~grad`);
    // Into labels, counts, masks and shares nothing flows.
    if (gradient === undefined || gradient.kind === 'fill') continue;
    const found = runGraph(graph, example.samples, feeds).get(`${name}~grad`) ?? new Float64Array();
    const index = draw(found.length);
    const slope = (lossWith(name, index, step) - lossWith(name, index, -step)) / (2 * step);
    const close = Math.abs(slope - at([...found], index)) <= tolerance * Math.max(1, Math.abs(slope));
    assert.ok(close, `${name}[${index}] has ${found[index]}, not ${slope}`);
    checked++;
  }
  return checked;
}

for (const kind of localKinds.filter((one) => definitionOf(one).gradient !== undefined && one !== 'blank'))
  if (!notDifferentiated.includes(kind))
    test(`${kind}: its gradient is its slope`, () => {
      let checked = 0;
      const property = fc.property(casesOf(kind), (example) => {
        checked += check(example);
      });
      fc.assert(property, { numRuns: RUNS });
      assert.ok(checked > 0, 'no operand has a gradient');
    });

test.run();
