/** Parts of the graphs that our programme may do in strips, with what their margins cost: Checkmate has no such move. */
import { at, hull, intersect, length, type Range, range } from '../../ir/box.ts';
import { allInStrips, type Part } from '../../passes/decide/recompute/strips.ts';
import type { Tape } from '../../passes/decide/recompute/tape.ts';
import { type Node, type NodeGraph, passSeconds, tapeOfNodes } from './graph.ts';

/** `apart`: of the last node only the convolution is in the part. */
type Ends = { readonly first: number; readonly last: number; readonly apart: boolean };

/** From a node to the loss; `fused`: computed in its strips alone, as a schedule has it. */
export const partFrom = ({ nodes, forward }: NodeGraph, first: number, count: number, fused: boolean): Part =>
  partBetween(nodes, { first, last: forward - 1, apart: false }, count, fused);

/**
 * Two parts beside one another, as a schedule has them: one ends with the convolution of a node, the other goes from its
 * ReLU to the loss. The ReLU then is a kernel of its own.
 */
export function partsAround(graph: NodeGraph, first: number, node: number, count: number): Part[] {
  const before = partBetween(graph.nodes, { first, last: node, apart: true }, Math.max(2, count / 2), false);
  const after = partFrom(graph, node + 1, count, true);
  return [before, { ...after, seconds: after.seconds + passSeconds(at(graph.nodes, node).bytes) }];
}

function partBetween(
  nodes: readonly Node[],
  { first, last, apart }: Ends,
  count: number,
  fused: boolean,
): Part {
  const held = new Map<number, number[]>();
  for (let strip = 0; strip < count; strip++)
    for (const [node, columns] of neededColumns(nodes, first, last, strip, count))
      held.set(node, [...(held.get(node) ?? []), length(columns)]);
  const share = (node: number, columns: number) => columns / at(nodes, node).columns;
  const shares = new Map([...held].map(([node, columns]) => [node, share(node, Math.max(...columns))]));
  let seconds = 0;
  for (let index = first; index <= last; index++) {
    const work = share(
      index,
      (held.get(index) ?? []).reduce((sum, columns) => sum + columns, 0),
    );
    // The way back through a convolution does not read what it made.
    const again = apart && index === last ? 0 : work - (fused ? 1 : 0);
    // The backward pass takes twice as long as the forward pass, and has the same margins.
    seconds += at(nodes, index).seconds * (again + 2 * (work - 1));
  }
  return { first, last, count, shares, seconds, fused };
}

/** The columns of each node that a strip's own columns of the last one are made of. */
function neededColumns(
  nodes: readonly Node[],
  first: number,
  last: number,
  strip: number,
  count: number,
): Map<number, Range> {
  const { columns } = at(nodes, last);
  const needed = new Map([
    [last, range(Math.floor((columns * strip) / count), Math.floor((columns * (strip + 1)) / count))],
  ]);
  for (let index = last; index >= first; index--) {
    const { reads, reach } = at(nodes, index);
    for (const read of reads) {
      const own = intersect(reach(needed.get(index) ?? range(0, 0)), range(0, at(nodes, read).columns));
      needed.set(read, hull(needed.get(read) ?? own, own));
    }
  }
  return needed;
}

export function tapeInStrips(graph: NodeGraph, parts: readonly Part[]): Tape {
  const { nodes } = graph;
  const tape = tapeOfNodes(graph);
  // Where another part begins behind a convolution, the way back through its ReLU is done there.
  const apart = new Set(parts.slice(0, -1).map(({ last }) => last));
  const steps = tape.steps.map((step) =>
    apart.has(step.origin) ? { ...step, reads: step.reads.filter((read) => read !== step.origin) } : step,
  );
  return allInStrips({ ...tape, steps }, parts, (step, entering) => {
    const { reads } = at(nodes, at(nodes, step).of);
    return reads.filter((read) => entering.has(read)).reduce((sum, read) => sum + at(nodes, read).bytes, 0);
  });
}
