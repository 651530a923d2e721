/**
 * Gives every buffer its place in the arena of its role, so that no two that live at the same time overlap,
 * and adds up the predicted peak. First fit, largest first: optimal placement is NP-hard, and this order is
 * close to the sum of live bytes for U-Nets, whose big maps are nested in time.
 */
import { at } from '../../ir/box.ts';
import { footprintsOf, totalOf } from '../../ir/footprint.ts';
import { sameIntervals } from '../../ir/liveness.ts';
import type { Pass } from '../../ir/pass.ts';
import type { Buffer, Plan, Role } from '../../ir/plan.ts';

/** ONNX Runtime's reductions change with the address modulo 16; 64 is a cache line. */
const alignment = 64;

export const allocate: Pass<'plan', 'plan'> = {
  name: 'allocate',
  doc: 'places of the buffers in the arena, and the predicted peak',
  from: 'plan',
  to: 'plan',
  run: ({ plan }) => ({ stage: 'plan', allocated: true, plan: withPeaks(withOffsets(plan)) }),
};

const aligned = (bytes: number): number => Math.ceil(bytes / alignment) * alignment;

/** Roles whose buffers are as large and live as long, as those of mirrored tiles, have them at the same places. */
function withOffsets(plan: Plan): Plan {
  const placed: Placed[] = [];
  const placedOf = ({ buffers }: Role): Buffer[] => {
    const alike = placed.find((one) => sameIntervals(one.before, buffers));
    if (alike !== undefined)
      return buffers.map((buffer, i) => {
        const other = at(alike.after, i);
        return at(alike.before, i) === buffer ? other : { ...buffer, offset: other.offset };
      });
    const offsets = offsetsOf(buffers);
    const after = buffers.map((buffer, i) => ({ ...buffer, offset: at(offsets, i) }));
    placed.push({ before: buffers, after });
    return after;
  };
  return { ...plan, roles: plan.roles.map((role) => withArena(role, placedOf(role))) };
}

/** The buffers of a role before and after they were given their places. */
type Placed = { readonly before: readonly Buffer[]; readonly after: readonly Buffer[] };

function withArena(role: Role, buffers: readonly Buffer[]): Role {
  let arenaBytes = 0;
  for (const { offset, bytes } of buffers) arenaBytes = Math.max(arenaBytes, offset + aligned(bytes));
  return { ...role, buffers, arenaBytes };
}

/** What a device holds at its busiest instruction. */
function withPeaks(plan: Plan): Plan {
  const footprints = footprintsOf(plan);
  const roles = plan.roles.map((role, i) => ({
    ...role,
    peakBytes: Math.max(0, ...totalOf(at(footprints, i))),
  }));
  return { ...plan, roles };
}

/** The place of each buffer. */
function offsetsOf(buffers: readonly Buffer[]): number[] {
  const order = [...buffers.keys()].sort((a, b) => largestFirst(at(buffers, a), at(buffers, b)));
  const last = buffers.reduce((most, { death }) => Math.max(most, death), 0);
  const whole = new Taken(buffers.length);
  // Most buffers live shortly: they are held against those of their part of the step alone.
  const count = Math.ceil(buffers.length / buffersOfPart);
  const parts = Array.from({ length: count }, () => new Taken(2 * buffersOfPart));
  const partAt = (instruction: number): number => Math.floor((Math.max(0, instruction) * count) / (last + 1));
  const offsets = buffers.map(() => 0);
  for (const index of order) {
    const buffer = at(buffers, index);
    const [from, to] = [partAt(buffer.birth), partAt(buffer.death)];
    const offset = (from === to ? at(parts, from) : whole).lowestGap(buffer);
    whole.take(buffer, offset);
    for (let part = from; part <= to; part++) at(parts, part).take(buffer, offset);
    offsets[index] = offset;
  }
  return offsets;
}

const largestFirst = (a: Buffer, b: Buffer): number => b.bytes - a.bytes || a.birth - b.birth;

/** About as many buffers a part of the step are told apart. */
const buffersOfPart = 256;

/** Into the first `count` numbers of a list, at an index. */
function insert(all: Int32Array | Float64Array, index: number, count: number, one: number): void {
  all.copyWithin(index + 1, index, count);
  all[index] = one;
}

/**
 * The parts of the arena that are taken, each from one instruction to another, by their begin, so that one walk finds
 * the lowest gap. In arrays of numbers: there are thousands, and each is held against most of the others.
 */
class Taken {
  private count = 0;
  private births: Int32Array;
  private deaths: Int32Array;
  private begins: Float64Array;
  private ends: Float64Array;

  constructor(room: number) {
    this.births = new Int32Array(room);
    this.deaths = new Int32Array(room);
    this.begins = new Float64Array(room);
    this.ends = new Float64Array(room);
  }

  /** The lowest gap between those that are taken at the same time. */
  lowestGap({ birth, death, bytes }: Buffer): number {
    const { count, births, deaths, begins, ends } = this;
    const size = aligned(bytes);
    let offset = 0;
    for (let i = 0; i < count; i++) {
      // Whatever comes after it begins no earlier.
      if (offset + size <= (begins[i] ?? 0)) break;
      if ((births[i] ?? 0) > death || birth > (deaths[i] ?? 0)) continue;
      const end = ends[i] ?? 0;
      if (end > offset) offset = end;
    }
    return offset;
  }

  take({ birth, death, bytes }: Buffer, begin: number): void {
    if (this.count === this.births.length) this.grow();
    const index = this.indexAfter(begin);
    insert(this.births, index, this.count, birth);
    insert(this.deaths, index, this.count, death);
    insert(this.begins, index, this.count, begin);
    insert(this.ends, index, this.count, begin + aligned(bytes));
    this.count++;
  }

  private grow(): void {
    const room = 2 * this.count + 1;
    const wider = <T extends Int32Array | Float64Array>(to: T, from: T): T => {
      to.set(from);
      return to;
    };
    this.births = wider(new Int32Array(room), this.births);
    this.deaths = wider(new Int32Array(room), this.deaths);
    this.begins = wider(new Float64Array(room), this.begins);
    this.ends = wider(new Float64Array(room), this.ends);
  }

  /** The index of the first that begins after `offset`. */
  private indexAfter(offset: number): number {
    let [low, high] = [0, this.count];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.begins[middle] ?? 0) > offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
