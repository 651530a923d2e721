/**
 * The program of a device process: opens its door, connects to the others, and carries out jobs one after
 * another. It ends when its parent does, or lets go of it.
 *
 *   start ──▶ listening ──▶ give ... ──▶ connect ──▶ ready ──▶ work ──▶ done ──▶ work ...
 */
import { at, range } from '../../ir/box.ts';
import { type Fault, fault } from '../../ir/diagnostics/diagnostic.ts';
import { keptSegment } from '../../ir/kept-segment.ts';
import { ownership } from '../../ir/tiling.ts';
import { type Board, idle, openBoard } from './board.ts';
import { type DeviceMemory, deviceMemory } from './device-memory.ts';
import { DeviceFault } from './fault.ts';
import type { Feed } from './feed.ts';
import { openFeed } from './feeds.ts';
import { boardPath } from './folder.ts';
import { type Device, type Job, perform } from './interpreter.ts';
import { collectAll, peakBytes, resetPeak, residentBytes } from './memory.ts';
import { type Doors, listen } from './mesh.ts';
import type { Patience } from './patience.ts';
import { putPiece, takePiece } from './pieces.ts';
import { placeText } from './place-text.ts';
import { roleIndexOf, seatFor } from './placement.ts';
import type { Done, Order, Report, Start, StateSize, StateValues } from './protocol.ts';
import { openSessions, type Sessions } from './sessions.ts';
import { tagsOf } from './tags.ts';

type Listening = {
  readonly start: Start;
  readonly board: Board;
  readonly doors: Doors;
  readonly sessions: Sessions;
  readonly feed: Feed;
  /** Resident bytes with the sessions loaded, before anything of the plan is there. */
  readonly ground: number;
  /** The given states, as far as they have come. */
  readonly given: readonly StateValues[];
};

type Worker = {
  readonly device: Device;
  readonly memory: DeviceMemory;
  /** Resident bytes that are not the plan's. */
  readonly ground: number;
};

type OrderOf<K extends Order['kind']> = Extract<Order, { kind: K }>;
type Handler<K extends Order['kind']> = (order: OrderOf<K>) => Promise<Report>;

/** How each order is carried out; what one leaves for the next is kept here. */
function handlers(): { readonly [K in Order['kind']]: Handler<K> } {
  let listening: Listening | undefined;
  let worker: Worker | undefined;
  const listened = (): Listening => {
    if (listening === undefined) throw new Error('a device was told something before it was started');
    return listening;
  };
  const working = (): Worker => {
    if (worker === undefined) throw new Error('a device was given work before it was ready');
    return worker;
  };
  return {
    async start(order) {
      listening = await open(order);
      return { kind: 'listening' };
    },
    async give({ piece, values }) {
      putPiece(
        listened().given.map((state) => state.values),
        piece,
        values,
      );
      return { kind: 'given' };
    },
    async connect() {
      worker = await connect(listened());
      // What was given is in the arena by now: no need to hold it twice.
      listening = undefined;
      collectAll();
      resetPeak();
      return { kind: 'ready' };
    },
    work: async ({ job }) => ({ kind: 'done', done: await work(working(), job) }),
    holdings: async () => ({ kind: 'holdings', states: working().memory.states().map(sizeOf) }),
    states: async ({ piece }) => ({
      kind: 'states',
      values: takePiece(
        working()
          .memory.states()
          .map(({ values }) => values),
        piece,
      ),
    }),
  };
}

const sizeOf = ({ values: { length }, ...state }: StateValues): StateSize => ({ ...state, length });

async function open(start: Start): Promise<Listening> {
  const board = openBoard(boardPath(start.folder), start.rank);
  const doors = await listen(start.folder, start.rank, start.size);
  const { plan, threads } = start;
  const keeping =
    plan.purpose === 'train' ? keptSegment(plan.segments, at(plan.roles, ownRole(start))) : undefined;
  const sessions = openSessions(plan.segments, { files: start.segments, threads, keeping });
  await prepare(start, sessions);
  const feed = openFeed(start.feed);
  await readACell(start, feed);
  collectAll();
  const ground = residentBytes();
  const given = start.given.map(({ length, ...state }) => ({ ...state, values: new Float32Array(length) }));
  return { start, board, given, doors, sessions, feed, ground };
}

const ownRole = ({ plan, rank }: Pick<Start, 'plan' | 'rank'>): number =>
  roleIndexOf(plan, seatFor(plan, rank, 0));

/** Loads the sessions that the device needs, so that the first step is like the others. In a prediction it works on tiles of every role. */
async function prepare(start: Start, sessions: Sessions): Promise<void> {
  const { plan } = start;
  const roles = plan.purpose === 'train' ? [at(plan.roles, ownRole(start))] : plan.roles;
  for (const { instructions } of roles)
    for (const instruction of instructions)
      if (instruction.do === 'run') await sessions.load(instruction.segment);
}

/** Libraries that read images are loaded with the first of them. Whatever is wrong with it is said when it is needed. */
async function readACell({ plan }: Start, feed: Feed): Promise<void> {
  const image = plan.model.inputs.find(({ source }) => source.from === 'image');
  if (image?.type.kind !== 'map') return;
  const box = image.type.box.map(({ from }) => range(from, from + 1));
  try {
    await feed.load({ source: image.name, step: 0, sample: 0, box }, new Float32Array(image.type.channels));
  } catch {
    // Its turn comes.
  }
}

async function connect({ start, board, doors, given, sessions, feed, ground }: Listening): Promise<Worker> {
  const { plan, rank } = start;
  board.announce({ ...idle, step: 0 });
  const memory = deviceMemory(plan, given);
  const device: Device = {
    rank,
    plan,
    owners: ownership(plan.model, plan.schedule.cuts),
    mesh: await doors.connect(patienceOf(start, board)),
    tag: tagsOf(plan),
    sessions,
    feed,
    board,
    arenaOf: memory.arenaOf,
    before: (instruction, job) => hold(start, instruction.do, job),
  };
  if (plan.purpose === 'train') memory.arenaOf(ownRole(start));
  return { device, memory, ground };
}

async function work({ device, ground }: Worker, job: Job): Promise<Done> {
  const started = performance.now();
  const result = await perform(device, job);
  const seconds = (performance.now() - started) / 1000;
  return { ...result, seconds, peakBytes: Math.max(0, peakBytes() - ground) };
}

const patienceOf = ({ plan, timeoutSeconds }: Start, board: Board): Patience => ({
  seconds: timeoutSeconds,
  progressOf: (rank) => board.read(rank).count,
  whereIs: (rank) => placeText(plan, board.read(rank)),
});

const hold = (start: Start, kind: string, { step }: Job): Promise<void> | undefined =>
  start.hold?.rank === start.rank && start.hold.at === kind && start.hold.step === step
    ? new Promise(() => undefined)
    : undefined;

/** Rank and instruction are for the parent to fill in: it reads them off the board. */
const failureOf = (reason: unknown): Fault =>
  fault('device-failed', {
    rank: 0,
    instruction: '',
    reason: reason instanceof Error ? reason.message : String(reason),
  });

const send = (report: Report): Promise<void> =>
  new Promise((resolve) => process.send?.(report, undefined, undefined, () => resolve()));

async function fail(reason: unknown): Promise<void> {
  const { fault: words, peer } =
    reason instanceof DeviceFault ? reason : { fault: failureOf(reason), peer: undefined };
  await send({ kind: 'failed', fault: words, ...(peer === undefined ? {} : { peer }) });
  process.exit(1);
}

/** Orders are carried out one after another; the first failure ends the device. */
function serve(): void {
  const table = handlers();
  const obey = <K extends Order['kind']>(order: OrderOf<K> & { kind: K }): Promise<Report> =>
    table[order.kind](order);
  let queue: Promise<void> = Promise.resolve();
  process.on('disconnect', () => process.exit(0));
  process.on('message', (order: Order) => {
    queue = queue.then(async () => send(await obey(order))).catch(fail);
  });
}

serve();
