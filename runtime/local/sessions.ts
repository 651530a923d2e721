/** Segments as ONNX Runtime sessions: one for each distinct segment of a process, made when first needed. */
import { readFile } from 'node:fs/promises';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { at } from '../../ir/box.ts';
import type { Graph } from '../../ir/graph.ts';
import { mayWriteOver } from '../../ir/in-place.ts';
import type { Segment } from '../../ir/plan.ts';
import type { Held } from './arena.ts';

export type Sessions = {
  load(segment: string): Promise<void>;
  /** Runs a segment on buffers in the order of its inputs and outputs. */
  run(segment: string, reads: readonly Held[], writes: readonly Held[]): Promise<void>;
};

export type SessionOptions = {
  /** The ONNX file of each segment. */
  readonly files: Readonly<Record<string, string>>;
  readonly threads: number;
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
  return {
    load: async (name) => void (await session(name)),
    async run(name, reads, writes) {
      const { graph } = segmentOf(name);
      const inputs = graph.inputs.map((input) => input.name);
      const given = named(inputs, reads);
      const wanted = named(graph.outputs, writes);
      const apart = [...wanted].flatMap(([output, held]) =>
        mustLieApart(graph, given, output, held) ? [output] : [],
      );
      await runSession(await session(name), given, wanted, new Set(apart));
    },
  };
}

/**
 * Measured on a training step of 3 levels at 256 px: with memory patterns a device takes 1.5 times the memory,
 * with an arena a quarter more (and every session keeps its own); neither is any faster, given huge pages.
 * And the file is run as it stands: ONNX Runtime's own optimizations put nodes in another order and maps into another
 * layout, so that more is kept (for the step of `attention` 360 instead of 248 MiB, and 764 instead of 604 for a tile of
 * `bench/streaming.ts`), and steps are no faster. What the file takes, `backends/onnx/workspace.ts` tells from it.
 */
export const sessionOptions = (threads: number) =>
  ({
    executionProviders: ['cpu'],
    executionMode: 'sequential',
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    enableCpuMemArena: false,
    enableMemPattern: false,
    graphOptimizationLevel: 'disabled',
  }) satisfies InferenceSession.SessionOptions;

async function create(segment: Segment, { files, threads }: SessionOptions): Promise<InferenceSession> {
  const path = files[segment.name];
  if (path === undefined) throw new Error(`segment ${segment.name} has no file`);
  return InferenceSession.create(await readFile(path), sessionOptions(threads));
}

const named = (names: readonly string[], held: readonly Held[]): Map<string, Held> =>
  new Map(names.map((name, index) => [name, at(held, index)]));

function tensorOf({ buffer, data }: Held): Tensor {
  return data instanceof Float32Array
    ? new Tensor('float32', data, buffer.dims)
    : new Tensor('uint8', data, buffer.dims);
}

const tensors = (held: ReadonlyMap<string, Held>): Record<string, Tensor> =>
  Object.fromEntries([...held].map(([name, one]) => [name, tensorOf(one)]));

/**
 * Whether an output is a buffer that the segment also reads, and ONNX Runtime, which writes into the tensors that
 * it is given, might write there what it has yet to read.
 */
const mustLieApart = (
  graph: Graph,
  reads: ReadonlyMap<string, Held>,
  output: string,
  { data }: Held,
): boolean => [...reads].some(([input, held]) => held.data === data && !mayWriteOver(graph, input, output));

/** `apart`: outputs that get memory of their own and are copied to their place afterwards. */
async function runSession(
  session: InferenceSession,
  reads: ReadonlyMap<string, Held>,
  writes: ReadonlyMap<string, Held>,
  apart: ReadonlySet<string>,
): Promise<void> {
  const direct = new Map([...writes].filter(([name]) => !apart.has(name)));
  const wanted = { ...tensors(direct), ...Object.fromEntries([...apart].map((name) => [name, null])) };
  const results = await session.run(tensors(reads), wanted);
  for (const [name, { data }] of writes) if (apart.has(name)) data.set(elementsOf(results[name]));
}

function elementsOf(tensor: Tensor | undefined): Float32Array | Uint8Array {
  const data = tensor?.data;
  if (data instanceof Float32Array || data instanceof Uint8Array) return data;
  throw new TypeError('a segment gave something else than floats or bytes');
}
