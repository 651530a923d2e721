/** Segments as ONNX Runtime sessions: one for each distinct segment of a process, made when first needed. */
import { readFile } from 'node:fs/promises';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { at } from '../../ir/box.ts';
import type { Graph } from '../../ir/graph.ts';
import { mayWriteOver } from '../../ir/in-place.ts';
import type { Segment } from '../../ir/plan.ts';
import { type Strands, strandsOf } from '../../ir/strands.ts';
import type { Held } from './arena.ts';
import { letGo } from './let-go.ts';
import { type Part, type Parts, type Piece, piecesOf } from './strand-pieces.ts';

/** What a segment is run on: a buffer as far as it matters here. */
export type Operand = { readonly buffer: Pick<Held['buffer'], 'dims'>; readonly data: Held['data'] };

export type Sessions = {
  load(segment: string): Promise<void>;
  /** Runs a segment on buffers in the order of its inputs and outputs. */
  run(segment: string, reads: readonly Operand[], writes: readonly Operand[]): Promise<void>;
  /** Ends them all; what is written of their runs is complete then. */
  close(): Promise<void>;
};

export type SessionOptions = {
  /** The ONNX file of each segment. */
  readonly files: Readonly<Record<string, string>>;
  readonly threads: number;
  /** The segment whose memory may be kept from run to run. */
  readonly keeping?: string | undefined;
  /** ONNX Runtime writes where the time of each run went to a file whose path begins like this. */
  readonly profileTo?: string;
};

export function openSessions(segments: readonly Segment[], options: SessionOptions): Sessions {
  const byName = new Map(segments.map((segment) => [segment.name, segment]));
  const open = new Map<string, Promise<InferenceSession>>();
  const segmentOf = (name: string): Segment => {
    const found = byName.get(name);
    if (found === undefined) throw new RangeError(`the plan has no segment ${name}`);
    return found;
  };
  const session = (name: string): Promise<InferenceSession> => {
    const known = open.get(name) ?? create(segmentOf(name), options);
    open.set(name, known);
    return known;
  };
  const strands = new Map<string, Strands | undefined>();
  const strandsIn = ({ name, graph }: Segment): Strands | undefined => {
    if (!strands.has(name)) strands.set(name, strandsOf(graph));
    return strands.get(name);
  };
  return {
    load: async (name) => void (await session(name)),
    async run(name, reads, writes) {
      const segment = segmentOf(name);
      const { graph } = segment;
      const inputs = graph.inputs.map((input) => input.name);
      const given = named(inputs, reads);
      const wanted = named(graph.outputs, writes);
      const apart = new Set(
        [...wanted].flatMap(([output, part]) => (mustLieApart(graph, given, output, part) ? [output] : [])),
      );
      const opened = await session(name);
      const strands = strandsIn(segment);
      if (strands === undefined) await runSession(opened, { reads: given, writes: wanted, apart });
      else for (const piece of piecesOf(strands, given, wanted, apart)) await runSession(opened, piece);
    },
    async close() {
      for (const opened of open.values()) {
        if (options.profileTo !== undefined) (await opened).endProfiling();
        await (await opened).release();
      }
      open.clear();
    },
  };
}

/** How a session takes memory: see `memoryWays` in `backends/onnx/workspace.ts`, which has the words. */
type Taking = 'arena' | 'one block' | 'block by block';

/**
 * Every page that a segment is given is cleared by the system first, and large blocks go back to it at once: of the processor
 * time of a step of `residual` that was between a quarter and a half. So a file says how else its memory may be taken,
 * where that is hardly more. ONNX Runtime's arena keeps what it has, so only a segment beside which all others are small may
 * have one. With memory patterns the first run takes its blocks one by one, and every later one takes a single block, in
 * which each has its place.
 *
 * And the file is run as it stands: ONNX Runtime's own optimizations put nodes in another order and maps into another
 * layout, so that more is kept (for the step of `attention` 360 instead of 248 MiB, and 764 instead of 604 for a tile of
 * `bench/streaming.ts`), and steps are no faster. What the file takes, `backends/onnx/workspace.ts` tells from it.
 */
export const sessionOptions = (threads: number, taking: Taking = 'block by block') =>
  ({
    executionProviders: ['cpu'],
    executionMode: 'sequential',
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    enableCpuMemArena: taking === 'arena',
    enableMemPattern: taking === 'one block',
    graphOptimizationLevel: 'disabled',
  }) satisfies InferenceSession.SessionOptions;

/** What is said of a file stands at its end (`backends/onnx/proto.ts`). */
function takingOf(file: Buffer, mayKeep: boolean): Taking {
  const end = file.subarray(-64);
  if (!end.includes('unetc.memory')) return 'block by block';
  if (mayKeep && end.includes('arena')) return 'arena';
  return end.includes('one block') ? 'one block' : 'block by block';
}

async function create(
  { name }: Segment,
  { files, threads, keeping, profileTo }: SessionOptions,
): Promise<InferenceSession> {
  const path = files[name];
  if (path === undefined) throw new Error(`segment ${name} has no file`);
  const file = await readFile(path);
  return InferenceSession.create(file, {
    ...sessionOptions(threads, takingOf(file, name === keeping)),
    ...(profileTo === undefined ? {} : { enableProfiling: true, profileFilePrefix: profileTo }),
  });
}

const named = (names: readonly string[], held: readonly Operand[]): Map<string, Part> =>
  new Map(
    names.map((name, index) => {
      const { buffer, data } = at(held, index);
      return [name, { dims: buffer.dims, data }];
    }),
  );

const tensorOf = ({ dims, data }: Part): Tensor =>
  data instanceof Float32Array ? new Tensor('float32', data, dims) : new Tensor('uint8', data, dims);

const tensors = (parts: Parts): Record<string, Tensor> =>
  Object.fromEntries([...parts].map(([name, one]) => [name, tensorOf(one)]));

/**
 * Whether an output is a buffer that the segment also reads, and ONNX Runtime, which writes into the tensors that
 * it is given, might write there what it has yet to read.
 */
const mustLieApart = (graph: Graph, reads: Parts, output: string, { data }: Part): boolean =>
  [...reads].some(([input, part]) => part.data === data && !mayWriteOver(graph, input, output));

/**
 * What lies apart gets memory of its own and is copied to its place afterwards. Of all other results, too, a copy
 * comes back beside what was written to its place: none of them is of use any more.
 */
async function runSession(session: InferenceSession, { reads, writes, apart }: Piece): Promise<void> {
  const direct = new Map([...writes].filter(([name]) => !apart.has(name)));
  const wanted = { ...tensors(direct), ...Object.fromEntries([...apart].map((name) => [name, null])) };
  const results = await session.run(tensors(reads), wanted);
  for (const [name, { data }] of writes) {
    const result = elementsOf(results[name]);
    if (apart.has(name)) data.set(result);
    if (result.buffer !== data.buffer) letGo(result);
  }
}

function elementsOf(tensor: Tensor | undefined): Float32Array | Uint8Array {
  const data = tensor?.data;
  if (data instanceof Float32Array || data instanceof Uint8Array) return data;
  throw new TypeError('a segment gave something else than floats or bytes');
}
