/**
 * Instructions in which devices meet. A device that cannot go on yet says so and is asked again; what it has
 * to give, it gives at the first try.
 */
import { at, type Box, intersect, volume } from '../../ir/box.ts';
import type { Instruction } from '../../ir/plan.ts';
import { groupOf, neighbour, rankOf, type Seat } from '../../ir/ranks.ts';
import { stagesOf } from '../../ir/schedule.ts';
import { bufferNamed, cut, type Device, placed, read, write } from './device.ts';
import { element } from './kernels/kernel.ts';

/** What is under way between devices, by who it is from, who it is for, and what it is. */
export type Post = { readonly letters: Map<string, Float64Array[]> };

export type MeetingKind =
  | 'all_reduce'
  | 'all_gather'
  | 'reduce_scatter'
  | 'exchange'
  | 'send'
  | 'receive'
  | 'clip';

type MeetingsByKind = { [K in MeetingKind]: Extract<Instruction, { do: K }> };
type MeetingOf<K extends MeetingKind> = MeetingsByKind[K];

/** One attempt: `first` is the first one; true where the device is done with it. */
type Attempt = { readonly device: Device; readonly post: Post; readonly first: boolean };
type Meaning<K extends MeetingKind> = (instruction: MeetingOf<K>, attempt: Attempt) => boolean;

const key = (from: number, to: number, what: string): string => `${from}>${to} ${what}`;

function give({ device, post }: Attempt, to: number, what: string, values: Float64Array): void {
  const address = key(device.rank, to, what);
  post.letters.set(address, [...(post.letters.get(address) ?? []), values]);
}

/** The oldest letters of that name from each sender, taken only if all are there. */
function take({ device, post }: Attempt, from: readonly number[], what: string): Float64Array[] | undefined {
  const boxes = from.map((rank) => post.letters.get(key(rank, device.rank, what)) ?? []);
  if (boxes.some((letters) => letters.length === 0)) return undefined;
  return boxes.map((letters) => letters.shift() as Float64Array);
}

const sum = (parts: readonly Float64Array[]): Float64Array =>
  at(parts, 0).map((_, i) => parts.reduce((total, part) => total + element(part, i), 0));

/** Every member gives to every member, itself included; then each takes all. */
function among(
  attempt: Attempt,
  members: readonly number[],
  what: string,
  part: (member: number) => Float64Array,
): Float64Array[] | undefined {
  if (attempt.first) for (const [member, rank] of members.entries()) give(attempt, rank, what, part(member));
  return take(attempt, members, what);
}

const membersOf = ({ device }: Attempt, over: 'grid' | 'stage' | 'all'): number[] =>
  groupOf(device.plan, device, over);

const mapsOf = (device: Device, name: string): number => {
  const { dims } = bufferNamed(device, name);
  return at(dims, 0) * at(dims, 1);
};

const boxOf = (device: Device, name: string): Box => bufferNamed(device, name).box ?? [];

const peer = ({ device }: Attempt, seat: Partial<Seat>): number =>
  rankOf(device.plan, { ...device, ...seat });

const squares = (values: Float64Array): number => values.reduce((total, value) => total + value ** 2, 0);

const meanings: { readonly [K in MeetingKind]: Meaning<K> } = {
  all_reduce({ over, micro, buffers }, attempt) {
    const { device } = attempt;
    const what = `all_reduce ${buffers.join(' ')} #${micro}`;
    const joined = Float64Array.from(buffers.flatMap((name) => [...read(device, name)]));
    const parts = among(attempt, membersOf(attempt, over), what, () => joined);
    if (parts === undefined) return false;
    const total = sum(parts);
    let from = 0;
    for (const name of buffers) {
      const { length } = read(device, name);
      write(device, name, total.slice(from, from + length));
      from += length;
    }
    return true;
  },

  all_gather({ over, micro, from, into }, attempt) {
    const { device } = attempt;
    const parts = among(attempt, membersOf(attempt, over), `all_gather ${into} #${micro}`, () =>
      read(device, from),
    );
    if (parts === undefined) return false;
    const [samples = 1, channels = 1] = bufferNamed(device, from).dims;
    const rows = Array.from({ length: samples }, (_, sample) =>
      parts.flatMap((part) => [...part.subarray(sample * channels, (sample + 1) * channels)]),
    );
    write(device, into, Float64Array.from(rows.flat()));
    return true;
  },

  reduce_scatter({ over, micro, from, into }, attempt) {
    const { device } = attempt;
    const members = membersOf(attempt, over);
    const all = read(device, from);
    const [samples = 1, channels = 1] = bufferNamed(device, from).dims;
    const own = channels / members.length;
    const partFor = (member: number) =>
      Float64Array.from({ length: samples * own }, (_, i) =>
        element(all, Math.floor(i / own) * channels + member * own + (i % own)),
      );
    const parts = among(attempt, members, `reduce_scatter ${into} #${micro}`, partFor);
    if (parts === undefined) return false;
    write(device, into, sum(parts));
    return true;
  },

  exchange({ name, micro, from, into, keeps, sends, receives }, attempt) {
    const { device } = attempt;
    const what = `exchange ${name} #${micro}`;
    const rankAt = (offset: readonly number[]): number => {
      const seat = neighbour(device.plan, device, offset);
      if (seat === undefined) throw new Error(`rank ${device.rank} has no neighbour at ${offset}`);
      return rankOf(device.plan, seat);
    };
    if (attempt.first)
      for (const { offset, box } of sends) {
        if (from === undefined) throw new Error(`${what} on rank ${device.rank} sends nothing it has`);
        give(
          attempt,
          rankAt(offset),
          what,
          cut(read(device, from), mapsOf(device, from), boxOf(device, from), box),
        );
      }
    // Several pieces of one sender come in the order in which both list them.
    const senders = [...new Set(receives.map(({ offset }) => rankAt(offset)))];
    const counts = senders.map((rank) => receives.filter(({ offset }) => rankAt(offset) === rank).length);
    const there = senders.every(
      (rank, i) => (attempt.post.letters.get(key(rank, device.rank, what)) ?? []).length >= at(counts, i),
    );
    if (!there) return false;
    if (into === undefined) return true;
    const maps = mapsOf(device, into);
    const whole = boxOf(device, into);
    const pieces = receives.map(({ offset, box }) => {
      const [values] = take(attempt, [rankAt(offset)], what) ?? [];
      return placed(values as Float64Array, maps, box, whole);
    });
    const kept =
      keeps === undefined || from === undefined
        ? new Float64Array(pieces[0]?.length ?? maps * volume(whole))
        : placed(cut(read(device, from), maps, boxOf(device, from), keeps), maps, keeps, whole);
    write(device, into, sum([kept, ...pieces]));
    return true;
  },

  send({ name, micro, stage, from }, attempt) {
    give(attempt, peer(attempt, { stage }), `value ${name} #${micro}`, read(attempt.device, from));
    return true;
  },

  receive({ name, micro, stage, into }, attempt) {
    const [values] = take(attempt, [peer(attempt, { stage })], `value ${name} #${micro}`) ?? [];
    if (values === undefined) return false;
    write(attempt.device, into, values);
    return true;
  },

  clip({ buffers, norm }, attempt) {
    const { device } = attempt;
    const own = Float64Array.of(buffers.reduce((total, name) => total + squares(read(device, name)), 0));
    const stages = Array.from({ length: stagesOf(device.plan.schedule) }, (_, stage) =>
      peer(attempt, { stage }),
    );
    const parts = among(attempt, stages, 'clip', () => own);
    if (parts === undefined) return false;
    const total = Math.sqrt(element(sum(parts), 0));
    if (total > norm)
      for (const name of buffers)
        write(
          device,
          name,
          read(device, name).map((value) => (value * norm) / total),
        );
    return true;
  },
};

const kinds = Object.keys(meanings) as readonly MeetingKind[];

export const isMeeting = (instruction: Instruction): instruction is MeetingOf<MeetingKind> =>
  kinds.some((kind) => kind === instruction.do);

/** Tries an instruction; false where others have yet to come. */
export const meet = <K extends MeetingKind>(instruction: MeetingsByKind[K], attempt: Attempt): boolean =>
  meanings[instruction.do as K](instruction, attempt);

/** The cells that two boxes share. */
export const common = (a: Box, b: Box): Box => a.map((r, axis) => intersect(r, at(b, axis)));
