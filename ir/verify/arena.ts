/** Places in the arena: aligned, inside it, and never shared by two buffers that are alive together. */
import { at } from '../box.ts';
import { type Diagnostic, diagnose, fault } from '../diagnostics/diagnostic.ts';
import { footprintsOf, processBytes } from '../footprint.ts';
import { sameIntervals } from '../liveness.ts';
import type { Buffer, Role } from '../plan.ts';
import type { RoleCheck } from './indexed.ts';
import { placeOf, placeOfBuffer } from './lives.ts';

const alignment = 64;

export const verifyArena: RoleCheck = ({ plan, segments }) => {
  const footprints = footprintsOf(plan);
  const apart: (readonly Buffer[])[] = [];
  return ({ role }) => {
    const footprint = footprints[plan.roles.indexOf(role)];
    const beside = footprint === undefined ? [] : footprint.messages;
    const running = role.instructions.map((one) =>
      one.do === 'run' ? segments.get(one.segment) : undefined,
    );
    const heap = running.reduce((most, segment) => Math.max(most, segment?.heap ?? 0), 0);
    return [
      ...overlapFaults(role, apart),
      ...outsideFaults(role),
      ...peakFaults(role, (index, alive) => {
        const segment = running[index];
        const used = (segment?.workspace ?? 0) + (beside[index] ?? 0);
        if (plan.executor !== 'processes') return alive + used;
        const kept = heap - (segment?.heap ?? 0);
        return Math.max(alive, role.arenaBytes) + processBytes + kept + used;
      }),
    ];
  };
};

/** `apart`: buffers of other roles that do not overlap, and here those of this one go if they do not. */
function overlapFaults(role: Role, apart: (readonly Buffer[])[]): Diagnostic[] {
  if (apart.some((buffers) => samePlaces(buffers, role.buffers))) return [];
  const byOffset = [...role.buffers].sort((a, b) => a.offset - b.offset);
  const faults: Diagnostic[] = [];
  for (let i = 0; i < byOffset.length; i++) {
    const a = at(byOffset, i);
    const { birth, death } = a;
    const end = a.offset + a.bytes;
    for (let j = i + 1; j < byOffset.length; j++) {
      const b = at(byOffset, j);
      if (b.offset >= end) break;
      if (birth <= b.death && b.birth <= death)
        faults.push(
          diagnose(
            fault('buffers-overlap', { place: placeOfBuffer(role, laterOf(a, b)), a: a.name, b: b.name }),
          ),
        );
    }
  }
  if (faults.length === 0) apart.push(role.buffers);
  return faults;
}

const samePlaces = (some: readonly Buffer[], others: readonly Buffer[]): boolean =>
  sameIntervals(some, others) && some.every(({ offset }, i) => offset === at(others, i).offset);

const outsideFaults = (role: Role): Diagnostic[] =>
  role.buffers
    .filter(({ offset, bytes }) => offset < 0 || offset % alignment !== 0 || offset + bytes > role.arenaBytes)
    .map(({ name, offset }) =>
      wrong(placeOfBuffer(role, name), name, `offset ${offset}`, 'an aligned place inside the arena'),
    );

const laterOf = (a: Buffer, b: Buffer): string => (a.birth > b.birth ? a.name : b.name);

const wrong = (place: string, buffer: string, found: string, expected: string): Diagnostic =>
  diagnose(fault('wrong-buffer', { place, buffer, found, expected }));

/** Bytes of the buffers that are alive at each instruction. */
function aliveBytes(buffers: readonly Buffer[], instructions: number): Float64Array {
  const change = new Float64Array(instructions + 1);
  for (const { birth, death, bytes } of buffers) {
    const from = Math.max(0, birth);
    const to = Math.min(death + 1, instructions);
    if (from >= to) continue;
    change[from] = (change[from] ?? 0) + bytes;
    change[to] = (change[to] ?? 0) - bytes;
  }
  let alive = 0;
  return change.map((bytes) => {
    alive += bytes;
    return alive;
  });
}

/** The stated peak is that of the busiest instruction, its segment's workspace included. */
function peakFaults(role: Role, needed: (instruction: number, alive: number) => number): Diagnostic[] {
  const alive = aliveBytes(role.buffers, role.instructions.length);
  const needs = role.instructions.map((_, index) => needed(index, alive[index] ?? 0));
  const peak = Math.max(0, ...needs);
  if (peak === role.peakBytes) return [];
  const place = needs.length === 0 ? role.name : placeOf(role, needs.indexOf(peak));
  return [wrong(place, 'all', `a peak of ${role.peakBytes} bytes`, `${peak} bytes`)];
}
