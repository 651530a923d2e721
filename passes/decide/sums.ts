/**
 * What gradients cost beside the kernels that make them: adding up those of several rounds, and summing them over the
 * devices, in buckets that hide behind the rest of the backward pass as far as they can.
 */
import { at } from '../../ir/box.ts';
import { allReduceSeconds, type Members } from '../../ir/collectives.ts';
import { bytesSeconds } from '../../ir/kernels.ts';
import type { Schedule } from '../../ir/schedule.ts';
import { product } from '../../ir/type.ts';
import { bucketsOfStages, earlyAndLate } from '../lower/buckets.ts';
import { type Situation, updateOf } from './situation.ts';

/**
 * For each op, the seconds of a round, of so many, in which the gradients of its parameters are added to those of the
 * rounds before: two are read and one is written, but in the first, which is copied.
 */
export function accumulation({ profile, machine }: Situation, rounds: number): number[] {
  if (rounds === 1) return profile.ops.map(() => 0);
  const { device } = machine;
  const copied = (bytes: number) => bytesSeconds(device, 'move', 2 * bytes);
  const added = (bytes: number) => bytesSeconds(device, 'move', 3 * bytes, 'accumulate');
  return profile.ops.map(({ gradients }) =>
    gradients.reduce((sum, bytes) => sum + (copied(bytes) + (rounds - 1) * added(bytes)) / rounds, 0),
  );
}

/** Seconds of the last backward pass, for each op of the model. */
export type LastPass = { readonly work: readonly number[]; readonly messages: readonly number[] };

export type Sums = {
  readonly buckets: number;
  /** Seconds for which the sums outlast the step without them. */
  readonly exposed: number;
  /** Seconds that messages of the backward pass take longer because they share their links with the sums. */
  readonly slowed: number;
};

/** Latencies stay few. */
const mostBuckets = 16;

/** Of pipelines, whose stages have buckets of their own and differ from cut to cut, fewer numbers are tried. */
const few = [1, 4, mostBuckets] as const;

/** Who sums: the devices of one stage; the schedule of the stages, and how long before the end each is done. */
export type Summing = {
  readonly members: Members;
  readonly schedule: Pick<Schedule, 'chunks' | 'strips'>;
  readonly idle: readonly number[];
};

/**
 * In as many buckets as hide the most, of these the most, since gradients of early ones need not be there while late ones
 * are computed; or in the number that is given. On this machine's processes, which do not work
 * meanwhile, in one.
 */
export function sumsAmong(situation: Situation, summing: Summing, pass: LastPass, given?: number): Sums {
  const { machine } = situation;
  const { members, idle } = summing;
  if (members.count === 1) return { buckets: given ?? 1, exposed: 0, slowed: 0 };
  const overlaps = machine.launcher !== 'local';
  const isStaged = summing.schedule.chunks.length > 0;
  const tried = isStaged ? few : upTo(mostBuckets);
  const counts = given !== undefined ? [given] : overlaps ? tried : [1];
  return counts
    .map((buckets) => {
      const stages = bucketsIn(situation, summing.schedule, buckets).map((loads, stage) =>
        sumsIn(situation, members, pass, loads, at(idle, stage)),
      );
      const most = (of: 'exposed' | 'slowed') => Math.max(...stages.map((one) => one[of]));
      return { buckets, exposed: most('exposed'), slowed: most('slowed') };
    })
    .reduce((a, b) => (b.exposed + b.slowed <= a.exposed + a.slowed ? b : a));
}

const upTo = (most: number): number[] => Array.from({ length: most }, (_, i) => i + 1);

/** A bucket by its bytes and the op that completes it, the latest first. */
type Load = { readonly until: number; readonly bytes: number };

/** Without stages and strips the same for all shapes. */
const known = new WeakMap<Situation, Map<number, readonly (readonly Load[])[]>>();

function bucketsIn(
  situation: Situation,
  schedule: Summing['schedule'],
  buckets: number,
): readonly (readonly Load[])[] {
  const isPlain = schedule.chunks.length === 0 && schedule.strips.length === 0;
  const plain = known.get(situation) ?? new Map<number, readonly (readonly Load[])[]>();
  known.set(situation, plain);
  const found = isPlain ? plain.get(buckets) : undefined;
  if (found !== undefined) return found;
  const { model } = situation;
  const bytes = new Map(model.parameters.map(({ name, dims }) => [name, 4 * product(dims)]));
  const loads = bucketsOfStages(model, { ...schedule, buckets }).map((stage) =>
    stage.map(({ until, parameters }) => ({
      until,
      bytes: parameters.reduce((sum, name) => sum + (bytes.get(name) ?? 0), 0),
    })),
  );
  if (isPlain) plain.set(buckets, loads);
  return loads;
}

/**
 * One sum after another, each as its last gradient is there. A message that goes meanwhile has half of the link, and so
 * has the sum. Late sums go on beside the update from the early ones.
 */
function sumsIn(
  situation: Situation,
  members: Members,
  { work, messages }: LastPass,
  loads: readonly Load[],
  idle: number,
): Omit<Sums, 'buckets'> {
  const { machine } = situation;
  const seconds = (bytes: number) => allReduceSeconds(machine, members, bytes);
  if (machine.launcher === 'local')
    return {
      exposed: Math.max(
        0,
        loads.reduce((sum, { bytes }) => sum + seconds(bytes), -idle),
      ),
      slowed: 0,
    };
  let [clock, slowed] = [0, 0];
  const ends: number[] = [];
  const lane = () => ends.at(-1) ?? 0;
  // Of a stage the ops from its first to its last: those between them are as long as what it waits for, or longer.
  for (let op = work.length - 1; op >= (loads.at(-1)?.until ?? 0); op--) {
    clock += at(work, op);
    const shared = Math.min(at(messages, op), Math.max(0, lane() - clock));
    clock += at(messages, op) + shared;
    if (shared > 0) ends[ends.length - 1] = lane() + shared;
    slowed += shared;
    for (let next = ends.length; (loads[next]?.until ?? -1) >= op; next++)
      ends.push(Math.max(lane(), clock) + seconds(at(loads, next).bytes));
  }
  return { exposed: Math.max(0, updateDelay(situation, loads, ends, clock) - idle), slowed };
}

/** How much later the update ends for waiting for sums, each of its runs for its own, than had it begun at `clock`. */
function updateDelay(
  situation: Situation,
  loads: readonly Load[],
  ends: readonly number[],
  clock: number,
): number {
  const sums = loads.map(({ bytes }, index) => ({ bytes, end: at(ends, index) }));
  const runs = earlyAndLate(sums, situation.model.training);
  let [done, working] = [clock, 0];
  for (const run of runs) {
    const bytes = run.reduce((all, one) => all + one.bytes, 0);
    const seconds = updateOf(situation, bytes);
    done = Math.max(done, run.at(-1)?.end ?? 0) + seconds;
    working += seconds;
  }
  return done - working - clock + (runs.length - 1) * situation.lateSeconds;
}
