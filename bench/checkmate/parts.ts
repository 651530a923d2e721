/** Parts of the graphs that our programme may do in strips, with what their margins cost: Checkmate has no such move. */
import { at } from '../../ir/box.ts';
import { inStrips, type Part } from '../../passes/decide/recompute-strips.ts';
import type { Tape } from '../../passes/decide/recompute-tape.ts';
import { type NodeGraph, tapeOfNodes } from './graph.ts';

/** From a node to the loss. */
export function partFrom({ nodes, forward }: NodeGraph, first: number, count: number, fused: boolean): Part {
  const last = forward - 1;
  const needed = new Map([[last, Math.ceil(at(nodes, last).rows / count)]]);
  for (let index = last; index >= first; index--)
    for (const read of at(nodes, index).reads) {
      const rows = Math.min(at(nodes, read).rows, at(nodes, index).reach(needed.get(index) ?? 0));
      needed.set(read, Math.max(needed.get(read) ?? 0, rows));
    }
  const shares = new Map([...needed].map(([node, rows]) => [node, rows / at(nodes, node).rows]));
  let seconds = 0;
  for (let index = first; index <= last; index++) {
    const work = ((needed.get(index) ?? 0) * count) / at(nodes, index).rows;
    // The backward pass takes twice as long as the forward pass, and has the same margins.
    seconds += at(nodes, index).seconds * (work - (fused ? 1 : 0) + 2 * (work - 1));
  }
  return { first, last, count, shares, seconds, fused };
}

export function tapeInStrips(graph: NodeGraph, part: Part): Tape {
  const { nodes } = graph;
  return inStrips(tapeOfNodes(graph), part, (step, entering) => {
    const { reads } = at(nodes, at(nodes, step).of);
    return reads.filter((read) => entering.has(read)).reduce((sum, read) => sum + at(nodes, read).bytes, 0);
  });
}
