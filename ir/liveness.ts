/** How long values live, and how many bytes that takes. */
import { at } from './box.ts';
import type { Graph } from './graph.ts';
import { bytesOf } from './type.ts';

/** Each use of memory: alive from instruction `birth` to instruction `death`, both included. */
export type Interval = { readonly birth: number; readonly death: number; readonly bytes: number };

/** Whether intervals are as many, as large and as long, one by one. */
export const sameIntervals = (some: readonly Interval[], others: readonly Interval[]): boolean =>
  some.length === others.length &&
  some.every(({ birth, death, bytes }, i) => {
    const other = at(others, i);
    return bytes === other.bytes && birth === other.birth && death === other.death;
  });

/** Bytes alive at each of `length` moments. */
export function aliveBytes(intervals: readonly Interval[], length: number): number[] {
  const change = new Array<number>(length + 1).fill(0);
  for (const { birth, death, bytes } of intervals) {
    const from = Math.max(birth, 0);
    const to = Math.min(death, length - 1) + 1;
    change[from] = at(change, from) + bytes;
    change[to] = at(change, to) - bytes;
  }
  let alive = 0;
  return change.slice(0, length).map((bytes) => {
    alive += bytes;
    return alive;
  });
}

/** From which op to which each value inside a graph lives; its inputs and outputs are not counted. */
export function innerIntervals(graph: Graph, samples: number): Interval[] {
  const last = new Map<string, number>();
  graph.ops.forEach((op, index) => {
    for (const name of op.inputs) last.set(name, index);
  });
  const outputs = new Set(graph.outputs);
  const inner: Interval[] = [];
  graph.ops.forEach(({ output, type }, birth) => {
    if (!outputs.has(output))
      inner.push({ birth, death: last.get(output) ?? birth, bytes: bytesOf(type, samples) });
  });
  return inner;
}

/**
 * Bytes that a segment takes beside its inputs and outputs while it runs; `heap` of them stay with the process. The others go
 * back to the system, which clears `cleared` bytes in each run, since some are taken more than once.
 */
export type Workspace = { readonly bytes: number; readonly heap: number; readonly cleared: number };

export type WorkspaceOf = (graph: Graph, samples: number) => Workspace;

/** The most bytes that the values inside a graph need at once, ops run in their order: no backend is assumed. */
export const workspaceOf: WorkspaceOf = (graph, samples) => ({
  bytes: Math.max(0, ...aliveBytes(innerIntervals(graph, samples), graph.ops.length)),
  heap: 0,
  cleared: 0,
});
