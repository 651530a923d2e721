/**
 * Gives every buffer its place in the arena of its role, so that no two that live at the same time overlap,
 * and adds up the predicted peak. First fit, largest first: optimal placement is NP-hard, and this order is
 * close to the sum of live bytes for U-Nets, whose big maps are nested in time.
 */
import { at } from '../../ir/box.ts';
import { aliveBytes } from '../../ir/liveness.ts';
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
    plan: { ...plan, roles: plan.roles.map((role) => allocateRole(plan, role)) },
  }),
};

const aligned = (bytes: number): number => Math.ceil(bytes / alignment) * alignment;

const meet = (a: Buffer, b: Buffer): boolean => a.birth <= b.death && b.birth <= a.death;

function allocateRole(plan: Plan, role: Role): Role {
  const order = [...role.buffers].sort((a, b) => b.bytes - a.bytes || a.birth - b.birth);
  const placed: Buffer[] = [];
  for (const buffer of order) placed.push({ ...buffer, offset: firstFit(buffer, placed) });
  const offsets = new Map(placed.map(({ name, offset }) => [name, offset]));
  const buffers = role.buffers.map((buffer) => ({ ...buffer, offset: offsets.get(buffer.name) ?? 0 }));
  const arenaBytes = Math.max(0, ...buffers.map(({ offset, bytes }) => offset + aligned(bytes)));
  return { ...role, buffers, arenaBytes, peakBytes: peakOf(plan, { ...role, buffers }) };
}

/** The lowest gap between the placed buffers that live at the same time. */
function firstFit(buffer: Buffer, placed: readonly Buffer[]): number {
  const busy = placed.filter((other) => meet(buffer, other)).sort((a, b) => a.offset - b.offset);
  let offset = 0;
  for (const other of busy) {
    if (offset + aligned(buffer.bytes) <= other.offset) break;
    offset = Math.max(offset, other.offset + aligned(other.bytes));
  }
  return offset;
}

/** Live buffers, and the workspace of the segment that runs, at the busiest instruction. */
function peakOf(plan: Plan, { buffers, instructions }: Role): number {
  const workspaces = new Map(plan.segments.map(({ name, workspace }) => [name, workspace]));
  const alive = aliveBytes(buffers, instructions.length);
  const totals = instructions.map((instruction, index) => {
    const extra = instruction.do === 'run' ? (workspaces.get(instruction.segment) ?? 0) : 0;
    return at(alive, index) + extra;
  });
  return Math.max(0, ...totals);
}
