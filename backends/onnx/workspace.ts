/**
 * The memory that a segment takes while it runs, from the nodes of its file: the sizes of all that lies between
 * them, in the order in which ONNX Runtime runs them, with the buffers that it uses twice. It decides all this
 * before the first run and from the file alone, so it can be told without it. With the options of
 * `runtime/local/sessions.ts` nothing else is taken: no node is replaced by another, no layout is changed, and
 * what is let go goes back to the system.
 */
import { at } from '../../ir/box.ts';
import { mappedFrom } from '../../ir/footprint.ts';
import type { Graph } from '../../ir/graph.ts';
import { typesOf } from '../../ir/graph.ts';
import { aliveBytes, type Interval, type Workspace } from '../../ir/liveness.ts';
import { pieceElements, strandsOf } from '../../ir/strands.ts';
import { array, bytesOf, dimsOf } from '../../ir/type.ts';
import { Builder } from './builder.ts';
import { arenaBytes } from './chunk-arena.ts';
import { emitOps, typeNamed } from './emit-op.ts';
import { type Known, knownBytes, nodeFacts } from './node-facts.ts';
import { packedBytes } from './packing.ts';
import type { Body, MemoryWay, Node, Tensor } from './proto.ts';

/**
 * Bytes beside inputs and outputs. Outputs lie in the arena, but the binding to JavaScript gives a copy of each
 * when the run is over: where there is little to compute, these copies are the most that is taken.
 */
export function segmentWorkspace(whole: Graph, samples: number): Workspace {
  const { copies, use } = needsOf(onePiece(whole), samples);
  const blocks = most(use);
  const isOneBlock = waysOf(whole, { copies, use }).includes('one block');
  const run = isOneBlock ? atOnce(use, blocks) : blocks;
  const heap = Math.max(run.heap, copies.heap);
  const taken = isOneBlock ? [packedBytes(use.blocks)] : use.blocks.map(({ bytes }) => bytes);
  const { mapped: cleared } = together([...taken.map(bytesOfBlock), ...use.scratch]);
  return { bytes: Math.max(run.mapped, copies.mapped) + heap, heap, cleared };
}

/** A run in which everything has its place in one block, after a first one that took block by block. */
const atOnce = (use: Use, first: Bytes): Bytes => {
  const scratch = Math.max(0, ...use.scratch.map(({ mapped }) => mapped));
  const { mapped, heap } = bytesOfBlock(packedBytes(use.blocks));
  return { mapped: mapped + scratch, heap: Math.max(heap, first.heap) };
};

/**
 * How much more each may take than blocks that come and go, as told here. The last is told the least exactly: of `attention`,
 * 2.2 % were told and 12 % measured.
 */
const mostGaps: Readonly<Record<MemoryWay, number>> = { arena: 0.05, 'one block': 0.02 };

/**
 * How the memory of a run may be taken, of what takes hardly more than a run needs: from an arena that is kept from run to
 * run, with the copies of outputs beside it; at once, each thing at a place of its own from its birth to its death.
 */
export const memoryWays = (graph: Graph, samples: number): MemoryWay[] =>
  waysOf(graph, needsOf(onePiece(graph), samples));

function waysOf(graph: Graph, { copies, use }: Needs): MemoryWay[] {
  if (strandsOf(graph) !== undefined) return [];
  const [copied, scratch] = [sum(copies), use.scratch.map(sum)];
  const taken: Readonly<Record<MemoryWay, number>> = {
    arena: arenaBytes(use.blocks, scratch) + copied,
    'one block': Math.max(copied, packedBytes(use.blocks) + Math.max(0, ...scratch)),
  };
  const needed = Math.max(copied, mostAtOnce(use));
  return (['arena', 'one block'] as const).filter((way) => taken[way] <= (1 + mostGaps[way]) * needed);
}

type Needs = { readonly copies: Bytes; readonly use: Use };

function needsOf(graph: Graph, samples: number): Needs {
  const { nodes, before, types } = emitted(graph, samples);
  const copies = graph.outputs.map((name) => bytesOfBlock(bytesOf(typeNamed(types, name), samples)));
  return {
    copies: together(copies),
    use: useOf(executionOrder(stepsOf(nodes, before).steps), new Set(graph.outputs)),
  };
}

/** Bytes by where they come from (`mappedFrom`). The most of the two need not be at the same time. */
type Bytes = { readonly mapped: number; readonly heap: number };

const bytesOfBlock = (bytes: number): Bytes =>
  bytes >= mappedFrom ? { mapped: bytes, heap: 0 } : { mapped: 0, heap: bytes };

const together = (all: readonly Bytes[]): Bytes => ({
  mapped: all.reduce((sum, { mapped }) => sum + mapped, 0),
  heap: all.reduce((sum, { heap }) => sum + heap, 0),
});

const sum = ({ mapped, heap }: Bytes): number => mapped + heap;

/** What is worked on at once of a graph of strands: a piece of the longest of each form. */
function onePiece(graph: Graph): Graph {
  const strands = strandsOf(graph);
  if (strands === undefined) return graph;
  const cut = strands.forms.map((form) => {
    const longest = Math.max(...form.strands.map(({ elements }) => elements));
    const type = array([Math.min(pieceElements, longest)]);
    return {
      inputs: form.graph.inputs.map(({ name }) => ({ name, type })),
      ops: form.graph.ops.map((op) => ({ ...op, type })),
      outputs: form.graph.outputs,
    };
  });
  return {
    inputs: [
      ...graph.inputs.filter(({ name }) => strands.shared.includes(name)),
      ...cut.flatMap(({ inputs }) => inputs),
    ],
    ops: cut.flatMap(({ ops }) => ops),
    outputs: cut.flatMap(({ outputs }) => outputs),
  };
}

/** Sizes of all values of a graph as its nodes have them: inputs, constants and results. For tests. */
export function sizesOf(graph: Graph, samples: number): ReadonlyMap<string, readonly number[]> {
  const { nodes, before } = emitted(graph, samples);
  return new Map([...stepsOf(nodes, before).known].map(([name, { dims }]) => [name, dims]));
}

/** The nodes of a graph, and what is known before the first of them. */
function emitted(graph: Graph, samples: number) {
  const types = typesOf(graph);
  const g = new Builder(new Set(types.keys()));
  emitOps(g, graph, types, samples);
  const given = graph.inputs.map(({ name, type }): [string, Known] => [
    name,
    { element: type.element, dims: dimsOf(type, samples) },
  ]);
  const constants = g.constants.map((tensor): [string, Known] => [tensor.name, constantOf(tensor)]);
  return { nodes: g.nodes, before: new Map([...given, ...constants]), types };
}

/** Longer lists of floats are data, and no sizes are computed from them. */
const mostFloats = 64;

function constantOf({ element, dims, data }: Tensor): Known {
  const constant = { element, dims };
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const read = {
    i64: (i: number) => Number(view.getBigInt64(8 * i, true)),
    f32: (i: number) => view.getFloat32(4 * i, true),
  };
  if (element !== 'i64' && (element !== 'f32' || data.byteLength > 4 * mostFloats)) return constant;
  const length = data.byteLength / (element === 'i64' ? 8 : 4);
  return { ...constant, numbers: Array.from({ length }, (_, i) => read[element](i)) };
}

/** A node with what is known of it. */
type Step = {
  readonly node: Node;
  readonly results: readonly Known[];
  /** Bytes that it takes while it runs, those of a loop's graph included. */
  readonly scratch: Bytes;
};

/** What the nodes do, in the order of the file, and what is known after them. */
function stepsOf(nodes: readonly Node[], before: ReadonlyMap<string, Known>) {
  const known = new Map(before);
  const steps: Step[] = [];
  for (const node of nodes) {
    const step = stepOf(node, known);
    for (const [i, name] of node.outputs.entries()) known.set(name, at(step.results, i));
    steps.push(step);
  }
  return { steps, known };
}

/** The most bytes that these steps need. `outside`: results that have their place. */
const memoryOf = (steps: readonly Step[], outside: ReadonlySet<string>): Bytes =>
  most(useOf(executionOrder(steps), outside));

const empty: Known = { element: 'f32', dims: [0] };

function stepOf(node: Node, known: ReadonlyMap<string, Known>): Step {
  const inputs = node.inputs.map((name) => (name === '' ? empty : knownNamed(known, name)));
  if (node.type === 'Loop') return loopStep(node, inputs, known);
  const site = { inputs, attributes: node.attributes };
  const facts = nodeFacts[node.type];
  return {
    node,
    results: facts.results(site),
    scratch: together((facts.scratch?.(site) ?? []).map(bytesOfBlock)),
  };
}

function knownNamed(known: ReadonlyMap<string, Known>, name: string): Known {
  const found = known.get(name);
  if (found === undefined) throw new Error(`no node gives "${name}"`);
  return found;
}

/** Rounds are alike but at the borders of what they work through: the middle one stands for all. */
function loopStep(node: Node, inputs: readonly Known[], known: ReadonlyMap<string, Known>): Step {
  const {
    nodes,
    inputs: [index, go, ...carried],
    outputs,
  } = bodyOf(node);
  const [count, , ...initial] = inputs;
  const round = Math.floor((count?.numbers?.[0] ?? 1) / 2);
  const results = initial.map(({ element, dims }): Known => ({ element, dims }));
  const within = new Map(known);
  if (index !== undefined) within.set(index.name, { element: 'i64', dims: [], numbers: [round] });
  if (go !== undefined) within.set(go.name, { element: 'bool', dims: [] });
  for (const [i, { name }] of carried.entries()) within.set(name, at(results, i));
  const own = memoryOf(stepsOf(nodes, within).steps, new Set(outputs.map(({ name }) => name)));
  // What a round is given and what it makes are there at once; one of them is the result.
  const totals = results.map((total) => bytesOfBlock(knownBytes(total)));
  return { node, results, scratch: together([own, ...totals]) };
}

function bodyOf({ attributes }: Node): Body {
  const { body } = attributes;
  if (typeof body === 'object' && 'nodes' in body) return body;
  throw new Error('a loop has a body');
}

/** Names that a node reads; a loop also reads what its body takes from around it. */
function readsOf(node: Node): string[] {
  if (node.type !== 'Loop') return [...node.inputs];
  const { nodes, inputs } = bodyOf(node);
  const own = new Set([...inputs.map(({ name }) => name), ...nodes.flatMap(({ outputs }) => outputs)]);
  return [...node.inputs, ...nodes.flatMap(readsOf).filter((name) => !own.has(name))];
}

/**
 * ONNX Runtime's order: backwards from the nodes that nobody reads, the last of the file first; before each node
 * come those it reads, again the last of the file first (`GraphViewer`, reverse depth-first).
 */
function executionOrder(steps: readonly Step[]): Step[] {
  const makers = new Map(steps.flatMap(({ node }, i) => node.outputs.map((name) => [name, i] as const)));
  const sources = steps.map(({ node }) => [
    ...new Set(readsOf(node).flatMap((name) => makers.get(name) ?? [])),
  ]);
  const read = new Set(sources.flat());
  const stack = steps.flatMap((_, i) => (read.has(i) ? [] : [{ i, done: false }]));
  const seen = new Set<number>();
  const order: Step[] = [];
  for (let entry = stack.pop(); entry !== undefined; entry = stack.pop()) {
    if (entry.done) order.push(at(steps, entry.i));
    if (entry.done || seen.has(entry.i)) continue;
    seen.add(entry.i);
    stack.push({ i: entry.i, done: true });
    const waiting = at(sources, entry.i).filter((source) => !seen.has(source));
    for (const source of waiting.sort((a, b) => a - b)) stack.push({ i: source, done: false });
  }
  return order;
}

/** What a run needs: blocks in the order of their birth, and what each step takes beside them. */
type Use = { readonly blocks: readonly Interval[]; readonly scratch: readonly Bytes[] };

type Block = {
  readonly birth: number;
  death: number;
  readonly like: Known;
  readonly bytes: number;
  users: number;
};

/**
 * Gives each result a block as ONNX Runtime's planner does: the operand's that it renames or may overwrite, else
 * one of equal sizes that nobody needs any more (and that is then kept all the time between), else a new one.
 */
function useOf(steps: readonly Step[], outside: ReadonlySet<string>): Use {
  const users = countUsers(steps);
  const blocks = new Map<string, Block>();
  const all: Block[] = [];
  let free: Block[] = [];
  const take = (name: string, block: Block): void => {
    block.users += users.get(name) ?? 0;
    blocks.set(name, block);
  };
  const letGo = (block: Block, moment: number): void => {
    block.death = moment;
    if (block.users === 0) free.unshift(block);
  };
  const blockFor = (step: Step, result: Known, moment: number): Block => {
    const own = reusedOperand(step, result, blocks);
    if (own !== undefined) return own;
    const old = free.find(({ like }) => sameBlock(like, result));
    free = free.filter((block) => block !== old);
    if (old !== undefined) return old;
    const block = { birth: moment, death: moment, like: result, bytes: knownBytes(result), users: 0 };
    all.push(block);
    return block;
  };
  steps.forEach((step, moment) => {
    const made = step.node.outputs.filter((name) => !outside.has(name) && !isElsewhere(step, blocks));
    for (const name of made)
      take(name, blockFor(step, at(step.results, step.node.outputs.indexOf(name)), moment));
    for (const name of readsOf(step.node)) {
      const block = blocks.get(name);
      if (block === undefined) continue;
      block.users--;
      letGo(block, moment);
    }
    for (const name of made) {
      const block = blocks.get(name);
      if (block !== undefined && (users.get(name) ?? 0) === 0) letGo(block, moment);
    }
  });
  return { blocks: all, scratch: steps.map(({ scratch }) => scratch) };
}

function most({ blocks, scratch }: Use): Bytes {
  const mostOf = (from: keyof Bytes): number => {
    const own = blocks.map((block) => ({ ...block, bytes: bytesOfBlock(block.bytes)[from] }));
    return mostAtOnce({ blocks: own, scratch: scratch.map((bytes) => ({ ...none, [from]: bytes[from] })) });
  };
  return { mapped: mostOf('mapped'), heap: mostOf('heap') };
}

const none: Bytes = { mapped: 0, heap: 0 };

function mostAtOnce({ blocks, scratch }: Use): number {
  const alive = aliveBytes(blocks, scratch.length);
  return Math.max(0, ...scratch.map((bytes, moment) => at(alive, moment) + sum(bytes)));
}

/** An operand of the graph, or a constant, by another name. */
const isElsewhere = ({ node }: Step, blocks: ReadonlyMap<string, Block>): boolean =>
  node.type !== 'Loop' && nodeFacts[node.type].renames === true && !blocks.has(node.inputs[0] ?? '');

function countUsers(steps: readonly Step[]): Map<string, number> {
  const users = new Map<string, number>();
  for (const { node } of steps) for (const name of readsOf(node)) users.set(name, (users.get(name) ?? 0) + 1);
  return users;
}

/** A dimension less is a block of its own: scalars are not used again. */
const sameBlock = (a: Known, b: Known): boolean =>
  b.dims.length > 0 && sameBytes(a, b) && String(a.dims) === String(b.dims);

const sameBytes = (a: Known, b: Known): boolean => knownBytes(a) === knownBytes(b);

/** The block of the operand that a node's first result takes over. */
function reusedOperand({ node }: Step, result: Known, blocks: ReadonlyMap<string, Block>): Block | undefined {
  if (node.type === 'Loop') return undefined;
  const facts = nodeFacts[node.type];
  const source = blocks.get(node.inputs[0] ?? '');
  if (facts.renames) return source;
  return (facts.overwrites ?? [])
    .map((index) => blocks.get(node.inputs[index] ?? ''))
    .find((block) => block !== undefined && block.users === 1 && sameBlock(block.like, result));
}
