/**
 * Writes drawn networks under drawn schedules, with what the float64 reference computes of them, for
 * `torch-executor-check.py`, which runs the same plans with PyTorch:
 *
 *   npx tsx scripts/torch-executor-check.ts FOLDER [CASES] [SEED]
 *   PYTHONPATH=runtime/torch python scripts/torch-executor-check.py FOLDER
 *
 * Three quarters of the CASES (40) have two axes, the others one and three. Not part of `npm test`.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { drawInput } from '../backends/reference/feeds.ts';
import { initialStates, runPlanStep } from '../backends/reference/run-plan.ts';
import { plainTruth } from '../compiler/compare.ts';
import { bundleFormat, bundlePaths } from '../ir/bundle.ts';
import { initialWeights } from '../ir/draw.ts';
import type { Input, Model } from '../ir/model.ts';
import { planFiles } from '../ir/plan-files.ts';
import { originTable } from '../ir/tiling.ts';
import { dimsOf } from '../ir/type.ts';
import { planOf } from '../tests/support/exactness.ts';
import { anyCases, type LawCase } from '../tests/support/law-cases.ts';

const [folder = '', count = '40', seed = '1'] = process.argv.slice(2);
const [cases, first] = [Number(count), Number(seed)];

/** Numbers of any type as JSON: Python reads float64 from it bit by bit. */
type Numbers = Readonly<Record<string, readonly number[]>>;

const asNumbers = (values: Iterable<readonly [string, ArrayLike<number>]>): Numbers =>
  Object.fromEntries([...values].map(([name, numbers]) => [name, Array.from(numbers)]));

function feedFile({ type }: Input, values: Float64Array, batch: number): Buffer {
  const shape = dimsOf(type, batch).join(', ');
  const text = `{'descr': '<f8', 'fortran_order': False, 'shape': (${shape},), }`;
  const header = text.padEnd(245).concat('\n');
  const head = Buffer.alloc(10);
  head.write('\x93NUMPY\x01\x00', 'latin1');
  head.writeUInt16LE(header.length, 8);
  return Buffer.concat([
    head,
    Buffer.from(header),
    Buffer.from(values.buffer, values.byteOffset, values.byteLength),
  ]);
}

/** Masks and shares of the first sample, whole. */
const drawnInputs = (model: Model): [string, Float64Array][] =>
  model.inputs.flatMap(({ name, type, source }): [string, Float64Array][] =>
    (source.from === 'mask' || source.from === 'corners') && type.kind === 'map'
      ? [[name, drawInput(model, name, 0, [0], type.box)]]
      : [],
  );

function writeCase({ plan, feeds, weights }: LawCase, into: string): void {
  mkdirSync(join(into, 'feeds'), { recursive: true });
  const { model, schedule } = plan;
  const texts = {
    ...Object.fromEntries([...planFiles(plan)].map(({ path, content }) => [path, JSON.stringify(content)])),
    [bundlePaths.origins]: JSON.stringify(originTable(model, schedule.cuts)),
  };
  const files = Object.fromEntries(
    Object.entries(texts).map(([path, text]) => [path, createHash('sha256').update(text).digest('hex')]),
  );
  const truth = plainTruth(model, feeds, weights);
  const record = {
    loss: truth.loss,
    gradients: asNumbers(truth.gradients),
    states: asNumbers(runPlanStep(plan, feeds, new Map([...initialStates(plan), ...weights])).states),
    weights: asNumbers(weights),
    initial: asNumbers(
      model.parameters.map((one) => [one.name, initialWeights(one, model.training?.seed ?? 0)]),
    ),
    drawn: asNumbers(drawnInputs(model)),
  };
  mkdirSync(join(into, 'roles'));
  for (const [path, text] of Object.entries(texts)) writeFileSync(join(into, path), text);
  writeFileSync(join(into, bundlePaths.manifest), JSON.stringify({ format: bundleFormat, plan: '', files }));
  writeFileSync(join(into, 'truth.json'), JSON.stringify(record));
  for (const input of model.inputs) {
    const values = feeds.inputs.get(input.name);
    if (values !== undefined)
      writeFileSync(
        join(into, 'feeds', `${input.name}.npy`),
        feedFile(input, values, model.training?.batch ?? 1),
      );
  }
}

/** Every other case has a bound on the gradient's norm, which most gradients are above. */
function withClip(one: LawCase, index: number): LawCase {
  const { model, schedule } = one.plan;
  if (index % 2 === 0 || model.training === undefined) return one;
  const { name: _, ...pins } = schedule;
  return { ...one, plan: planOf({ ...model, training: { ...model.training, clip: 0.01 } }, pins) };
}

const few = Math.ceil(cases / 8);
const drawn = [anyCases(2, cases - 2 * few, first), anyCases(1, few, first), anyCases(3, few, first)];
let written = 0;
for (const some of drawn)
  for (const one of some) {
    writeCase(withClip(one, written), join(folder, String(written).padStart(4, '0')));
    written++;
  }
console.log(`${written} cases in ${folder}`);
