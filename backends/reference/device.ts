/** One device of a plan, as the reference sees it: its buffers by name, and where its tiles lie. */
import { at, type Box, extents, shiftBox } from '../../ir/box.ts';
import type { Sides } from '../../ir/ops/attributes.ts';
import type { Buffer, Plan, Role } from '../../ir/plan.ts';
import { roleIndexAt, type Seat, seatOf, tileAt } from '../../ir/ranks.ts';
import type { Ownership } from '../../ir/tiling.ts';
import { product } from '../../ir/type.ts';
import { reframe } from './kernels/frame.ts';
import { type Three, threeAxes } from './kernels/kernel.ts';

export type Device = Seat & {
  readonly rank: number;
  readonly plan: Plan;
  readonly role: Role;
  /** What is written and not freed. The arrays themselves are never changed. */
  readonly alive: Map<string, Float64Array>;
};

export function deviceOf(plan: Plan, rank: number): Device {
  const seat = seatOf(plan, rank);
  const role = plan.roles[roleIndexAt(plan, seat)];
  if (role === undefined) throw new Error(`rank ${rank} has no role at place ${seat.place}`);
  return { ...seat, rank, plan, role, alive: new Map() };
}

const where = ({ rank, role }: Device, buffer: string): string =>
  `buffer ${buffer} of ${role.name} on rank ${rank}`;

export function bufferNamed(device: Device, name: string): Buffer {
  const buffer = device.role.buffers.find((one) => one.name === name);
  if (buffer === undefined) throw new Error(`${where(device, name)} is not declared`);
  return buffer;
}

/** The values of a buffer; one that was never written, or freed since, is a fault of the plan. */
export function read(device: Device, name: string): Float64Array {
  const values = device.alive.get(name);
  if (values === undefined) throw new Error(`${where(device, name)} is read, but not alive`);
  return values;
}

export function write(device: Device, name: string, values: Float64Array): void {
  const expected = product(bufferNamed(device, name).dims);
  if (values.length !== expected)
    throw new RangeError(`${where(device, name)} gets ${values.length} elements instead of ${expected}`);
  device.alive.set(name, values);
}

export function free(device: Device, name: string): void {
  if (!device.alive.delete(name)) throw new Error(`${where(device, name)} is freed, but not alive`);
}

/** Where the cells of a buffer lie in the whole value. */
export function globalBox(owners: Ownership, { plan, place }: Device, { value, box, part }: Buffer): Box {
  const tile = tileAt(plan, place, part);
  return shiftBox(
    box ?? [],
    (box ?? []).map((_, axis) => owners.origin(value, axis, at(tile, axis))),
  );
}

/** The cells of the value of a buffer that its tile owns, in global coordinates. */
export const ownedBox = (owners: Ownership, { plan, place }: Device, { value, part }: Buffer): Box =>
  tileAt(plan, place, part).map((index, axis) => owners.owned(value, axis, index));

/** The cells `part` out of maps that hold the cells `whole`; `part` must lie inside. */
export function cut(values: Float64Array, maps: number, whole: Box, part: Box): Float64Array {
  const sides = part.map((r, axis): Sides => {
    const all = at(whole, axis);
    if (r.from < all.from || r.to > all.to)
      throw new RangeError(`cells ${r.from} to ${r.to} of ${all.from} to ${all.to} on axis ${axis}`);
    return [all.from - r.from, r.to - all.to];
  });
  const size: Three = threeAxes(extents(whole), 1);
  return reframe(values, maps, size, threeAxes(sides, [0, 0] as const));
}

/** Maps of the cells `whole` that are 0 but for the given ones. */
export function placed(values: Float64Array, maps: number, part: Box, whole: Box): Float64Array {
  const sides = part.map((r, axis): Sides => {
    const all = at(whole, axis);
    if (r.from < all.from || r.to > all.to)
      throw new RangeError(`cells ${r.from} to ${r.to} of ${all.from} to ${all.to} on axis ${axis}`);
    return [r.from - all.from, all.to - r.to];
  });
  return reframe(values, maps, threeAxes(extents(part), 1), threeAxes(sides, [0, 0] as const));
}

/** The owned cells of a buffer, `[samples, channels, ...owned extents]`. */
export function ownedPart(owners: Ownership, device: Device, name: string): Float64Array {
  const buffer = bufferNamed(device, name);
  const maps = at(buffer.dims, 0) * at(buffer.dims, 1);
  const held = globalBox(owners, device, buffer);
  return cut(read(device, name), maps, held, ownedBox(owners, device, buffer));
}
