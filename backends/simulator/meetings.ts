/** Instructions in which devices meet: who must come, how long it takes, and what waiting for it is called. */
import { volume } from '../../ir/box.ts';
import type { Group, Piece } from '../../ir/ops/attributes.ts';
import type { Buffer, Instruction, Plan, Role } from '../../ir/plan.ts';
import type { Activity } from './simulation.ts';
import type { Transfers } from './transfers.ts';

export type Meeting = {
  /** The same for all who meet. */
  readonly key: string;
  /** Indices of the roles that must have come. */
  readonly others: readonly number[];
  /** Seconds from when all are there. */
  readonly seconds: number;
  readonly activity: Activity;
  /** What a device does that waits for it. */
  readonly waiting: Activity;
  /** What the device gives. */
  readonly messages: number;
  readonly bytes: number;
};

export type Setting = {
  readonly role: Role;
  readonly buffers: ReadonlyMap<string, Buffer>;
  peers(role: Role, offset: readonly number[]): readonly number[];
  /** The role of the same place at another stage. */
  atStage(role: Role, stage: number): number;
  /** Roles that meet in a group that the role is in. */
  members(role: Role, over: Group): readonly number[];
  readonly transfers: Transfers;
  readonly keyOf: ReturnType<typeof meetingKeys>;
  /** What exchanges of the role are by what they send: micro-batches give each other the same. */
  readonly exchanges: Map<readonly Piece[], Exchanged>;
};

/** All that does not depend on the micro-batch, and what it was worked out from. */
type Exchanged = Pick<Meeting, 'others' | 'seconds' | 'messages' | 'bytes'> & {
  readonly receives: readonly Piece[];
  readonly cellBytes: number;
};

type MeetingKind = 'exchange' | 'send' | 'receive' | 'all_gather' | 'reduce_scatter' | 'all_reduce' | 'clip';
type InstructionOf<K extends Instruction['do']> = Extract<Instruction, { do: K }>;
type Rule<K extends MeetingKind> = (instruction: InstructionOf<K>, setting: Setting) => Meeting;

const bytesIn = ({ buffers }: Setting, names: readonly string[]): number =>
  names.reduce((sum, name) => sum + (buffers.get(name)?.bytes ?? 0), 0);

/** What a meeting of a stage is called: told once for all roles that come to it. */
export function meetingKeys() {
  const known = new Map<string, Map<string, string[]>>();
  return (stage: number, how: Instruction['do'], name: string, micro: number): string => {
    const kind = `${stage} ${how}`;
    const named = known.get(kind) ?? new Map<string, string[]>();
    known.set(kind, named);
    const keys = named.get(name) ?? [];
    named.set(name, keys);
    keys[micro] ??= `${kind} ${name} #${micro}`;
    return keys[micro];
  };
}

/** Roles whose devices are of a group of some of a stage, or of all. */
export function groupsIn({ roles }: Plan): Setting['members'] {
  const known = new Map<number | 'all', number[]>();
  return ({ stage }, over) => {
    const key = over === 'all' ? over : stage;
    const found =
      known.get(key) ??
      roles.flatMap((other, index) => (over === 'all' || other.stage === stage ? [index] : []));
    known.set(key, found);
    return found;
  };
}

/** Bytes of one cell of what an exchange moves: the cells of its value for all samples and channels. */
function bytesOfCell(setting: Setting, { from, into }: InstructionOf<'exchange'>): number {
  const buffer = setting.buffers.get(into ?? from ?? '');
  return buffer?.box === undefined ? 0 : buffer.bytes / Math.max(1, volume(buffer.box));
}

function exchange(one: InstructionOf<'exchange'>, setting: Setting): Meeting {
  const { others, seconds, messages, bytes } = exchanged(one, setting);
  return {
    key: setting.keyOf(setting.role.stage, one.do, one.name, one.micro),
    others,
    seconds,
    activity: 'exchange',
    waiting: 'exchange',
    messages,
    bytes,
  };
}

function exchanged(one: InstructionOf<'exchange'>, setting: Setting): Exchanged {
  const { role, peers, transfers, exchanges } = setting;
  const { sends, receives } = one;
  const cellBytes = bytesOfCell(setting, one);
  const known = exchanges.get(sends);
  if (known?.receives === receives && known.cellBytes === cellBytes) return known;
  const bytes = (piece: Piece): number => cellBytes * volume(piece.box);
  const others = new Set([...sends, ...receives].flatMap(({ offset }) => peers(role, offset)));
  const made = {
    receives,
    cellBytes,
    others: [...others],
    seconds: transfers.exchange(role, bytes, sends, receives),
    messages: sends.length,
    bytes: sends.reduce((sum, piece) => sum + bytes(piece), 0),
  };
  exchanges.set(sends, made);
  return made;
}

const message = (
  setting: Setting,
  { name, micro }: InstructionOf<'send' | 'receive'>,
  from: number,
  to: number,
) =>
  ({
    key: `${name} #${micro} ${from}>${to} at ${setting.role.classes.join(' ')}`,
    activity: 'send',
  }) as const;

/** The sender waits for nobody. */
function send(one: InstructionOf<'send'>, setting: Setting): Meeting {
  const { role, transfers } = setting;
  const bytes = bytesIn(setting, [one.from]);
  const seconds = transfers.message(role.stage, one.stage, bytes);
  return {
    ...message(setting, one, role.stage, one.stage),
    others: [],
    seconds,
    waiting: 'send',
    messages: 1,
    bytes,
  };
}

/** It ends when what was sent is there; while it waits, its device has nothing to do. */
function receive(one: InstructionOf<'receive'>, setting: Setting): Meeting {
  const { role, transfers } = setting;
  const seconds = transfers.message(one.stage, role.stage, bytesIn(setting, [one.into]));
  return {
    ...message(setting, one, one.stage, role.stage),
    others: [setting.atStage(role, one.stage)],
    seconds,
    waiting: 'idle',
    messages: 0,
    bytes: 0,
  };
}

const gathering =
  (given: 'from' | 'into') =>
  (one: InstructionOf<'all_gather' | 'reduce_scatter'>, setting: Setting): Meeting => {
    const bytes = bytesIn(setting, [one[given]]);
    return {
      key: setting.keyOf(setting.role.stage, one.do, one.into, one.micro),
      others: setting.members(setting.role, one.over),
      seconds: setting.transfers.gather(setting.role.stage, one.over, bytes),
      activity: 'gather',
      waiting: 'gather',
      messages: 1,
      bytes,
    };
  };

function reducing(over: Group, buffers: readonly string[], setting: Setting, bytes: number): Meeting {
  return {
    key: `${over === 'all' ? 'all' : setting.role.stage} ${buffers.join(' ')}`,
    others: setting.members(setting.role, over),
    seconds: setting.transfers.allReduce(setting.role.stage, over, bytes),
    activity: 'all_reduce',
    waiting: 'all_reduce',
    messages: 1,
    bytes,
  };
}

const rules: { readonly [K in MeetingKind]: Rule<K> } = {
  exchange,
  send,
  receive,
  all_gather: gathering('from'),
  reduce_scatter: gathering('into'),
  all_reduce: (one, setting) =>
    reducing(one.over, [...one.buffers, `#${one.micro}`], setting, bytesIn(setting, one.buffers)),
  // One number a stage.
  clip: (_one, setting) => reducing('all', ['clip'], setting, 8),
};

/** What an instruction means for others; undefined where its device is alone with it. */
export function meetingOf(setting: Setting, instruction: Instruction): Meeting | undefined {
  const rule = rules[instruction.do as MeetingKind] as Rule<MeetingKind> | undefined;
  return rule?.(instruction as never, setting);
}
