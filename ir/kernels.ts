/**
 * How long a device works on an op: the cost model that planner, simulator and report share.
 *
 *   seconds = max(flops / (peak * share), bytes / (bandwidth * share)) + launch
 *
 * (the roofline of Williams et al. 2009 with attainable shares from the machine file). The share of the peak may have
 * further factors. One by the kernel's intensity, its FLOPs for each byte of its maps: of few channels much of the time of a
 * convolution goes into bringing operands where it needs them. And wave quantisation: the result of a
 * convolution is cut into blocks of so many pixels times channels, one for each processor at a time, and the last wave
 * of blocks takes as long as a full one. A block of the cotangent of an operand does for each of its pixels what one amid the
 * map needs, on the rim of what a tile was given too, where fewer results have read it (implicit GEMM: CUTLASS, "Conv2dDgrad",
 * M = N H W of the operand, K = R S times the channels of the result).
 */
import { volume } from './box.ts';
import type { Graph, Op } from './graph.ts';
import {
  type Curve,
  type Device,
  type KernelClass,
  type KernelName,
  type Machine,
  shareAt,
} from './machine.ts';
import { flopsOf, ops } from './ops/table.ts';
import { type Strand, type Strands, strandsOf } from './strands.ts';
import { elementsOf, type MapType, product, type ValueType } from './type.ts';

/** An amount that grows with the cells of a map (of all samples together): `fixed + perCell * cells`. */
export type Amount = { readonly fixed: number; readonly perCell: number };

/** The work of one op, as a function of the cells of the map that it is counted by. */
export type Kernel = {
  readonly kernel: KernelClass;
  /** What it is beside its class: where the machine says something of it, that holds. */
  readonly kind?: KernelName;
  readonly flops: Amount;
  readonly bytes: Amount;
  /** Pixels of its result that its FLOPs are for, per cell; 0 where no waves are counted. */
  readonly pixels: number;
  readonly channels: number;
};

const waved: ReadonlySet<KernelClass> = new Set(['conv', 'conv_data', 'conv_weight']);

const isSpatialMap = (type: ValueType | undefined): type is MapType =>
  type?.kind === 'map' && type.box.length > 0;

/** Bytes of one sample of a map, of a whole array. */
const bytesOfOne = (type: ValueType): number => elementsOf(type) * (type.element === 'u8' ? 1 : 4);

/** The map whose pixels the blocks of a kernel share out: its result, of a weight gradient the cotangent. */
const blockedMap = (kernel: KernelClass, inputs: readonly ValueType[], output: ValueType) =>
  [kernel === 'conv_weight' ? inputs[1] : output].find(isSpatialMap);

/** Of the cotangent of an operand as many pixels as the results that are given back need; there may be more around them. */
function usefulPixels({ kind, attrs }: Op, inputs: readonly ValueType[], blocked: MapType): number {
  const all = volume(blocked.box);
  const given = inputs.find(isSpatialMap);
  if (kind !== 'conv_data' || given === undefined) return all;
  return Math.min(all, volume(given.box) * product(attrs.stride));
}

/**
 * The work of an op, counted by `cells`: how many cells the map has, on one sample, that stands for all of its
 * maps. All spatial maps are taken to grow in proportion; vectors and arrays are fixed. Of what a piece is cut out of no
 * more than the piece is read.
 */
export function kernelOf(op: Op, inputs: readonly ValueType[], cells: number): Kernel {
  const { kernel = 'pointwise', picks } = ops[op.kind];
  const read = picks === true ? [op.type] : inputs;
  const flops = flopsOf(op, inputs);
  let grows = false;
  let ofMaps = 0;
  let fixed = 0;
  for (let i = 0; i <= read.length; i++) {
    const type = read[i] ?? op.type;
    if (isSpatialMap(type)) {
      grows = true;
      ofMaps += bytesOfOne(type);
    } else fixed += bytesOfOne(type);
  }
  const blocked = waved.has(kernel) ? blockedMap(kernel, inputs, op.type) : undefined;
  return {
    kernel,
    kind: op.kind,
    flops: grows ? { fixed: 0, perCell: flops / cells } : { fixed: flops, perCell: 0 },
    bytes: { fixed, perCell: ofMaps / cells },
    pixels: blocked === undefined ? 0 : usefulPixels(op, inputs, blocked) / cells,
    channels: blocked?.channels ?? 0,
  };
}

const amount = ({ fixed, perCell }: Amount, cells: number): number => fixed + perCell * cells;

/** The share of the processors' time that blocks of a result of so many pixels and channels use. */
export function waveShare({ wave }: Pick<Device, 'wave'>, pixels: number, channels: number): number {
  if (wave === undefined || pixels === 0) return 1;
  const blocks = Math.ceil(pixels / wave.pixels) * Math.ceil(channels / wave.channels);
  const waves = Math.ceil(blocks / wave.processors);
  return (pixels * channels) / (waves * wave.processors * wave.pixels * wave.channels);
}

type Limit = 'arithmetic' | 'intensity' | 'traffic';

const isGiven = ({ arithmetic, intensity, traffic }: Device, name: KernelName): boolean =>
  (arithmetic[name] ?? traffic[name] ?? intensity?.[name]) !== undefined;

/** A kind of which anything is given takes nothing from its class. */
const nameOf = (device: Device, { kernel, kind }: Kernel): KernelName =>
  kind !== undefined && isGiven(device, kind) ? kind : kernel;

/** Without its kind, if the machine says nothing of that: kernels that differ in nothing else take the same. */
export function kernelOn(device: Device, one: Kernel): Kernel {
  const { kind, ...alike } = one;
  return kind === undefined || isGiven(device, kind) ? one : alike;
}

/** FLOPs for each byte of the maps that a kernel reads and writes, however large they are; without maps, of all. */
export const intensityOf = ({ flops, bytes }: Kernel): number =>
  flops.perCell > 0 ? flops.perCell / bytes.perCell : flops.fixed / bytes.fixed;

/** Seconds of the floating-point operations alone, where the blocks share out so many pixels. */
function arithmeticSeconds(device: Device, one: Kernel, cells: number, pixels: number): number {
  const flops = amount(one.flops, cells);
  if (flops === 0) return 0;
  const name = nameOf(device, one);
  const intensity = device.intensity?.[name];
  const attained =
    shareAt(device.arithmetic[name], flops) *
    (intensity === undefined ? 1 : shareAt(intensity, intensityOf(one))) *
    waveShare(device, pixels, one.channels) *
    (pixels === 0 ? 1 : (one.pixels * cells) / pixels);
  return flops / (device.peak * attained);
}

/** Seconds in which its operands and its result pass between the device and its memory. */
function trafficSeconds(device: Device, one: Kernel, cells: number): number {
  const bytes = amount(one.bytes, cells);
  return bytes / (device.bandwidth * shareAt(device.traffic[nameOf(device, one)], bytes));
}

/**
 * Seconds of one launch of a kernel on `cells` cells, those of all samples together. `pixels`: of its blocks, where
 * they do not grow with the cells.
 */
export const kernelSeconds = (
  device: Device,
  one: Kernel,
  cells: number,
  pixels = one.pixels * cells,
): number =>
  Math.max(arithmeticSeconds(device, one, cells, pixels), trafficSeconds(device, one, cells)) + device.launch;

/** What a kernel takes at least whose blocks share out so many pixels or more. */
export function leastWithin(device: Device, one: Kernel, cells: number, least: number): number {
  const full = kernelSeconds(device, { ...one, pixels: 0 }, cells) - device.launch;
  const spread = arithmeticSeconds(device, one, cells, least);
  return Math.max(full, spread) + device.launch;
}

/** In a backward pass: whether the blocks of a kernel share out the cotangent of an operand. */
export const isCotangent = ({ kernel, pixels }: Kernel): boolean => pixels > 0 && kernel !== 'conv_weight';

/** Seconds of one kernel that does nothing but read and write so many bytes. */
export function bytesSeconds(device: Device, kernel: KernelClass, bytes: number, kind?: KernelName): number {
  const name = kind !== undefined && isGiven(device, kind) ? kind : kernel;
  return bytes / (device.bandwidth * shareAt(device.traffic[name], bytes)) + device.launch;
}

/** What bounds a kernel beside its launch. */
export type KernelLimit = 'arithmetic' | 'traffic';

export const kernelLimit = (device: Device, one: Kernel, cells: number, pixels: number): KernelLimit =>
  arithmeticSeconds(device, one, cells, pixels) >= trafficSeconds(device, one, cells)
    ? 'arithmetic'
    : 'traffic';

/** The least seconds that any kernel of this class can take for the same work: no waves, no launch, its best share. */
export function leastSeconds(device: Device, one: Kernel, cells: number): number {
  const name = nameOf(device, one);
  const best = (limit: Limit) => {
    const curve: Curve | undefined = device[limit]?.[name];
    return curve === undefined ? 1 : Math.max(...curve.map(({ share }) => share));
  };
  return Math.max(
    amount(one.flops, cells) / (device.peak * best('arithmetic') * best('intensity')),
    amount({ ...one.bytes, fixed: 0 }, cells) / (device.bandwidth * best('traffic')),
  );
}

/** Seconds of an op of a device's program on so many samples. */
export function opSeconds(device: Device, op: Op, inputs: readonly ValueType[], samples: number): number {
  const { kernel, cells, pixels } = kernelHere(op, inputs, samples);
  return kernelSeconds(device, kernel, cells, pixels);
}

/** What bounds an op of a device's program. */
export function opLimit(device: Device, op: Op, inputs: readonly ValueType[], samples: number): KernelLimit {
  const { kernel, cells, pixels } = kernelHere(op, inputs, samples);
  return kernelLimit(device, kernel, cells, pixels);
}

function kernelHere(op: Op, inputs: readonly ValueType[], samples: number) {
  const spatial = isSpatialMap(op.type) ? op.type : inputs.find(isSpatialMap);
  const cells = spatial === undefined ? 1 : volume(spatial.box);
  const kernel = kernelOf(op, inputs, cells);
  const blocked = waved.has(kernel.kernel) ? blockedMap(kernel.kernel, inputs, op.type) : undefined;
  const pixels = blocked === undefined ? 0 : samples * volume(blocked.box);
  return { kernel, cells: cells * samples, pixels };
}

/**
 * The strands of an update that a device of the machine works through in pieces, as device processes do: what lies between
 * its ops stays in the cache. On clusters each op passes over memory.
 */
export const piecemeal = ({ launcher }: Pick<Machine, 'launcher'>, graph: Graph): Strands | undefined =>
  launcher === 'local' ? strandsOf(graph) : undefined;

/** Bytes that a strand brings from memory and takes there. */
export const strandBytes = ({ inputs, outputs, elements }: Strand): number =>
  4 * elements * (inputs.length + outputs.length);

/** Seconds of an update in pieces: of all strands what passes between device and memory, and a launch for each form. */
export function strandsLimits(device: Device, { forms }: Strands): { traffic: number; launches: number } {
  const traffic = forms
    .flatMap(({ strands }) => strands)
    .reduce((sum, strand) => sum + bytesSeconds(device, 'update', strandBytes(strand)) - device.launch, 0);
  return { traffic, launches: forms.length * device.launch };
}

export function strandsSeconds(device: Device, strands: Strands): number {
  const { traffic, launches } = strandsLimits(device, strands);
  return traffic + launches;
}
