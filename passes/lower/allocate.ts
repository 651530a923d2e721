/**
 * Gives every buffer its place in the arena of its role, so that no two that live at the same time overlap,
 * and adds up the predicted peak. First fit, largest first: optimal placement is NP-hard, and this order is
 * close to the sum of live bytes for U-Nets, whose big maps are nested in time.
 */
import { at } from '../../ir/box.ts';
import { footprintsOf, totalOf } from '../../ir/footprint.ts';
import type { Pass } from '../../ir/pass.ts';
import type { Buffer, Plan, Role } from '../../ir/plan.ts';

/** ONNX Runtime's reductions change with the address modulo 16; 64 is a cache line. */
const alignment = 64;

export const allocate: Pass<'plan', 'plan'> = {
  name: 'allocate',
  doc: 'places of the buffers in the arena, and the predicted peak',
  from: 'plan',
  to: 'plan',
  run: ({ plan }) => ({
    stage: 'plan',
    allocated: true,
    plan: withPeaks({ ...plan, roles: plan.roles.map(allocateRole) }),
  }),
};

const aligned = (bytes: number): number => Math.ceil(bytes / alignment) * alignment;

/** A part of the arena that is taken from one instruction to another. */
type Slot = Pick<Buffer, 'birth' | 'death'> & { readonly from: number; readonly to: number };

function allocateRole(role: Role): Role {
  const offsets = offsetsOf(role.buffers);
  const buffers = role.buffers.map((buffer) => ({ ...buffer, offset: offsets.get(buffer.name) ?? 0 }));
  const arenaBytes = Math.max(0, ...buffers.map(({ offset, bytes }) => offset + aligned(bytes)));
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

/** The place of each buffer, by name. */
function offsetsOf(buffers: readonly Buffer[]): Map<string, number> {
  const order = [...buffers].sort((a, b) => b.bytes - a.bytes || a.birth - b.birth);
  // By their begin, so that one walk finds the lowest gap.
  const taken: Slot[] = [];
  return new Map(
    order.map((buffer) => {
      const from = firstFit(buffer, taken);
      const { name, birth, death, bytes } = buffer;
      taken.splice(indexAfter(taken, from), 0, { birth, death, from, to: from + aligned(bytes) });
      return [name, from];
    }),
  );
}

/** The lowest gap between the slots that are taken at the same time. */
function firstFit({ birth, death, bytes }: Buffer, taken: readonly Slot[]): number {
  const size = aligned(bytes);
  let offset = 0;
  for (const slot of taken) {
    if (slot.birth > death || birth > slot.death) continue;
    if (offset + size <= slot.from) break;
    offset = Math.max(offset, slot.to);
  }
  return offset;
}

/** The index of the first slot that begins after `offset`. */
function indexAfter(taken: readonly Slot[], offset: number): number {
  let [low, high] = [0, taken.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (at(taken, middle).from > offset) high = middle;
    else low = middle + 1;
  }
  return low;
}
