/** What the joint search is given, and what every candidate is priced with. */
import { at } from '../../ir/box.ts';
import { typesAmong, typesOf } from '../../ir/graph.ts';
import {
  bytesSeconds,
  isCotangent,
  type Kernel,
  kernelOf,
  kernelOn,
  kernelSeconds,
  leastSeconds,
  leastWithin,
  piecemeal,
  strandsSeconds,
} from '../../ir/kernels.ts';
import { devicesWorth, type Machine, machineAtWork, machineDevices, usableMemory } from '../../ir/machine.ts';
import { type Model, type Optimizer, trainedParameters } from '../../ir/model.ts';
import { ops } from '../../ir/ops/table.ts';
import { type Pins, pinnedTiles } from '../../ir/schedule.ts';
import { tiledExtents } from '../../ir/tiling.ts';
import { product } from '../../ir/type.ts';
import { slotsOf, stateName, updateGraph } from '../lower/optimizer.ts';
import { type OpProfile, type Profile, profileOf } from './profile.ts';
import { longestAxis, type Pieces } from './recompute/pieces.ts';

/** Halo decisions of other systems, to compare with: recompute every margin, or exchange before every op that needs one. */
export type HaloStrategy = 'overlap' | 'exchange';

export type Situation = {
  readonly model: Model;
  readonly profile: Profile;
  readonly machine: Machine;
  /** The kernels of the profile, like ones drawn together. */
  readonly kinds: readonly Kind[];
  readonly pins: Pins;
  /** Keeps halo decisions to a strategy; absent: the best are looked for. */
  readonly strategy?: HaloStrategy | undefined;
  /** Devices at most. */
  readonly devices: number;
  /** Bytes that a device has for the plan. */
  readonly memory: number;
  readonly batch: number;
  readonly parameterBytes: number;
  /** Bytes of weights, gradients and optimizer state per byte of parameter. */
  readonly stateFactor: number;
  /** Seconds in which a device updates all parameters, and those that it takes longer in two runs. */
  readonly updateSeconds: number;
  readonly lateSeconds: number;
};

/** Bytes that a device has for the plan, whoever decides. */
export const memoryFor = ({ memory = Number.POSITIVE_INFINITY }: Pins, { device }: Machine): number =>
  Math.min(memory, usableMemory(device));

export function situationOf(model: Model, machine: Machine, pins: Pins, strategy?: HaloStrategy): Situation {
  const { training } = model;
  if (training === undefined) throw new Error(`${model.name} has nothing to train`);
  const profile = profileOn(machine, profileOf(model));
  return {
    model,
    profile,
    machine,
    kinds: kindsOf(profile),
    pins,
    strategy,
    devices: pins.devices ?? machineDevices(machine),
    memory: memoryFor(pins, machine),
    batch: training.batch,
    parameterBytes: profile.ops.reduce((sum, { parameterBytes }) => sum + parameterBytes, 0),
    stateFactor: slotsOf(training.optimizer).length + 1,
    ...updating(model, training.optimizer, machine),
  };
}

/** The situation as plans on so many devices find it, which may be in each other's way. */
export function amongDevices(situation: Situation): (devices: number) => Situation {
  const { model, machine: described } = situation;
  const { training } = model;
  if (described.device.contention === undefined || training === undefined) return () => situation;
  const known = new Map<number, Situation>();
  return (devices) => {
    const count = Math.min(devices, described.devicesPerNode);
    const machine = machineAtWork(described, count);
    const found = known.get(count) ?? {
      ...situation,
      machine,
      ...updating(model, training.optimizer, machine),
    };
    known.set(count, found);
    return found;
  };
}

/** Its kernels as the machine tells them apart. */
function profileOn({ device }: Machine, profile: Profile): Profile {
  const told = (kernels: readonly Kernel[]) => kernels.map((kernel) => kernelOn(device, kernel));
  const ops = profile.ops.map((op) => ({ ...op, forward: told(op.forward), backward: told(op.backward) }));
  return { ...profile, ops };
}

/** Seconds of updating so many bytes of the parameters. */
export const updateOf = (
  { updateSeconds, parameterBytes }: Pick<Situation, 'updateSeconds' | 'parameterBytes'>,
  bytes: number,
): number => (parameterBytes === 0 ? 0 : (updateSeconds * bytes) / parameterBytes);

/** All parameters of a run in one kernel for each kind of op, as multi-tensor kernels do, or in pieces. */
function updating(
  model: Model,
  optimizer: Optimizer,
  machine: Machine,
): Pick<Situation, 'updateSeconds' | 'lateSeconds'> {
  const { device } = machine;
  const trained = new Set(trainedParameters(model));
  const parameters = model.parameters.filter(({ name }) => trained.has(name));
  const { graph } = updateGraph(optimizer, parameters, (name) => stateName(`${name}~grad`, 'weight'), []);
  const strands = piecemeal(machine, graph);
  if (strands !== undefined) return { updateSeconds: strandsSeconds(device, strands), lateSeconds: 0 };
  const types = typesOf(graph);
  const kernels = graph.ops.map((op) => kernelOf(op, typesAmong(types, op.inputs), 1));
  const seconds = kernels.reduce((sum, kernel) => sum + kernelSeconds(device, kernel, 1) - device.launch, 0);
  const lateSeconds = device.launch * new Set(graph.ops.map(({ kind }) => kind)).size;
  return { updateSeconds: seconds + lateSeconds, lateSeconds };
}

/**
 * Cells of an op on a tile without margins, of so many samples: what its kernels are counted by. Where a tile may begin
 * amid a cell, the fewest.
 */
export function ownCells(
  profile: Profile,
  { counted }: OpProfile,
  tile: readonly number[],
  samples: number,
): number {
  const value = counted === undefined ? undefined : profile.values.get(counted);
  if (value === undefined) return 1;
  const cells = value.stride.map((stride, axis) => {
    const [share, extent] = [at(tile, axis) / stride, at(value.extents, axis)];
    return share > extent - 1 ? Math.min(extent, share) : Math.max(1, Math.floor(share));
  });
  return samples * product(cells);
}

/** Pixels of the cotangent that an op gives back, at least, on a tile without margins. */
function pixelsOf({ values }: Profile, { reads }: OpProfile, tile: readonly number[], samples: number) {
  const value = reads && values.get(reads.value);
  if (reads === undefined || value === undefined) return undefined;
  const sides = value.stride.map((stride, axis) =>
    Math.min(at(value.extents, axis), Math.max(1, Math.floor(at(tile, axis) / stride))),
  );
  return samples * product(sides);
}

/** No margin, exchanged or computed again, makes the kernel of a cotangent faster than this. */
function cotangentLeast(
  { profile, machine }: Pick<Situation, 'profile' | 'machine'>,
  op: OpProfile,
  tile: readonly number[],
  samples: number,
): (kernel: Kernel, cells: number) => number {
  const { device } = machine;
  const pixels = device.wave === undefined ? undefined : pixelsOf(profile, op, tile, samples);
  return (kernel, cells) =>
    pixels === undefined ? kernelSeconds(device, kernel, cells) : leastWithin(device, kernel, cells, pixels);
}

/** Seconds of each op, one way, on a tile without margins, of so many samples: at least. */
export const opSeconds = (
  situation: Pick<Situation, 'profile' | 'machine'>,
  way: 'forward' | 'backward',
  tile: readonly number[],
  samples: number,
): number[] =>
  situation.profile.ops.map((op) => {
    const cells = ownCells(situation.profile, op, tile, samples);
    return op[way].reduce(
      (sum, kernel) =>
        sum +
        (way === 'backward' && isCotangent(kernel)
          ? cotangentLeast(situation, op, tile, samples)(kernel, cells)
          : kernelSeconds(situation.machine.device, kernel, cells)),
      0,
    );
  });

/**
 * What ops take in pieces of a tile without margins, of so many samples. On this machine pieces of maps stay in caches,
 * which makes up for what kernels on few cells take more, and narrow maps are slower than low ones (measured:
 * `docs/planning.md`).
 */
export function piecesOf(
  { profile, machine: { device, launcher }, pins }: Pick<Situation, 'profile' | 'machine' | 'pins'>,
  tile: readonly number[],
  samples: number,
): Pieces {
  const cells = profile.ops.map((op) => ownCells(profile, op, tile, samples));
  const kernels = (op: number, way: 'forward' | 'backward', share: number) =>
    at(profile.ops, op)[way].reduce(
      (sum, kernel) => sum + kernelSeconds(device, kernel, share * at(cells, op)),
      0,
    );
  const tiles = pinnedTiles(pins);
  // Where the machine says that results which leave a session are copied.
  const givenOut = (bytes: number) =>
    device.traffic.run === undefined ? 0 : bytesSeconds(device, 'move', bytes, 'run') - device.launch;
  return {
    seconds: (op, way, share) =>
      launcher === 'local' ? share * kernels(op, way, 1) : kernels(op, way, share),
    cut: (bytes) => bytesSeconds(device, 'move', 2 * bytes, 'crop'),
    add: (bytes) => bytesSeconds(device, 'move', 3 * bytes, 'paste') + givenOut(bytes),
    session: device.dispatch ?? 0,
    axis: launcher === 'local' ? 0 : longestAxis(tile.map((extent, axis) => extent / (tiles?.[axis] ?? 1))),
  };
}

/**
 * By value the seconds that noting bytes of it adds, on a tile without margins, of so many samples: those of noting, and
 * of a dearer way back. That the way back may be cheaper is not counted on.
 */
export const notingSeconds = (
  { profile, machine }: Pick<Situation, 'profile' | 'machine'>,
  tile: readonly number[],
  samples: number,
): Map<string, number> =>
  new Map(
    profile.ops.flatMap((one) => {
      if (one.lean === undefined) return [];
      const cells = ownCells(profile, one, tile, samples);
      const seconds = (kernels: readonly Kernel[]) =>
        kernels.reduce((sum, kernel) => sum + kernelSeconds(machine.device, kernel, cells), 0);
      const { note, backward } = one.lean;
      const dearer = Math.max(0, seconds(backward) - seconds(one.backward));
      return [[one.op.output, seconds([note]) + dearer] as const];
    }),
  );

/**
 * The backward pass, from noted bytes where noting and that move less: no schedule has less to do. Noting itself is left
 * out, for on a small tile its launch takes longer than it saves.
 */
function leastBackward({ backward, lean }: OpProfile): readonly Kernel[] {
  if (lean === undefined) return backward;
  const moved = (kernels: readonly Kernel[]) => kernels.reduce((sum, { bytes }) => sum + bytes.perCell, 0);
  const noting = [lean.note, ...lean.backward];
  return moved(noting) < moved(backward) ? lean.backward : backward;
}

/** Kernels that are alike: of the same work, counted by values of the same grid. */
type Kind = {
  readonly kernel: Kernel;
  /** It gives back the cotangent of an operand, of which more cells may be read than there are results. */
  readonly isBackward: boolean;
  readonly times: number;
  /** Index, among the kinds, of the first that is counted by the same cells, and one of its ops. */
  readonly counted: number;
  readonly op: OpProfile;
};

function kindsOf({ ops: all, values, likes }: Profile): Kind[] {
  const kinds = new Map<string, Omit<Kind, 'times' | 'counted'> & { times: number }>();
  const counts = new Map<number, number>();
  for (const like of likes) counts.set(like, (counts.get(like) ?? 0) + 1);
  const grids = new Map<OpProfile, string>();
  for (const [like, times] of counts) {
    const op = at(all, like);
    const value = op.counted === undefined ? undefined : values.get(op.counted);
    const read = op.reads && [values.get(op.reads.value), op.reads.more];
    grids.set(op, JSON.stringify([value?.stride, value?.extents]));
    const add = (kernel: Kernel, isBackward: boolean): void => {
      const key = JSON.stringify([kernel, value?.stride, value?.extents, isBackward ? read : undefined]);
      const known = kinds.get(key);
      if (known === undefined) kinds.set(key, { kernel, op, isBackward, times });
      else known.times += times;
    };
    for (const kernel of op.forward) add(kernel, false);
    for (const kernel of leastBackward(op)) add(kernel, isCotangent(kernel));
  }
  const found = [...kinds.values()];
  const first = new Map<string | undefined, number>();
  return found.map((kind, index) => {
    const grid = grids.get(kind.op);
    const counted = first.get(grid) ?? index;
    first.set(grid, counted);
    return { ...kind, counted };
  });
}

type Seconds = (kind: Kind, cells: number) => number;

const sumOver = (
  { profile, kinds }: Situation,
  tile: readonly number[],
  samples: number,
  seconds: Seconds,
): number => {
  const cells: number[] = [];
  let sum = 0;
  for (const [index, kind] of kinds.entries()) {
    const { op, times, counted } = kind;
    const own = counted === index ? ownCells(profile, op, tile, samples) : (cells[counted] ?? 0);
    cells[index] = own;
    sum += times * seconds(kind, own);
  }
  return sum;
};

/** Seconds of forward and backward of one micro-batch on a tile, every margin free: no halo takes less. */
export const ownSeconds = (situation: Situation, tile: readonly number[], samples: number): number =>
  sumOver(situation, tile, samples, ({ kernel, op, isBackward }, cells) =>
    isBackward
      ? cotangentLeast(situation, op, tile, samples)(kernel, cells)
      : kernelSeconds(situation.machine.device, kernel, cells),
  );

/** Device seconds that the whole batch takes in any schedule: every kernel at the best rate of its class. */
export const leastWork = (situation: Situation, extents: readonly number[]): number =>
  sumOver(situation, extents, situation.batch, ({ kernel }, cells) =>
    leastSeconds(situation.machine.device, kernel, cells),
  );

/** One device with memory for everything: the whole batch at once, nothing recomputed, no message. */
export const oneDeviceSeconds = (situation: Situation, extents: readonly number[]): number =>
  ownSeconds(situation, extents, situation.batch) + situation.updateSeconds;

/** Whether no statistics over whole samples are in the way of tiles that come one after another. */
export const mayStream = ({ model }: Situation): boolean =>
  model.ops.every(({ kind }) => ops[kind].wholeExtent !== true);

/** Figures that any schedule of the model on the machine is measured by, whoever decided it. */
export type Yardstick = {
  /** Seconds of the whole batch on one device with memory for everything. */
  readonly oneDevice: number;
  /** Seconds below which no schedule on so many devices comes: all its kernels at their best rates. */
  readonly bound: number;
};

export function yardstickOf(model: Model, machine: Machine, devices: number): Yardstick {
  const situation = situationOf(model, machine, { devices });
  const extents = tiledExtents(model);
  return {
    oneDevice: oneDeviceSeconds(amongDevices(situation)(1), extents),
    bound: leastWork(situation, extents) / devicesWorth(machine, devices),
  };
}
