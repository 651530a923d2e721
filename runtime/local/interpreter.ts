/**
 * What a device does with its program: one handler for each kind of instruction, one after another. The
 * program is the plan's; nothing is decided here.
 */
import { at, type Box, intersect, shiftBox, volume, wholeBox } from '../../ir/box.ts';
import type { Input, Model, Source, Training } from '../../ir/model.ts';
import type { Instruction, Plan, Role } from '../../ir/plan.ts';
import { tileAt } from '../../ir/ranks.ts';
import { hyper } from '../../ir/rate.ts';
import type { Ownership } from '../../ir/tiling.ts';
import { type Element, product } from '../../ir/type.ts';
import type { Arena, Elements, Held } from './arena.ts';
import { type Board, idle } from './board.ts';
import { countLabels, countPairs, cutOut, type Labelled } from './cells.ts';
import { drawnInput } from './drawn.ts';
import type { Feed } from './feed.ts';
import { refuseNotFinite } from './finite.ts';
import {
  allReduceOver,
  exchange,
  gather,
  give,
  type Place,
  paste,
  scatter,
  sumOverStages,
  take,
} from './meetings.ts';
import { collectCopies } from './memory.ts';
import type { Mesh } from './mesh.ts';
import { inImage, ownedBox, roleIndexOf, sampleOf, seatFor } from './placement.ts';
import type { Sessions } from './sessions.ts';
import { addTo, multiply, squaresOf } from './sums.ts';

/** All that a device has from one job to the next. */
export type Device = {
  readonly rank: number;
  readonly plan: Plan;
  readonly owners: Ownership;
  readonly mesh: Mesh;
  readonly tag: Place['tag'];
  readonly sessions: Sessions;
  readonly feed: Feed;
  readonly board: Board;
  /** The buffers of a role, with the weights where that role has them. */
  arenaOf(role: number): Arena;
  /** Called before each instruction; a test may stand still in it. */
  before(instruction: Instruction, job: Job): Promise<void> | undefined;
};

/** One step of training on the device's own tile, or one tile of a prediction. */
export type Job = {
  readonly step: number;
  readonly tile: number;
  readonly probe?: Probe;
  /** Whether each instruction is timed. */
  readonly timed?: boolean;
};

/** Buffers to give out as they are before the first instruction of that kind: for whoever compares. */
export type Probe = { readonly before: Instruction['do']; readonly buffers: readonly string[] };

/** Owned cells of an output: `[channels, ...extents(box)]`, `box` in the coordinates of the output. */
export type Stored = { readonly output: string; readonly box: Box; readonly data: Elements };

export type JobResult = {
  readonly loss?: number;
  /** For each target, cells by labelled class (rows) and predicted class (columns), row-major. */
  readonly confusion: Readonly<Record<string, Float64Array>>;
  readonly stored: readonly Stored[];
  readonly probed: Readonly<Record<string, Float32Array>>;
  /** Milliseconds since 1970 at the begin and the end of each instruction, in turn. */
  readonly times?: Float64Array;
};

/** What the handlers of one job share and add to. */
type Work = {
  readonly device: Device;
  readonly job: Job;
  readonly role: Role;
  readonly arena: Arena;
  readonly place: Place;
  readonly confusion: Record<string, Float64Array>;
  readonly stored: Stored[];
  readonly probed: Record<string, Float32Array>;
  loss?: number;
};

type InstructionOf<K extends Instruction['do']> = Extract<Instruction, { do: K }>;
type Handler<K extends Instruction['do']> = (
  instruction: InstructionOf<K>,
  work: Work,
) => Promise<void> | void;

const handlers: { readonly [K in Instruction['do']]: Handler<K> } = {
  async load({ source, micro, into }, work) {
    const held = work.arena.held(into);
    const box = boxInImage(work, held);
    await eachSample(work, micro, held, (sample, part) =>
      work.device.feed.load({ source, step: work.job.step, sample, box }, part),
    );
  },

  async draw({ source, micro, into }, work) {
    const { model } = work.device.plan;
    const held = work.arena.held(into);
    const place = { step: work.job.step, box: boxInImage(work, held) };
    const numbersOf = drawnInput(model, inputOf(model, source), place);
    await eachSample(work, micro, held, (sample, part) => part.set(numbersOf(sample)));
  },

  count({ source, from, into, first }, work) {
    const { model, samples } = work.device.plan;
    const { target, weights, channels } = sourceOf(model, source, 'count');
    const { classes } = sourceOf(model, target, 'target');
    const labels = work.arena.held(from);
    const owned = ownedPart(work, labels);
    const sum =
      classes === undefined
        ? samples * volume(owned)
        : weightOf(countLabels(labelled(labels), samples, owned), classes, weights);
    const total = work.arena.floats(into);
    total[0] = (first ? 0 : (total[0] ?? 0)) + sum * channels;
  },

  async run(instruction, work) {
    const { segment, reads, writes } = instruction;
    const { arena, device, role } = work;
    refuseNotFinite(device.plan, role, instruction, arena, work.job.step);
    await device.sessions.run(
      segment,
      reads.map((name) => arena.held(name)),
      writes.map((name) => arena.held(name)),
    );
  },

  accumulate({ from, into, first }, { arena }) {
    const sum = arena.floats(into);
    const more = arena.floats(from);
    if (first) sum.set(more);
    else addTo(sum, more);
  },

  all_reduce: (instruction, { place }) => allReduceOver(instruction, place),
  all_gather: (instruction, { place }) => gather(instruction, place),
  reduce_scatter: (instruction, { place }) => scatter(instruction, place),
  exchange: (instruction, { place }) => exchange(instruction, place),
  send: (instruction, { place }) => give(instruction, place),
  receive: (instruction, { place }) => take(instruction, place),
  paste: (instruction, { place }) => paste(instruction, place),

  async clip(instruction, { arena, place }) {
    const { buffers, norm } = instruction;
    const gradients = buffers.map((name) => arena.floats(name));
    const own = gradients.reduce((sum, values) => sum + squaresOf(values), 0);
    const total = Math.sqrt(await sumOverStages(instruction, place, own));
    if (!(total > norm)) return;
    for (const values of gradients) multiply(values, norm / total);
  },

  rate({ into }, work) {
    work.arena.floats(into).set(hyper(trainingOf(work.device.plan.model), work.job.step));
  },

  metric({ target, predicted, labels }, work) {
    const { model, samples } = work.device.plan;
    const { classes } = sourceOf(model, target, 'target');
    if (classes === undefined) return;
    const truth = work.arena.held(labels);
    const counts = work.confusion[target] ?? new Float64Array(classes * classes);
    work.confusion[target] = counts;
    const guess = labelled(work.arena.held(predicted));
    countPairs(counts, classes, labelled(truth), guess, samples, ownedPart(work, truth));
  },

  store({ output, from }, work) {
    const held = work.arena.held(from);
    const { buffer, data } = held;
    const whole = buffer.box ?? [];
    const part = ownedPart(work, held);
    const maps = at(buffer.dims, 0) * at(buffer.dims, 1);
    const packed = cutOut<Elements>(data, maps, whole, part, (length) => emptyLike(buffer.element, length));
    work.stored.push({
      output,
      box: inImage(work.device.owners, buffer.value, tileOf(work, held), part),
      data: packed,
    });
  },

  report({ from }, work) {
    work.loss = work.arena.floats(from)[0] ?? Number.NaN;
  },

  // The arena gives the place to whoever the plan says comes next.
  free: () => undefined,
};

/** Carries out one job. Every instruction is on the board before it begins. */
export async function perform(device: Device, job: Job): Promise<JobResult> {
  const { plan, mesh, tag } = device;
  const seat = seatFor(plan, device.rank, job.tile);
  const index = roleIndexOf(plan, seat);
  const role = at(plan.roles, index);
  const arena = device.arenaOf(index);
  const work: Work = {
    device,
    job,
    role,
    arena,
    place: { plan, seat, step: job.step, mesh, tag, arena, leaving: [] },
    confusion: {},
    stored: [],
    probed: {},
  };
  const times = job.timed === true ? new Float64Array(2 * role.instructions.length) : undefined;
  for (const [i, instruction] of role.instructions.entries()) {
    device.board.announce({ step: job.step, tile: job.tile, role: index, instruction: i });
    await device.before(instruction, job);
    lookInto(work, instruction);
    if (times !== undefined) times[2 * i] = now();
    await handle(instruction, work);
    const left = travelledBytes(instruction, arena);
    if (left > 0) collectCopies(left);
    if (times !== undefined) times[2 * i + 1] = now();
  }
  await Promise.all(work.place.leaving);
  device.board.announce({ ...idle, step: job.step + 1 });
  const { loss, confusion, stored, probed } = work;
  return {
    ...(loss === undefined ? {} : { loss }),
    ...(times === undefined ? {} : { times }),
    confusion,
    stored,
    probed,
  };
}

/** The same for all processes of a machine. */
const now = (): number => performance.timeOrigin + performance.now();

/** Buffers whose content goes through memory beside the arena that is left to the collector: windows, parts of results. */
const travelling = (instruction: Instruction): readonly string[] => {
  if (instruction.do === 'load') return [instruction.into];
  return instruction.do === 'store' ? [instruction.from] : [];
};

const travelledBytes = (instruction: Instruction, arena: Arena): number =>
  travelling(instruction).reduce((sum, name) => sum + arena.held(name).data.byteLength, 0);

const handle = <K extends Instruction['do']>(
  instruction: InstructionOf<K> & { do: K },
  work: Work,
): Promise<void> | void => handlers[instruction.do](instruction, work);

function lookInto({ job: { probe }, probed, arena }: Work, instruction: Instruction): void {
  if (probe === undefined || instruction.do !== probe.before || Object.keys(probed).length > 0) return;
  for (const name of probe.buffers) probed[name] = Float32Array.from(arena.floats(name));
}

const emptyLike = (element: Element, length: number): Elements =>
  element === 'f32' ? new Float32Array(length) : new Uint8Array(length);

/** Sum of the weights of counted labels; labels beyond the classes weigh nothing. */
const weightOf = (counts: Float64Array, classes: number, weights: readonly number[]): number =>
  counts.subarray(0, classes).reduce((sum, count, label) => sum + count * (weights[label] ?? 1), 0);

const labelled = ({ buffer, data }: Held): Labelled => {
  if (data instanceof Uint8Array && buffer.box !== undefined) return { data, box: buffer.box };
  throw new TypeError(`buffer ${buffer.name} holds no labels`);
};

/** The tile that the cells of a buffer belong to. */
const tileOf = ({ place: { plan, seat } }: Work, { buffer }: Held): number[] =>
  tileAt(plan, seat.place, buffer.part);

/** The cells of a buffer that its tile owns, in tile coordinates. */
function ownedPart(work: Work, held: Held): Box {
  const { owners } = work.device;
  const { value, box = [] } = held.buffer;
  const tile = tileOf(work, held);
  const origins = tile.map((index, axis) => -owners.origin(value, axis, index));
  return shiftBox(ownedBox(owners, value, tile), origins).map((range, axis) =>
    intersect(range, at(box, axis)),
  );
}

const boxInImage = (work: Work, held: Held): Box =>
  held.buffer.box === undefined
    ? wholeBox([])
    : inImage(work.device.owners, held.buffer.value, tileOf(work, held), held.buffer.box);

/** Calls `visit` with each sample of a micro-batch, by its index in the batch, and its part of the buffer. */
async function eachSample(
  { place: { plan, seat } }: Work,
  micro: number,
  { buffer, data }: Held,
  visit: (sample: number, part: Elements) => Promise<void> | void,
): Promise<void> {
  const length = product(buffer.dims.slice(1));
  for (let index = 0; index < plan.samples; index++)
    await visit(
      sampleOf(plan, seat.replica, micro, index),
      data.subarray(index * length, (index + 1) * length),
    );
}

function inputOf(model: Model, name: string): Input {
  const input = model.inputs.find((one) => one.name === name);
  if (input === undefined) throw new RangeError(`model ${model.name} has no input ${name}`);
  return input;
}

function sourceOf<F extends Source['from']>(
  model: Model,
  name: string,
  from: F,
): Extract<Source, { from: F }> {
  const { source } = inputOf(model, name);
  if (isFrom(source, from)) return source;
  throw new TypeError(`input ${name} of model ${model.name} is no ${from}`);
}

const isFrom = <F extends Source['from']>(source: Source, from: F): source is Extract<Source, { from: F }> =>
  source.from === from;

function trainingOf(model: Model): Training {
  if (model.training === undefined) throw new TypeError(`model ${model.name} has no training`);
  return model.training;
}
