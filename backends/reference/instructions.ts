/** What each instruction means that a device carries out alone; `meet.ts` has the others. */
import { at, extents, volume, wholeBox } from '../../ir/box.ts';
import type { Instruction, Plan } from '../../ir/plan.ts';
import { hyper } from '../../ir/rate.ts';
import type { Ownership } from '../../ir/tiling.ts';
import {
  bufferNamed,
  cut,
  type Device,
  free,
  globalBox,
  ownedBox,
  ownedPart,
  placed,
  read,
  write,
} from './device.ts';
import {
  addConfusion,
  countOf,
  drawInput,
  type Feeds,
  feedNamed,
  inputNamed,
  sourceNamed,
  trainingOf,
} from './feeds.ts';
import { element, mapType } from './kernels/kernel.ts';
import { common, type MeetingKind } from './meet.ts';
import { runGraph } from './run-graph.ts';

/** The owned cells of an output: `[samples, channels, ...extents(box)]`, box in global coordinates. */
export type Stored = {
  readonly output: string;
  readonly value: string;
  readonly box: ReturnType<typeof ownedBox>;
  readonly values: Float64Array;
};

/** What a run leaves behind besides its buffers. */
export type Records = {
  /** Loss by rank. */
  readonly losses: Map<number, number>;
  /** Cells by label (rows) and predicted class (columns), for each target. */
  readonly confusion: Map<string, Float64Array>;
  readonly stored: Stored[];
};

export type Run = {
  readonly plan: Plan;
  readonly feeds: Feeds;
  readonly owners: Ownership;
  readonly records: Records;
};

type LocalKind = Exclude<Instruction['do'], MeetingKind>;
type InstructionsByKind = { [K in LocalKind]: Extract<Instruction, { do: K }> };
type InstructionOf<K extends LocalKind> = InstructionsByKind[K];
type Meaning<K extends LocalKind> = (device: Device, instruction: InstructionOf<K>, run: Run) => void;

/** Indices in the batch of the samples of one micro-batch of the device's replica. */
const samplesOf = ({ samples, schedule }: Plan, { replica }: Device, micro: number): number[] =>
  Array.from({ length: samples }, (_, i) => (replica * schedule.microBatches + micro) * samples + i);

/** Samples in a feed: the batch of a training, one image of a prediction. */
const batchOf = ({ purpose, model }: Plan): number => (purpose === 'train' ? trainingOf(model).batch : 1);

const meanings: { readonly [K in LocalKind]: Meaning<K> } = {
  load(device, { source, micro, into }, { plan, feeds, owners }) {
    const type = mapType(inputNamed(plan.model, source).type);
    const feed = feedNamed(plan.model, feeds, source, batchOf(plan));
    const size = type.channels * volume(type.box);
    const samples = samplesOf(plan, device, micro);
    const first = at(samples, 0) * size;
    const whole = feed.subarray(first, first + samples.length * size);
    const box = globalBox(owners, device, bufferNamed(device, into));
    write(device, into, cut(whole, samples.length * type.channels, wholeBox(extents(type.box)), box));
  },
  draw(device, { source, micro, into }, { plan, feeds, owners }) {
    const box = globalBox(owners, device, bufferNamed(device, into));
    const samples = samplesOf(plan, device, micro);
    write(device, into, drawInput(plan.model, source, feeds.step, samples, box));
  },
  count(device, { source, from, into, first }, { plan, owners }) {
    const cells = plan.samples * volume(ownedBox(owners, device, bufferNamed(device, from)));
    const more = countOf(plan.model, source, ownedPart(owners, device, from), cells);
    write(device, into, Float64Array.of((first ? 0 : element(read(device, into), 0)) + more));
  },
  run(device, { segment: name, reads, writes }, { plan }) {
    const segment = plan.segments.find((one) => one.name === name);
    if (segment === undefined) throw new Error(`the plan has no segment ${name}`);
    const { graph, samples } = segment;
    const inputs = graph.inputs.map((input, i): [string, Float64Array] => [
      input.name,
      read(device, at(reads, i)),
    ]);
    const outputs = runGraph(graph, samples, new Map(inputs));
    graph.outputs.forEach((output, i) => {
      const values = outputs.get(output);
      if (values !== undefined) write(device, at(writes, i), values);
    });
  },
  accumulate(device, { from, into, first }) {
    const more = read(device, from);
    const sum = first ? more : read(device, into).map((value, i) => value + element(more, i));
    write(device, into, sum);
  },
  paste(device, { from, into, first }) {
    const [source, target] = [bufferNamed(device, from), bufferNamed(device, into)];
    const maps = at(source.dims, 0) * at(source.dims, 1);
    const [have, whole] = [source.box ?? [], target.box ?? []];
    const both = common(have, whole);
    const piece = placed(cut(read(device, from), maps, have, both), maps, both, whole);
    write(device, into, first ? piece : read(device, into).map((value, i) => value + element(piece, i)));
  },
  rate(device, { into }, { plan, feeds }) {
    write(device, into, Float64Array.from(hyper(trainingOf(plan.model), feeds.step)));
  },
  metric(device, { target, predicted, labels }, { plan, owners, records }) {
    const { classes } = sourceNamed(plan.model, target, 'target');
    if (classes === undefined) return;
    const matrix = records.confusion.get(target) ?? new Float64Array(classes * classes);
    records.confusion.set(target, matrix);
    const truth = ownedPart(owners, device, labels);
    addConfusion(matrix, classes, truth, ownedPart(owners, device, predicted));
  },
  store(device, { output, from }, { owners, records }) {
    const buffer = bufferNamed(device, from);
    const box = ownedBox(owners, device, buffer);
    records.stored.push({ output, value: buffer.value, box, values: ownedPart(owners, device, from) });
  },
  report(device, { from }, { records }) {
    records.losses.set(device.rank, element(read(device, from), 0));
  },
  free(device, { buffers }) {
    for (const name of buffers) free(device, name);
  },
};

/** Carries out one instruction on one device. */
export const perform = <K extends LocalKind>(
  device: Device,
  instruction: { readonly do: K } & InstructionOf<K>,
  run: Run,
): void => meanings[instruction.do](device, instruction, run);
