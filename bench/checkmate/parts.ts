/** Parts of the graphs that our programme may do in strips, with what their margins cost: Checkmate has no such move. */
import { at, hull, intersect, length, type Range, range } from '../../ir/box.ts';
import { inStrips, type Part } from '../../passes/decide/recompute/strips.ts';
import type { Tape } from '../../passes/decide/recompute/tape.ts';
import { type Node, type NodeGraph, tapeOfNodes } from './graph.ts';

/** From a node to the loss; `fused`: computed in its strips alone, as a schedule has it. */
export function partFrom({ nodes, forward }: NodeGraph, first: number, count: number, fused: boolean): Part {
  const last = forward - 1;
  const held = new Map<number, number[]>();
  for (let strip = 0; strip < count; strip++)
    for (const [node, rows] of neededRows(nodes, first, last, strip, count))
      held.set(node, [...(held.get(node) ?? []), length(rows)]);
  const share = (node: number, rows: number) => rows / at(nodes, node).rows;
  const shares = new Map([...held].map(([node, rows]) => [node, share(node, Math.max(...rows))]));
  let seconds = 0;
  for (let index = first; index <= last; index++) {
    const work = share(
      index,
      (held.get(index) ?? []).reduce((sum, rows) => sum + rows, 0),
    );
    // The backward pass takes twice as long as the forward pass, and has the same margins.
    seconds += at(nodes, index).seconds * (work - (fused ? 1 : 0) + 2 * (work - 1));
  }
  return { first, last, count, shares, seconds, fused };
}

/** The rows of each node that a strip's own rows of the last one are made of. */
function neededRows(
  nodes: readonly Node[],
  first: number,
  last: number,
  strip: number,
  count: number,
): Map<number, Range> {
  const { rows } = at(nodes, last);
  const needed = new Map([
    [last, range(Math.floor((rows * strip) / count), Math.floor((rows * (strip + 1)) / count))],
  ]);
  for (let index = last; index >= first; index--) {
    const { reads, reach } = at(nodes, index);
    for (const read of reads) {
      const own = intersect(reach(needed.get(index) ?? range(0, 0)), range(0, at(nodes, read).rows));
      needed.set(read, hull(needed.get(read) ?? own, own));
    }
  }
  return needed;
}

export function tapeInStrips(graph: NodeGraph, part: Part): Tape {
  const { nodes } = graph;
  return inStrips(tapeOfNodes(graph), part, (step, entering) => {
    const { reads } = at(nodes, at(nodes, step).of);
    return reads.filter((read) => entering.has(read)).reduce((sum, read) => sum + at(nodes, read).bytes, 0);
  });
}
