/** Places in the arena: aligned, inside it, and never shared by two buffers that are alive together. */
import { type Diagnostic, diagnose, fault } from '../diagnostics/diagnostic.ts';
import type { Buffer, Plan, Role } from '../plan.ts';
import { placeOf, placeOfBuffer } from './lives.ts';

const alignment = 64;

export function verifyArena(plan: Plan, role: Role): Diagnostic[] {
  const byOffset = [...role.buffers].sort((a, b) => a.offset - b.offset);
  const overlaps = byOffset.flatMap((a, i) => {
    const faults: Diagnostic[] = [];
    for (const b of byOffset.slice(i + 1)) {
      if (b.offset >= a.offset + a.bytes) break;
      if (a.birth <= b.death && b.birth <= a.death)
        faults.push(
          diagnose(
            fault('buffers-overlap', { place: placeOfBuffer(role, laterOf(a, b)), a: a.name, b: b.name }),
          ),
        );
    }
    return faults;
  });
  const outside = role.buffers.filter(
    ({ offset, bytes }) => offset < 0 || offset % alignment !== 0 || offset + bytes > role.arenaBytes,
  );
  return [
    ...overlaps,
    ...outside.map(({ name, offset }) =>
      wrong(placeOfBuffer(role, name), name, `offset ${offset}`, 'an aligned place inside the arena'),
    ),
    ...peakFaults(plan, role),
  ];
}

const laterOf = (a: Buffer, b: Buffer): string => (a.birth > b.birth ? a.name : b.name);

const wrong = (place: string, buffer: string, found: string, expected: string): Diagnostic =>
  diagnose(fault('wrong-buffer', { place, buffer, found, expected }));

const aliveAt = (buffers: readonly Buffer[], index: number): number =>
  buffers.reduce(
    (bytes, { birth, death, bytes: size }) => (birth <= index && index <= death ? bytes + size : bytes),
    0,
  );

/** The stated peak is that of the busiest instruction, its segment's workspace included. */
function peakFaults(plan: Plan, role: Role): Diagnostic[] {
  const workspace = new Map(plan.segments.map(({ name, workspace }) => [name, workspace]));
  const needs = role.instructions.map((instruction, index) => {
    const extra = instruction.do === 'run' ? (workspace.get(instruction.segment) ?? 0) : 0;
    return aliveAt(role.buffers, index) + extra;
  });
  const peak = Math.max(0, ...needs);
  if (peak === role.peakBytes) return [];
  const place = needs.length === 0 ? role.name : placeOf(role, needs.indexOf(peak));
  return [wrong(place, 'all', `a peak of ${role.peakBytes} bytes`, `${peak} bytes`)];
}
