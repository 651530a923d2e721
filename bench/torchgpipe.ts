/**
 * Is the simulator believable? torchgpipe's published U-Net (5,64) runs on P40s (Kim et al. 2020), simulated with
 * their hand-made balances, micro-batches and recompute. One constant, the share of the peak that convolutions
 * attain, comes from the published throughput of one GPU (28.5 samples/s); none of the four speed-ups is fitted.
 *
 *   npx tsx bench/torchgpipe.ts
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { simulate } from '../backends/simulator/simulate.ts';
import { readMachine } from '../cli/inputs-machine.ts';
import { carryOut, modelOf } from '../compiler/compile.ts';
import { at } from '../ir/box.ts';
import { isSpatial } from '../ir/intervals.ts';
import { kernelClasses, type Machine } from '../ir/machine.ts';
import type { Model } from '../ir/model.ts';
import { type Chunk, plainDecisions, type Schedule } from '../ir/schedule.ts';
import { tiledExtents } from '../ir/tiling.ts';
import { valueIn } from '../tests/support/devices.ts';

const oneGpu = 28.5;

type Run = {
  readonly batch: number;
  readonly chunks: number;
  /** Layers of each device, of torchgpipe's 241. */
  readonly balance: readonly number[];
  readonly published: number;
};

const runs: readonly Run[] = [
  { batch: 80, chunks: 2, balance: [241], published: 0.858 },
  { batch: 512, chunks: 32, balance: [104, 137], published: 1.246 },
  { batch: 512, chunks: 16, balance: [30, 66, 84, 61], published: 2.352 },
  { batch: 640, chunks: 40, balance: [16, 27, 31, 44, 22, 57, 27, 17], published: 3.105 },
];

function model(batch: number): Model {
  const file = 'torchgpipe.unet';
  const source = readFileSync(join(import.meta.dirname, '../examples', file), 'utf8');
  return valueIn(modelOf({ source, file, sets: { images: String(batch) }, purpose: 'train' }));
}

/**
 * The first op of each of torchgpipe's layers: a cell is a convolution, a dropout, a norm and an activation; a level
 * has a stash and a pooling, or an up-sampling and a concatenation.
 */
function layersOf({ ops }: Model): string[] {
  const layers: string[] = [];
  const isLast = (index: number) => ops[index + 1]?.kind === 'max_pool';
  ops.forEach(({ kind, output }, index) => {
    if (kind === 'moments' || ['conv', 'mask', 'leaky_relu', 'max_pool', 'resize', 'concat'].includes(kind))
      layers.push(output);
    // The stash of a skip does nothing.
    if (kind === 'leaky_relu' && isLast(index)) layers.push(output);
  });
  return layers;
}

function chunksOf(one: Model, balance: readonly number[]): Chunk[] {
  const layers = layersOf(one);
  if (layers.length !== 241) throw new Error(`${layers.length} layers, not 241`);
  const starts = balance.map((_, stage) => balance.slice(0, stage).reduce((sum, count) => sum + count, 0));
  if (balance.length === 1) return [];
  return starts.map((start, stage) => ({ from: stage === 0 ? '' : at(layers, start), stage }));
}

/** Everything is computed again but what the loss reads. */
const dropped = ({ ops }: Model): string[] =>
  ops
    .filter(({ type, kind }) => isSpatial(type) && type.element === 'f32' && kind !== 'affine')
    .map(({ output }) => output)
    .slice(0, -1);

function schedule(
  one: Model,
  { chunks: microBatches, balance }: Omit<Run, 'batch' | 'published'>,
  drop: readonly string[],
): Schedule {
  const chunks = chunksOf(one, balance);
  return {
    ...plainDecisions(one.rank),
    name: one.name,
    devices: balance.length,
    microBatches,
    order: chunks.length > 0 ? 'gpipe' : 'one_after_another',
    cuts: tiledExtents(one).map((extent) => [0, extent]),
    chunks,
    drop,
  };
}

function throughput(
  machine: Machine,
  batch: number,
  run: Omit<Run, 'batch' | 'published'>,
  recompute: boolean,
): number {
  const one = model(batch);
  const plan = valueIn(carryOut(one, schedule(one, run, recompute ? dropped(one) : []), machine));
  return batch / simulate(plan, machine).stepSeconds;
}

/** The machine with another share of the peak for its convolutions. */
function attaining(machine: Machine, share: number): Machine {
  const convs = kernelClasses.filter((kernel) => kernel.startsWith('conv'));
  const arithmetic = { ...machine.device.arithmetic };
  return {
    ...machine,
    device: {
      ...machine.device,
      arithmetic: {
        ...arithmetic,
        ...Object.fromEntries(convs.map((kernel) => [kernel, [{ size: 1, share }]])),
      },
    },
  };
}

const p40 = valueIn(readMachine('p40'));
let [low, high] = [0.05, 3];
for (let i = 0; i < 30; i++) {
  const share = (low + high) / 2;
  if (throughput(attaining(p40, share), 40, { chunks: 1, balance: [241] }, false) < oneGpu) low = share;
  else high = share;
}
const machine = attaining(p40, high);
console.log(`convolutions at ${high.toFixed(3)} of the peak give ${oneGpu}/s on one GPU without recompute`);
for (const { batch, published, ...run } of runs) {
  const speedUp = throughput(machine, batch, run, true) / oneGpu;
  const error = `${(100 * (speedUp / published - 1)).toFixed(1)} %`;
  console.log(`${run.balance.length} GPUs: ${speedUp.toFixed(3)}, published ${published} (${error})`);
}
