/**
 * The U-Nets that recompute is compared on, in the terms of Checkmate (Jain et al. 2020): a node gives one value,
 * a convolution with its ReLU is one node, and so is the loss; the backward node of v reads what v reads, v, and the
 * backward nodes of its readers, and gives a value as large as all that v reads.
 */
import { at, type Range, range } from '../../ir/box.ts';
import type { Tape, TapeStep, TapeValue } from '../../passes/decide/recompute/tape.ts';

export type Node = {
  readonly name: string;
  readonly reads: readonly number[];
  /** Of its value. */
  readonly bytes: number;
  readonly seconds: number;
  /** The forward node, this one or that of which it is the backward node. */
  readonly of: number;
  /** Of its value: along the longer axis of the image, of which strips are. */
  readonly columns: number;
  /** Columns of what it reads that columns of it are made of; they may leave the image. */
  readonly reach: (columns: Range) => Range;
};

/** In an order in which each comes after what it reads; `forward` nodes first. */
export type NodeGraph = { readonly nodes: readonly Node[]; readonly forward: number };

/** Of the measurements that the figures to compare with come from: one V100. */
const flopRate = 9.42e12;
const byteRate = 630e9;

type Map = {
  readonly node: number;
  readonly channels: number;
  readonly rows: number;
  readonly columns: number;
};

type Size = Omit<Map, 'node'>;

class Builder {
  readonly nodes: Node[] = [];

  private add(
    name: string,
    from: readonly Map[],
    to: Size,
    flops: number,
    reach: Node['reach'],
    image = 0,
  ): Map {
    const bytes = 4 * to.channels * to.rows * to.columns;
    const read = from.reduce((sum, one) => sum + 4 * one.channels * one.rows * one.columns, image);
    const seconds = flops / flopRate + (read + bytes) / byteRate;
    const reads = from.map(({ node }) => node);
    const of = this.nodes.length;
    this.nodes.push({ name, reads, bytes, seconds, of, columns: to.columns, reach });
    return { ...to, node: of };
  }

  /** 3 x 3 unless said otherwise; `image`: channels of an image that is read and is no node. */
  conv(name: string, from: readonly Map[], size: Size, kernel = 3, image = 0): Map {
    const channels = from.reduce((sum, one) => sum + one.channels, image);
    const cells = size.rows * size.columns;
    const margin = (kernel - 1) / 2;
    const flops = 2 * kernel ** 2 * channels * size.channels * cells;
    return this.add(
      name,
      from,
      size,
      flops,
      (columns) => range(columns.from - margin, columns.to + margin),
      4 * image * cells,
    );
  }

  pool(name: string, from: Map): Map {
    const to = { channels: from.channels, rows: from.rows / 2, columns: from.columns / 2 };
    return this.add(name, [from], to, 4 * to.channels * to.rows * to.columns, (columns) =>
      range(2 * columns.from, 2 * columns.to),
    );
  }

  up(name: string, from: Map): Map {
    const to = { channels: from.channels / 2, rows: from.rows * 2, columns: from.columns * 2 };
    return this.add(name, [from], to, 2 * from.channels * to.channels * to.rows * to.columns, (columns) =>
      range(Math.floor(columns.from / 2), Math.ceil(columns.to / 2)),
    );
  }

  loss(from: Map): Map {
    return this.add(
      'loss',
      [from],
      { channels: from.channels, rows: from.rows, columns: from.columns },
      0,
      (columns) => columns,
    );
  }
}

/** The classic widths on 416 x 608 with 19 classes. */
export function unet(depth: number): NodeGraph {
  const b = new Builder();
  const size = (level: number) => ({ rows: 416 / 2 ** level, columns: 608 / 2 ** level });
  const width = (level: number) => 64 * 2 ** level;
  const skips: Map[] = [];
  let x: Map | undefined;
  for (let level = 0; level <= depth; level++) {
    const to = { channels: width(level), ...size(level) };
    const name = level === depth ? 'bottom' : `encode${level}`;
    const first = b.conv(`${name}.0`, x === undefined ? [] : [x], to, 3, x === undefined ? 3 : 0);
    const second = b.conv(`${name}.1`, [first], to);
    if (level < depth) skips.push(second);
    x = level < depth ? b.pool(`pool${level}`, second) : second;
  }
  for (let level = depth - 1; level >= 0; level--) {
    const to = { channels: width(level), ...size(level) };
    const up = b.up(`up${level}`, x as Map);
    const first = b.conv(`decode${level}.0`, [at(skips, level), up], to);
    x = b.conv(`decode${level}.1`, [first], to);
  }
  const out = b.conv('out', [x as Map], { channels: 19, ...size(0) }, 1);
  b.loss(out);
  return withBackward(b.nodes);
}

/** The backward nodes; that of the loss is the loss itself, whose value stands for the cotangent of the classes. */
function withBackward(forward: readonly Node[]): NodeGraph {
  const nodes = [...forward];
  const last = forward.length - 1;
  const back = new Map([[last, last]]);
  for (let index = last - 1; index >= 0; index--) {
    const { name, reads, seconds, ...same } = at(forward, index);
    const readers = forward.flatMap((node, reader) => (node.reads.includes(index) ? [reader] : []));
    const bytes = reads.reduce((sum, one) => sum + at(forward, one).bytes, 0);
    const cotangents = readers.map((reader) => back.get(reader) as number);
    back.set(index, nodes.length);
    nodes.push({
      ...same,
      name: `${name}~back`,
      reads: [...reads, index, ...cotangents],
      bytes,
      seconds: 2 * seconds,
    });
  }
  return { nodes, forward: forward.length };
}

/** Seconds of a kernel that only reads a map and writes another of its size. */
export const passSeconds = (bytes: number): number => (2 * bytes) / byteRate;

/** Seconds of all nodes once. */
export const secondsOf = ({ nodes }: NodeGraph): number =>
  nodes.reduce((sum, { seconds }) => sum + seconds, 0);

/** The same graph for our programme: each node is a step, and frees at once. */
export function tapeOfNodes({ nodes, forward }: NodeGraph): Tape {
  const values = nodes.map(({ name, bytes, seconds }, index): TapeValue => {
    const droppable = index < forward - 1;
    return { name, bytes, ...(droppable ? { price: seconds } : {}) };
  });
  const steps = nodes.map(({ reads, of }, index): TapeStep => ({ reads, makes: index, origin: of }));
  return { values, steps, forward, sessions: false };
}
