/**
 * Where a model may be cut into stages, and what a part of it weighs: sums over runs of ops from prefix sums.
 */
import { at } from '../../ir/box.ts';
import type { Chunk, Order } from '../../ir/schedule.ts';
import type { Item } from '../lower/order.ts';
import type { Ground, Reads } from './ground.ts';
import type { ChunkLoad } from './pipeline.ts';
import type { Profile } from './profile.ts';

export type StageQuestion = {
  readonly profile: Profile;
  /** Seconds of each op of the model on one micro-batch; what is computed again counts as backward. */
  readonly forward: readonly number[];
  readonly backward: readonly number[];
  /** Bytes of each op that are kept from its forward to its backward pass, for one micro-batch. */
  readonly kept: readonly number[];
  /** Bytes of the parameters of each op with gradients and optimizer state. */
  readonly state: readonly number[];
  /** Bytes of one micro-batch of each spatial value, as it is sent. */
  readonly valueBytes: ReadonlyMap<string, number>;
  readonly stages: number;
  readonly microBatches: number;
  readonly order: Order;
  /** Bytes of a device. */
  readonly memory: number;
  /** Bytes that a device needs while it works, beside what is kept. */
  readonly workspace: number;
  messageSeconds(fromStage: number, toStage: number, bytes: number): number;
  /** Messages take no time of the stages at their ends. */
  readonly overlaps: boolean;
  /** Whether to time many more cuts: for a choice that is nearly made, not for one of hundreds. */
  readonly thorough?: boolean;
};

/** A value that ops read, and its bytes. */
export type Flow = Reads & { readonly bytes: number };

export type Space = Omit<Ground, 'values'> & {
  readonly ops: number;
  readonly flows: readonly Flow[];
  /** Sums of all ops before an op: `[ops]` is the sum of all. */
  readonly forward: Float64Array;
  readonly backward: Float64Array;
  readonly kept: Float64Array;
  readonly state: Float64Array;
};

const prefix = (list: readonly number[]): Float64Array => {
  const sums = new Float64Array(list.length + 1);
  list.forEach((value, index) => {
    sums[index + 1] = (sums[index] ?? 0) + value;
  });
  return sums;
};

export function stageSpace(question: Omit<StageQuestion, 'stages'>): Space {
  const { profile, valueBytes } = question;
  const { values, ...ground } = profile.ground;
  return {
    ...ground,
    ops: profile.ops.length,
    flows: values.map((one) => ({ ...one, bytes: valueBytes.get(one.value) ?? 0 })),
    forward: prefix(question.forward),
    backward: prefix(question.backward),
    kept: prefix(question.kept),
    state: prefix(question.state),
  };
}

/** A way to cut: where each chunk begins (the first at 0), and its stage. */
export type Cut = { readonly starts: readonly number[]; readonly stages: readonly number[] };

export const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

export const straightStages = (stages: number): number[] => upTo(stages);

/** Down the encoder and up the decoder; the last stage has one chunk. */
export const foldedStages = (stages: number): number[] => [...upTo(stages), ...upTo(stages - 1).toReversed()];

/** For each chunk what it sends forward: bytes to each later chunk that is the first of its stage to read it. */
function messagesOf({ flows, crossing, placeOf }: Space, { starts, stages }: Cut): Map<number, number>[] {
  const sent = starts.map(() => new Map<number, number>());
  // What is made in a chunk and read after it crosses the place where the next one begins.
  for (let from = 0; from + 1 < starts.length; from++) {
    const to = at(sent, from);
    for (const { index } of at(crossing, placeOf.get(at(starts, from + 1)) ?? -1)) {
      const { made, reads, bytes } = at(flows, index);
      if (made < at(starts, from)) continue;
      const seen = [at(stages, from)];
      let chunk = from;
      for (const read of reads) {
        while (read >= (starts[chunk + 1] ?? Number.POSITIVE_INFINITY)) chunk++;
        const stage = at(stages, chunk);
        if (seen.includes(stage)) continue;
        seen.push(stage);
        to.set(chunk, (to.get(chunk) ?? 0) + bytes);
      }
    }
  }
  return sent;
}

/** What a chunk gets of an earlier one. */
type Got = { readonly chunk: number; readonly bytes: number; readonly seconds: number };

export type WeighedChunk = ChunkLoad & {
  /** Bytes of one micro-batch that it sends and receives. */
  readonly sent: number;
  readonly received: number;
};

/** A cut with its chunks and the bytes of each stage. */
export type Weighed = {
  readonly cut: Cut;
  readonly loads: readonly WeighedChunk[];
  readonly bytes: readonly number[];
};

/** The chunks of a cut with their times and messages. */
export function weigh(space: Space, question: StageQuestion, cut: Cut): WeighedChunk[] {
  const { starts, stages } = cut;
  const messages = messagesOf(space, cut);
  const sum = (sums: Float64Array, chunk: number) =>
    (sums[starts[chunk + 1] ?? space.ops] ?? 0) - (sums[at(starts, chunk)] ?? 0);
  const seconds = (from: number, to: number, bytes: number) =>
    question.messageSeconds(at(stages, from), at(stages, to), bytes);
  const got = stages.map((): Got[] => []);
  for (const [from, to] of messages.entries())
    for (const [chunk, bytes] of to)
      at(got, chunk).push({ chunk: from, bytes, seconds: seconds(from, chunk, bytes) });
  return stages.map((stage, chunk) => {
    const sends = [...at(messages, chunk)];
    const gets = at(got, chunk);
    return {
      stage,
      forward: sum(space.forward, chunk),
      backward: sum(space.backward, chunk),
      inSeconds: gets.find((one) => one.chunk === chunk - 1)?.seconds ?? 0,
      outSeconds: sends.reduce((all, [to, bytes]) => all + seconds(chunk, to, bytes), 0),
      early: gets.filter((one) => one.chunk < chunk - 1),
      sent: sends.reduce((all, [, bytes]) => all + bytes, 0),
      received: gets.reduce((all, { bytes }) => all + bytes, 0),
    };
  });
}

/**
 * The numbers of micro-batches that the chunks of a stage, in their order, have between forward and backward at the
 * same time: the largest of them, none of which another exceeds.
 */
export function peaksOf(items: readonly Item[]): number[][] {
  const chunks = [...new Set(items.map(({ chunk }) => chunk))].sort((a, b) => a - b);
  const now = chunks.map(() => 0);
  const isWithin = (counts: readonly number[], peak: readonly number[]): boolean => {
    for (let i = 0; i < counts.length; i++) if ((counts[i] ?? 0) > (peak[i] ?? 0)) return false;
    return true;
  };
  let peaks: number[][] = [];
  for (const { chunk, phase } of items) {
    const index = chunks.indexOf(chunk);
    now[index] = at(now, index) + (phase === 'forward' ? 1 : -1);
    if (phase === 'backward' || peaks.some((peak) => isWithin(now, peak))) continue;
    peaks = peaks.filter((peak) => !isWithin(peak, now));
    peaks.push([...now]);
  }
  return peaks;
}

/** Bytes of what is kept at the worst moment. `kept`: bytes of one micro-batch of each chunk. */
export const keptBytes = (peaks: readonly (readonly number[])[], kept: readonly number[]): number =>
  peaks.reduce(
    (most, peak) =>
      Math.max(
        most,
        peak.reduce((sum, count, i) => sum + count * at(kept, i), 0),
      ),
    0,
  );

/** Bytes of each stage: state, what is kept, what is received, one cotangent of each message, workspace. */
export function stageBytes(
  space: Space,
  { workspace }: Pick<StageQuestion, 'workspace'>,
  { starts, stages }: Cut,
  chunks: readonly WeighedChunk[],
  peaks: readonly (readonly (readonly number[])[])[],
): number[] {
  const sum = (sums: Float64Array, chunk: number) =>
    (sums[starts[chunk + 1] ?? space.ops] ?? 0) - (sums[at(starts, chunk)] ?? 0);
  return peaks.map((own, stage) => {
    const mine = upTo(chunks.length).filter((chunk) => at(stages, chunk) === stage);
    const kept = mine.map((chunk) => sum(space.kept, chunk) + at(chunks, chunk).received);
    const passing = mine.map((chunk) => at(chunks, chunk).received + at(chunks, chunk).sent);
    const state = mine.reduce((all, chunk) => all + sum(space.state, chunk), 0);
    return state + keptBytes(own, kept) + passing.reduce((a, b) => a + b, 0) + workspace;
  });
}

/** The cut as the schedule says it. */
export const chunksOfCut = ({ ops }: Pick<Profile, 'ops'>, { starts, stages }: Cut): Chunk[] =>
  stages.length === 1
    ? []
    : stages.map((stage, chunk) => ({
        from: chunk === 0 ? '' : at(ops, at(starts, chunk)).op.output,
        stage,
      }));
