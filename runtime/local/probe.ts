/**
 * The program of a probe process: measures what a device process would take. It runs segments, keeps its memory and
 * speaks to others exactly as `device.ts` does, so that what it measures is what a plan will cost.
 */
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { product } from '../../ir/type.ts';
import { openBoard } from './board.ts';
import { boardPath } from './folder.ts';
import { letGo } from './let-go.ts';
import { residentBytes } from './memory.ts';
import { type Doors, listen, type Mesh } from './mesh.ts';
import type { Patience } from './patience.ts';
import type { ProbeOrder, ProbeReport, ProbeTensor, Trial } from './probe-protocol.ts';
import { sessionOptions } from './sessions.ts';

type OrderOf<K extends ProbeOrder['do']> = Extract<ProbeOrder, { do: K }>;
type Handlers = { readonly [K in ProbeOrder['do']]: (order: OrderOf<K>) => Promise<number> };

const patience: Patience = { seconds: 60, progressOf: () => 0, whereIs: () => 'calibrate' };

/** At least so many runs, and never more: the first, which makes room, does not count. */
const [fewest, most] = [3, 400];

function handlers(): Handlers {
  let doors: Doors | undefined;
  let mesh: Mesh | undefined;
  let threads = 1;
  let tag = 0;
  return {
    async open(order) {
      threads = order.threads;
      doors = await listen(order.folder, order.rank, order.size);
      openBoard(boardPath(order.folder), order.rank);
      return 0;
    },
    async connect() {
      mesh = await doors?.connect(patience);
      return 0;
    },
    time: ({ trial }) => time(trial, threads),
    copy: async ({ bytes }) => copy(bytes),
    async trade({ peer, bytes }) {
      if (mesh === undefined) throw new Error('a probe has no connections yet');
      const [out, into] = [new Uint8Array(bytes), new Uint8Array(bytes)];
      const runs = Math.max(8, Math.min(200, Math.floor(2 ** 26 / bytes)));
      const once = async (link: Mesh): Promise<void> => {
        tag += 1;
        await Promise.all([link.send(peer, tag, out), link.receive(peer, tag, into, 'a message')]);
      };
      // Both sides do as many.
      const link = mesh;
      return repeated({ runs, seconds: Number.POSITIVE_INFINITY, clock: wallSeconds }, () => once(link));
    },
    resident: async () => residentBytes(),
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
  readonly after?: () => void;
};

/** Runs `body` until the time is up; the time that a quarter of the runs stay below. */
async function repeated(
  { runs, seconds, clock, after }: Repetition,
  body: () => Promise<void>,
): Promise<number> {
  await body();
  after?.();
  const times: number[] = [];
  const end = now() + seconds;
  while (times.length < fewest || (times.length < runs && now() < end)) {
    times.push(await clock(body));
    after?.();
  }
  return lowerQuartile(times);
}

/** Other programs of the machine disturb only upwards. */
function lowerQuartile(times: readonly number[]): number {
  const sorted = [...times].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 4)] ?? 0;
}

async function time({ file, inputs, outputs, seconds, around }: Trial, threads: number): Promise<number> {
  const session = await InferenceSession.create(file, sessionOptions(threads));
  const feeds = tensors(inputs);
  const results = tensors(outputs);
  let copies: Tensor[] = [];
  const run = async () => {
    copies = Object.values(await session.run(feeds, results));
  };
  const collect = () => {
    for (const { data } of copies) if (ArrayBuffer.isView(data)) letGo(data);
  };
  const whole = async () => {
    await run();
    collect();
  };
  // With one thread a program that has the processor meanwhile does not count: it is no part of the kernel.
  const clock = threads === 1 ? processorSeconds : wallSeconds;
  const taken = around
    ? await repeated({ runs: most, seconds, clock }, whole)
    : await repeated({ runs: most, seconds, clock, after: collect }, run);
  await session.release();
  return taken;
}

const tensors = (all: readonly ProbeTensor[]): Record<string, Tensor> =>
  Object.fromEntries(all.map((one) => [one.name, tensor(one)]));

/** Numbers from 0 to 1, half of them 0 as behind a ReLU; labels of four classes. */
function tensor({ element, dims }: ProbeTensor): Tensor {
  const length = product(dims);
  return element === 'u8'
    ? new Tensor(
        'uint8',
        filled(new Uint8Array(length), (i) => i % 4),
        dims,
      )
    : new Tensor(
        'float32',
        filled(new Float32Array(length), (i) => Math.max(0, Math.sin(i * 12.9898))),
        dims,
      );
}

/** The first numbers, over and over: drawing each of millions takes longer than the kernels. */
function filled<T extends Float32Array | Uint8Array>(values: T, draw: (index: number) => number): T {
  const first = Math.min(values.length, 4096);
  for (let i = 0; i < first; i++) values[i] = draw(i);
  for (let done = first; done < values.length; done *= 2)
    values.copyWithin(done, 0, Math.min(done, values.length - done));
  return values;
}

function copy(bytes: number): Promise<number> {
  const [from, to] = [new Float32Array(bytes / 4).fill(1), new Float32Array(bytes / 4)];
  return repeated({ runs: 20, seconds: 0.5, clock: processorSeconds }, async () => to.set(from));
}

const send = (report: ProbeReport): Promise<void> =>
  new Promise((resolve) => process.send?.(report, undefined, undefined, () => resolve()));

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function serve(): void {
  const table = handlers();
  const obey = <K extends ProbeOrder['do']>(order: OrderOf<K> & { do: K }): Promise<number> =>
    (table[order.do] as (one: OrderOf<K>) => Promise<number>)(order);
  process.on('disconnect', () => process.exit(0));
  process.on('message', (order: ProbeOrder) => {
    obey(order).then(
      (value) => send({ ok: true, value }),
      (error) => send({ ok: false, reason: reasonOf(error) }),
    );
  });
}

serve();
