/**
 * Instructions in which devices meet, as messages over the mesh. What is sent is copied out of the arena first, so
 * a buffer may be used again as soon as its instruction is over; a send does not wait for its receiver.
 */
import { at, type Box, intersect } from '../../ir/box.ts';
import type { Group, Piece } from '../../ir/ops/attributes.ts';
import type { Instruction, Plan } from '../../ir/plan.ts';
import { groupOf, neighbour, rankOf, type Seat } from '../../ir/ranks.ts';
import { stagesOf } from '../../ir/schedule.ts';
import { allReduce, bytesOf, type Meeting, sumInOrder, trade } from './all-reduce.ts';
import type { Arena } from './arena.ts';
import { letGo } from './let-go.ts';
import type { Mesh } from './mesh.ts';
import { addCells, addPacked, copyCells, packed, roomFor } from './moved-cells.ts';
import { meetingOf } from './tags.ts';

/** One device at one step, as meetings see it. */
export type Place = {
  readonly plan: Plan;
  readonly seat: Seat;
  readonly step: number;
  readonly mesh: Mesh;
  readonly tag: (step: number, meeting: string, part: number) => number;
  readonly arena: Arena;
  /** Messages on their way; whoever ends the step waits for them. */
  readonly leaving: Promise<void>[];
};

/** A message of its own goes while the step goes on. Until whoever ends the step waits for it, a failure is no one's. */
function leave(
  { leaving }: Place,
  { give }: Meeting,
  member: number,
  message: Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>,
): void {
  const left = give(member, 0, bytesOf(message));
  left.catch(() => undefined);
  leaving.push(left);
}

type InstructionOf<K extends Instruction['do']> = Extract<Instruction, { do: K }>;

/** The messages of one instruction among some ranks, of which this device is one. */
function meetingAmong(place: Place, instruction: Instruction, members: readonly number[]): Meeting {
  const { mesh, step, tag } = place;
  const name = meetingOf(instruction) ?? '';
  return {
    size: members.length,
    member: members.indexOf(mesh.rank),
    give: (member, part, message) => mesh.give(at(members, member), tag(step, name, part), message),
    receive: (member, part, into, what) =>
      mesh.receive(at(members, member), tag(step, name, part), into, what),
  };
}

const group = (place: Place, instruction: Instruction, over: Group): Meeting =>
  meetingAmong(place, instruction, groupOf(place.plan, place.seat, over));

export const allReduceOver = (instruction: InstructionOf<'all_reduce'>, place: Place): Promise<void> =>
  allReduce(
    group(place, instruction, instruction.over),
    instruction.buffers.map((name) => place.arena.floats(name)),
  );

export async function gather(instruction: InstructionOf<'all_gather'>, place: Place): Promise<void> {
  const meeting = group(place, instruction, instruction.over);
  const own = place.arena.held(instruction.from);
  const into = place.arena.floats(instruction.into);
  const values = place.arena.floats(instruction.from);
  const parts = Array.from({ length: meeting.size }, (_, member) =>
    member === meeting.member ? values : new Float32Array(values.length),
  );
  await trade(
    meeting,
    0,
    () => bytesOf(values.slice()),
    (member) => bytesOf(at(parts, member)),
    'its part of a whole',
  );
  const samples = at(own.buffer.dims, 0);
  const row = values.length / samples;
  parts.forEach((part, member) => {
    for (let sample = 0; sample < samples; sample++)
      into.set(part.subarray(sample * row, (sample + 1) * row), (sample * meeting.size + member) * row);
    if (part !== values) letGo(part);
  });
}

export async function scatter(instruction: InstructionOf<'reduce_scatter'>, place: Place): Promise<void> {
  const meeting = group(place, instruction, instruction.over);
  const into = place.arena.held(instruction.into);
  const values = place.arena.floats(instruction.from);
  const samples = at(into.buffer.dims, 0);
  const row = into.data.length / samples;
  const partFor = (member: number): Float32Array<ArrayBuffer> => {
    const part = new Float32Array(into.data.length);
    for (let sample = 0; sample < samples; sample++) {
      const from = (sample * meeting.size + member) * row;
      part.set(values.subarray(from, from + row), sample * row);
    }
    return part;
  };
  const given = Array.from({ length: meeting.size }, (_, member) => partFor(member));
  const parts = given.map((part, member) =>
    member === meeting.member ? part : new Float32Array(into.data.length),
  );
  await trade(
    meeting,
    0,
    (member) => bytesOf(at(given, member)),
    (member) => bytesOf(at(parts, member)),
    'its share of a cotangent',
  );
  const sum = sumInOrder(parts);
  into.data.set(sum);
  for (const part of [...parts, sum]) letGo(part);
}

export async function exchange(instruction: InstructionOf<'exchange'>, place: Place): Promise<void> {
  const { from, into, keeps, sends, receives } = instruction;
  const { arena } = place;
  const source = from === undefined ? undefined : arena.held(from);
  const target = into === undefined ? undefined : arena.held(into);
  const [going, coming] = [byRank(place, sends), byRank(place, receives)];
  const members = [...new Set([place.mesh.rank, ...going.keys(), ...coming.keys()])].sort((a, b) => a - b);
  const meeting = meetingAmong(place, instruction, members);
  const member = (rank: number) => members.indexOf(rank);
  for (const [rank, pieces] of going)
    if (source !== undefined) leave(place, meeting, member(rank), packed(source, pieces));
  const letters = [...coming].map(([rank, pieces]) => ({ rank, pieces, values: roomFor(target, pieces) }));
  if (target !== undefined) {
    target.data.fill(0);
    if (keeps !== undefined && source !== undefined) copyCells(target, source, keeps);
  }
  await Promise.all(
    letters.map(({ rank, values }) => meeting.receive(member(rank), 0, bytesOf(values), 'cells from it')),
  );
  // In rank order, so that sums have the same bits in every run.
  if (target !== undefined)
    for (const { pieces, values } of letters.sort((a, b) => a.rank - b.rank))
      addPacked(target, pieces, values);
  for (const { values } of letters) letGo(values);
}

/** Pieces by the rank of the other side, in the order in which both sides list them. */
function byRank({ plan, seat }: Place, pieces: readonly Piece[]): Map<number, Box[]> {
  const found = new Map<number, Box[]>();
  for (const { offset, box } of pieces) {
    const other = neighbour(plan, seat, offset);
    if (other === undefined) throw new RangeError(`there is no device at ${offset} from ${seat.place}`);
    const rank = rankOf(plan, other);
    found.set(rank, [...(found.get(rank) ?? []), box]);
  }
  return found;
}

const stagePeer = ({ plan, seat }: Place, stage: number): number => rankOf(plan, { ...seat, stage });

/** The message is a copy: the step goes on while it leaves. */
export function give(instruction: InstructionOf<'send'>, place: Place): void {
  const meeting = meetingAmong(place, instruction, [place.mesh.rank, stagePeer(place, instruction.stage)]);
  leave(place, meeting, 1, place.arena.held(instruction.from).data.slice());
}

export function take(instruction: InstructionOf<'receive'>, place: Place): Promise<void> {
  const meeting = meetingAmong(place, instruction, [place.mesh.rank, stagePeer(place, instruction.stage)]);
  const { data } = place.arena.held(instruction.into);
  const into = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return meeting.receive(1, 0, into, `\`${instruction.name}\``);
}

export function paste({ from, into, first }: InstructionOf<'paste'>, { arena }: Place): void {
  const [source, target] = [arena.held(from), arena.held(into)];
  const [have, whole] = [source.buffer.box ?? [], target.buffer.box ?? []];
  if (first) target.data.fill(0);
  const both = have.map((range, axis) => intersect(range, at(whole, axis)));
  addCells(target, source, both);
}

/** The sum over the stages, in their order, of what each has. */
export async function sumOverStages(
  instruction: InstructionOf<'clip'>,
  place: Place,
  own: number,
): Promise<number> {
  const ranks = Array.from({ length: stagesOf(place.plan.schedule) }, (_, stage) => stagePeer(place, stage));
  const meeting = meetingAmong(place, instruction, ranks);
  const parts = ranks.map((_, member) => Float64Array.of(member === meeting.member ? own : 0));
  await trade(
    meeting,
    0,
    () => bytesOf(Float64Array.of(own)),
    (member) => bytesOf(at(parts, member)),
    'its part of the norm',
  );
  return parts.reduce((sum, part) => sum + (part[0] ?? 0), 0);
}
