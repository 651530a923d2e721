/**
 * The program of a probe process: measures what a device process would take. It runs segments, keeps its memory and
 * speaks to others exactly as `device.ts` does, so that what it measures is what a plan will cost.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { typesOf } from '../../ir/graph.ts';
import { median } from '../../ir/median.ts';
import { dimsOf, product } from '../../ir/type.ts';
import { allReduce, partsOfSum } from './all-reduce.ts';
import { type Board, idle, openBoard } from './board.ts';
import { boardPath } from './folder.ts';
import { residentBytes } from './memory.ts';
import { type Doors, listen, type Mesh } from './mesh.ts';
import { nodeTimes, opOf } from './node-times.ts';
import { ownWork } from './own-work.ts';
import type { Patience } from './patience.ts';
import type { ProbeOrder, ProbeReport, Running, Trial } from './probe-protocol.ts';
import { type Operand, openSessions } from './sessions.ts';

type OrderOf<K extends ProbeOrder['do']> = Extract<ProbeOrder, { do: K }>;
type Handlers = { readonly [K in ProbeOrder['do']]: (order: OrderOf<K>) => Promise<readonly number[]> };

const patience: Patience = { seconds: 60, progressOf: () => 0, whereIs: () => 'calibrate' };

/** At least so many runs, and never more. Those before do not count: from the second on a session has its memory. */
const [fewest, most, warming] = [3, 400, 1];

/** A probe that is open. */
type Probe = {
  readonly folder: string;
  readonly rank: number;
  readonly threads: number;
  readonly doors: Doors;
  readonly board: Board;
  mesh?: Mesh;
};

function handlers(): Handlers {
  let opened: Probe | undefined;
  const probe = (): Probe => {
    if (opened === undefined) throw new Error('a probe was told something before it was opened');
    return opened;
  };
  let tag = 0;
  return {
    async open({ folder, rank, size, threads }) {
      const doors = await listen(folder, rank, size);
      opened = { folder, rank, threads, doors, board: openBoard(boardPath(folder), rank) };
      return [];
    },
    async connect() {
      probe().mesh = await probe().doors.connect(patience);
      return [];
    },
    time: ({ trial }) => time(probe(), trial),
    kernels: ({ trial }) => kernels(probe(), trial),
    copy: async ({ bytes }) => [await copy(bytes)],
    async own({ work, bytes, seconds }) {
      const { run, charged } = ownWork(work, bytes);
      const repetition = { runs: 50, seconds, clock: processorSeconds, cold: true };
      return [median(await repeated(repetition, async () => run())), charged];
    },
    async meet(order) {
      const { mesh } = probe();
      if (mesh === undefined) throw new Error('a probe has no connections yet');
      const first = tag;
      tag += partsOfSum * order.rounds;
      return meet(probe(), mesh, order, first);
    },
    resident: async () => [residentBytes()],
  };
}

const now = (): number => performance.now() / 1000;

/** Seconds of a body, by the clock or as the processor counts them for this process. */
async function wallSeconds(body: () => Promise<void>): Promise<number> {
  const begun = now();
  await body();
  return now() - begun;
}

async function processorSeconds(body: () => Promise<void>): Promise<number> {
  const begun = process.cpuUsage();
  const wall = await wallSeconds(body);
  const { user, system } = process.cpuUsage(begun);
  return Math.min(wall, (user + system) / 1e6);
}

type Repetition = {
  readonly runs: number;
  /** After which no further run begins. */
  readonly seconds: number;
  readonly clock: (body: () => Promise<void>) => Promise<number>;
  /** Whether what `body` reads is no longer in a cache when it begins. */
  readonly cold?: boolean;
};

/** More than caches hold. */
const cacheBytes = 2 ** 26;

/** Runs `body` until the time is up: its times. */
async function repeated(
  { runs, seconds, clock, cold = false }: Repetition,
  body: () => Promise<void>,
): Promise<number[]> {
  for (let i = 0; i < warming; i++) await body();
  const others = new Float32Array(cold ? cacheBytes / 4 : 0);
  const times: number[] = [];
  const end = now() + seconds;
  while (times.length < fewest || (times.length < runs && now() < end)) {
    others.fill(times.length);
    times.push(await clock(body));
  }
  return times;
}

/** Carries out an instruction that runs a segment, as `interpreter.ts` does; `end` closes the session. */
type Runner = { run(): Promise<void>; end(): Promise<void> };

function runnerOf(probe: Probe, { segment, file, keeping }: Running, profileTo?: string): Runner {
  const { name, graph, samples } = segment;
  const path = join(probe.folder, `probe-${probe.rank}.onnx`);
  writeFileSync(path, file);
  const sessions = openSessions([segment], {
    files: { [name]: path },
    threads: probe.threads,
    keeping: keeping ? name : undefined,
    ...(profileTo === undefined ? {} : { profileTo }),
  });
  const types = typesOf(graph);
  const operands = (names: readonly string[]): Operand[] =>
    names.map((value) => {
      const type = types.get(value);
      if (type === undefined) throw new Error(`no value ${value}`);
      return operand(type.element, dimsOf(type, samples));
    });
  const reads = operands(graph.inputs.map((input) => input.name));
  const writes = operands(graph.outputs);
  return {
    async run() {
      probe.board.announce({ ...idle, step: 0 });
      await sessions.run(name, reads, writes);
    },
    async end() {
      await sessions.close();
      rmSync(path);
    },
  };
}

/** Numbers from 0 to 1, half of them 0 as behind a ReLU; labels of two classes. */
function operand(element: 'f32' | 'u8', dims: readonly number[]): Operand {
  const length = product(dims);
  const data =
    element === 'u8'
      ? filled(new Uint8Array(length), (i) => i % 2)
      : filled(new Float32Array(length), (i) => Math.max(0, Math.sin(i * 12.9898)));
  return { buffer: { dims }, data };
}

/** The first numbers, over and over: drawing each of millions takes longer than the kernels. */
function filled<T extends Float32Array | Uint8Array>(values: T, draw: (index: number) => number): T {
  const first = Math.min(values.length, 4096);
  for (let i = 0; i < first; i++) values[i] = draw(i);
  for (let done = first; done < values.length; done *= 2)
    values.copyWithin(done, 0, Math.min(done, values.length - done));
  return values;
}

async function time(probe: Probe, trial: Trial): Promise<number[]> {
  const runner = runnerOf(probe, trial);
  // With one thread a program that has the processor meanwhile does not count: it is no part of the kernel.
  const clock = probe.threads === 1 ? processorSeconds : wallSeconds;
  const repetition = { runs: most, seconds: trial.seconds, clock, cold: trial.cold ?? false };
  const times = await repeated(repetition, runner.run);
  await runner.end();
  return times;
}

/** First the seconds of each op, then the nodes of each. */
async function kernels(probe: Probe, trial: Trial): Promise<number[]> {
  const folder = mkdtempSync(join(probe.folder, 'nodes-'));
  const runner = runnerOf(probe, trial, join(folder, 'run'));
  await repeated({ runs: most / 10, seconds: trial.seconds, clock: wallSeconds }, runner.run);
  await runner.end();
  const text = readFileSync(join(folder, readdirSync(folder)[0] ?? ''), 'utf8');
  rmSync(folder, { recursive: true });
  const { ops } = trial.segment.graph;
  const results = new Map(ops.map(({ output }, index) => [output, index]));
  const names = new Set(results.keys());
  const perRun: number[][] = ops.map(() => []);
  const nodes = ops.map(() => 0);
  let runs = 0;
  for (const { node, run, own, gap } of nodeTimes(text)) {
    const index = results.get(opOf(names, node) ?? '');
    runs = Math.max(runs, run + 1);
    if (run < warming || index === undefined) continue;
    const times = perRun[index] ?? [];
    times[run - warming] = (times[run - warming] ?? 0) + (own + gap) / 1e6;
    nodes[index] = (nodes[index] ?? 0) + 1;
  }
  return [...perRun.map(median), ...nodes.map((count) => count / Math.max(1, runs - warming))];
}

async function meet(
  probe: Probe,
  mesh: Mesh,
  { kind, members, bytes, rounds, between }: OrderOf<'meet'>,
  tag: number,
): Promise<number[]> {
  const runner = runnerOf(probe, between);
  const others = members.filter((rank) => rank !== mesh.rank);
  const [out, into] = [new Float32Array(bytes / 4), new Uint8Array(bytes)];
  const meetings = {
    async trade(first: number) {
      const going = others.map((peer) => mesh.give(peer, first, new Uint8Array(out.buffer.slice(0))));
      for (const peer of others) await mesh.receive(peer, first, into, 'a message');
      return going;
    },
    async sum(first: number) {
      const meeting = {
        size: members.length,
        member: members.indexOf(mesh.rank),
        give: (member: number, part: number, message: Uint8Array<ArrayBuffer>) =>
          mesh.give(members[member] ?? 0, first + part, message),
        receive: (member: number, part: number, place: Uint8Array, what: string) =>
          mesh.receive(members[member] ?? 0, first + part, place, what),
      };
      await allReduce(meeting, [out]);
      return [];
    },
  };
  const clock = () => (performance.timeOrigin + performance.now()) / 1000;
  await runner.run();
  const runs: number[] = [];
  const ends: number[] = [];
  for (let round = 0; round < rounds; round++) {
    runs.push(await wallSeconds(runner.run));
    const going = await meetings[kind](tag + partsOfSum * round);
    ends.push(clock());
    await Promise.all(going);
  }
  await runner.end();
  return [...runs, ...ends];
}

async function copy(bytes: number): Promise<number> {
  const [from, to] = [new Float32Array(bytes / 4).fill(1), new Float32Array(bytes / 4)];
  return median(
    await repeated({ runs: 20, seconds: 0.5, clock: processorSeconds }, async () => to.set(from)),
  );
}

const send = (report: ProbeReport): Promise<void> =>
  new Promise((resolve) => process.send?.(report, undefined, undefined, () => resolve()));

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function serve(): void {
  const table = handlers();
  const obey = <K extends ProbeOrder['do']>(order: OrderOf<K> & { do: K }): Promise<readonly number[]> =>
    (table[order.do] as (one: OrderOf<K>) => Promise<readonly number[]>)(order);
  process.on('disconnect', () => process.exit(0));
  process.on('message', (order: ProbeOrder) => {
    obey(order).then(
      (values) => send({ ok: true, values }),
      (error) => send({ ok: false, reason: reasonOf(error) }),
    );
  });
}

serve();
