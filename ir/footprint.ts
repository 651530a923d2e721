/**
 * The memory of a device at each instruction, by what it is taken for. PyTorch's allocator has what buffers are alive, and
 * what the segment that runs needs. A device process of this machine keeps its arena, whose places hold something or not,
 * copies what it sends, and keeps what comes before it is asked for.
 */
import { at, volume } from './box.ts';
import { buffersByName } from './buffers.ts';
import { aliveBytes, type Interval } from './liveness.ts';
import type { Piece } from './ops/attributes.ts';
import type { Buffer, Instruction, Plan, Role, Segment } from './plan.ts';
import { remembered } from './remembered.ts';
import { product } from './type.ts';

/** Bytes at each instruction. */
export type Footprint = {
  readonly buffers: readonly number[];
  /** Of the arena, for buffers that are not alive. */
  readonly reserve: readonly number[];
  /** Copies of what an instruction sends and gets, and messages that may have come early. */
  readonly messages: readonly number[];
  readonly workspace: readonly number[];
  /** Of a device process itself, with what its heap keeps of other segments. */
  readonly process: readonly number[];
};

/**
 * What a device process takes beside all that its plan tells it to hold, whatever the plan: pages of ONNX Runtime and of
 * Node.js that are read when kernels and instructions run for the first time, the interpreter's heap and compiled code. Of the
 * plans of `bench/memory.ts`, what most of them took.
 */
export const processBytes = 4 << 20;

/**
 * Blocks of a device process from this size on are mappings of their own, which go back to the system one by one; smaller
 * ones come from a heap, which keeps the most that it ever held.
 */
export const mappedFrom = 2 << 20;

/** The footprint of each role, in their order. */
export const footprintsOf = remembered((plan: Plan): readonly Footprint[] => {
  const early = plan.executor === 'processes' ? earlyBytes(plan) : undefined;
  const segments = new Map(plan.segments.map((segment) => [segment.name, segment]));
  return plan.roles.map((role) => footprintOf(plan, segments, role, early?.get(role) ?? []));
});

export function totalOf({ buffers, ...others }: Footprint): number[] {
  const all = Object.values(others);
  return buffers.map((bytes, i) => all.reduce((sum, one) => sum + at(one, i), bytes));
}

function footprintOf(
  { executor }: Plan,
  segments: ReadonlyMap<string, Segment>,
  role: Role,
  early: readonly number[],
): Footprint {
  const { buffers, instructions, arenaBytes } = role;
  const alive = aliveBytes(buffers, instructions.length);
  const running = instructions.map((one) => (one.do === 'run' ? segments.get(one.segment) : undefined));
  const workspace = running.map((segment) => segment?.workspace ?? 0);
  if (executor !== 'processes') {
    const none = instructions.map(() => 0);
    return { buffers: alive, reserve: none, messages: none, workspace, process: none };
  }
  const named = buffersByName(buffers);
  const heaps = running.map((segment) => segment?.heap ?? 0);
  const heap = heaps.reduce((most, own) => Math.max(most, own), 0);
  return {
    buffers: alive,
    reserve: alive.map((bytes) => Math.max(0, arenaBytes - bytes)),
    messages: instructions.map((one, i) => copiedBytes(one, named) + (early[i] ?? 0)),
    workspace,
    process: heaps.map((own) => processBytes + heap - own),
  };
}

type Named = ReadonlyMap<string, Buffer>;

const bytesIn = (buffers: Named, names: readonly (string | undefined)[]): number =>
  names.reduce((sum, name) => sum + (name === undefined ? 0 : (buffers.get(name)?.bytes ?? 0)), 0);

type InstructionOf<D extends Instruction['do']> = Extract<Instruction, { do: D }>;

/** Device processes sum so many bytes of what each has as one piece, and so many pieces at a time. */
export const [sumPieceBytes, sumLanes] = [2 ** 20, 4] as const;

/** What a device process copies while it carries out an instruction; nothing for those that are not here. */
const copies: {
  readonly [D in Instruction['do']]?: (instruction: InstructionOf<D>, buffers: Named) => number;
} = {
  send: ({ from }, buffers) => bytesIn(buffers, [from]),
  exchange({ from, into, sends, receives }, buffers) {
    const [source, target] = [from, into].map((name) => (name === undefined ? undefined : buffers.get(name)));
    // What comes is there as it came and as it is added.
    return cellBytes(source, sends) + 2 * cellBytes(target, receives);
  },
  // What goes to the others, and what comes of them.
  all_gather: ({ from, into }, buffers) => 2 * (bytesIn(buffers, [into]) - bytesIn(buffers, [from])),
  reduce_scatter: ({ from }, buffers) => 2 * bytesIn(buffers, [from]),
  // Of each piece on its way the shares that go, those that come, and the sums.
  all_reduce: ({ buffers: summed }, buffers) =>
    3 * Math.min(bytesIn(buffers, summed), sumLanes * sumPieceBytes),
};

function copiedBytes<D extends Instruction['do']>(
  instruction: InstructionOf<D> & { do: D },
  buffers: Named,
): number {
  const bytes = copies[instruction.do as D] as
    | ((instruction: InstructionOf<D>, buffers: Named) => number)
    | undefined;
  return bytes?.(instruction, buffers) ?? 0;
}

const cellBytes = (buffer: Buffer | undefined, pieces: readonly Piece[]): number =>
  buffer === undefined
    ? 0
    : 4 * product(buffer.dims.slice(0, 2)) * pieces.reduce((cells, { box }) => cells + volume(box), 0);

/** By role: bytes of messages between stages that may be there before they are received, at each instruction. */
function earlyBytes({ roles }: Plan): ReadonlyMap<Role, readonly number[]> {
  const places = new Set(roles.map(({ classes }) => classes.join()));
  const found = [...places].flatMap((place) => [
    ...earlyMessages(roles.filter(({ classes }) => classes.join() === place)),
  ]);
  return new Map(found.map(([role, messages]) => [role, aliveBytes(messages, role.instructions.length)]));
}

type Sent = { readonly known: ReadonlyMap<number, number>; readonly index: number };

/**
 * The stages of one place: a message can be there as soon as its sender can have sent it, and that is after all that the
 * sender knows the receiver to have done. What it knows came with messages (Lamport's order of events, 1978).
 */
function earlyMessages(stages: readonly Role[]): Map<Role, Interval[]> {
  const early = new Map(stages.map((role): [Role, Interval[]] => [role, []]));
  const sent = new Map<string, Sent>();
  const done = stages.map(() => 0);
  /** For each stage: how many instructions of the others it knows to be done. */
  const knowledge = stages.map(() => new Map<number, number>());
  const go = (role: Role, seat: number): boolean => {
    const begin = at(done, seat);
    for (let i = begin; i < role.instructions.length; i++, done[seat] = i) {
      const known = at(knowledge, seat);
      const one = at(role.instructions, i);
      if (one.do === 'send')
        sent.set(keyOf(one, role.stage, one.stage), { known: new Map(known), index: i + 1 });
      if (one.do !== 'receive') continue;
      const message = sent.get(keyOf(one, one.stage, role.stage));
      if (message === undefined) return i > begin;
      learn(known, message, one.stage);
      const bytes = role.buffers.find(({ name }) => name === one.into)?.bytes ?? 0;
      early.get(role)?.push({ birth: message.known.get(role.stage) ?? 0, death: i, bytes });
    }
    return role.instructions.length > begin;
  };
  // Until nobody gets any further: in a sound plan that is the end.
  let moves = true;
  while (moves) moves = stages.map(go).some(Boolean);
  return early;
}

const keyOf = ({ name, micro }: InstructionOf<'send' | 'receive'>, from: number, to: number): string =>
  `${name} #${micro} ${from} ${to}`;

function learn(known: Map<number, number>, { known: told, index }: Sent, from: number): void {
  for (const [stage, count] of [...told, [from, index] as const])
    known.set(stage, Math.max(count, known.get(stage) ?? 0));
}
