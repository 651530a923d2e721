/**
 * Halo decisions of nested graphs, exactly: a dynamic programme over the margins of values.
 *
 * Values are nodes, operands edges. What a part of the graph between two values costs depends only on the margin
 * demanded of the later one, and all it leaves to the rest is the margin demanded of the earlier one. Such parts are
 * composed in series and in parallel (series-parallel reduction: Valdes, Tarjan & Lawler 1982) until one is left; U-Nets
 * reduce, with residual blocks and skips of any depth, because their skips are nested.
 */
import { at } from '../../ir/box.ts';
import {
  type Edge,
  type HaloAnswer,
  type Margin,
  marginKey,
  noMargin,
  type Pricing,
  walk,
  wider,
} from './halo.ts';

/** Operands whose margins are exchanged, as a tree: what was composed is not copied. */
type Picks = { readonly edge: Edge } | { readonly both: readonly [Picks, Picks] } | undefined;

/** One way to serve a demand: the margin that it demands of the earlier value, and what it costs. */
type Option = { readonly margin: Margin; readonly seconds: number; readonly picks: Picks };

/** The ways to serve a margin demanded of the later value, none worse than another in both respects. */
type Part = (demand: Margin) => readonly Option[];

type Link = { readonly from: string; readonly to: string; readonly part: Part };

const [start, end] = ['START', 'END'];

/** Undefined where the graph is not nested. */
export function nestedHalo(pricing: Pricing, may: (edge: Edge) => boolean): HaloAnswer | undefined {
  const indices = new Map(pricing.question.profile.ops.map(({ op }, index) => [op.output, index]));
  const whole = reduced(linksOf(pricing, may), (value) => nodeSeconds(pricing, indices.get(value)));
  if (whole === undefined) return undefined;
  const best = whole(noMargin).reduce((a, b) => (b.seconds < a.seconds ? b : a));
  const picked = new Set<string>();
  collect(best.picks, picked);
  return walk(pricing, ({ op, operand }, need) => (picked.has(`${op} ${operand}`) ? Math.max(...need) : 0));
}

/** Without recursion: a network of thousands of ops makes a tree as deep. */
function collect(picks: Picks, into: Set<string>): void {
  const open = [picks];
  while (open.length > 0) {
    const next = open.pop();
    if (next === undefined) continue;
    if ('both' in next) open.push(...next.both);
    else into.add(`${next.edge.op} ${next.edge.operand}`);
  }
}

/** Seconds of the op that makes a value, by the margin it is made with. */
function nodeSeconds({ opSeconds }: Pricing, index: number | undefined): (margin: Margin) => number {
  if (index === undefined) return () => 0;
  return (margin) => {
    const { forward, backward } = opSeconds(index, margin);
    return forward + backward;
  };
}

/** One link for each operand between spatial values; what has none before or after it hangs on the ends. */
function linksOf(pricing: Pricing, may: (edge: Edge) => boolean): Link[] {
  const { ops, values } = pricing.question.profile;
  const made = new Set(ops.map(({ op }) => op.output).filter((name) => values.has(name)));
  const links = pricing.edges
    .flat()
    .filter((edge) => made.has(edge.value) && made.has(at(ops, edge.op).op.output))
    .map(
      (edge): Link => ({
        from: edge.value,
        to: at(ops, edge.op).op.output,
        part: operand(pricing, edge, may(edge)),
      }),
    );
  const [read, written] = [new Set(links.map(({ from }) => from)), new Set(links.map(({ to }) => to))];
  const free: Part = () => [{ margin: noMargin, seconds: 0, picks: undefined }];
  for (const name of made) {
    if (!written.has(name)) links.push({ from: start, to: name, part: free });
    if (!read.has(name)) links.push({ from: name, to: end, part: free });
  }
  return links;
}

/** Recompute the margin, or exchange all of it. */
function operand(pricing: Pricing, edge: Edge, may: boolean): Part {
  return memo((demand) => {
    const margin = pricing.needed(edge, demand);
    const recomputed: Option = { margin, seconds: 0, picks: undefined };
    if (!may || (margin[0] === 0 && margin[1] === 0)) return [recomputed];
    const { seconds } = pricing.exchange(edge.value, margin);
    const ways = pricing.returns(edge.value) ? 2 : 1;
    return [{ margin: noMargin, seconds: ways * seconds, picks: { edge } }, recomputed];
  });
}

const memo = (part: Part): Part => {
  const known = new Map<number, readonly Option[]>();
  return (demand) => {
    const key = marginKey(demand);
    const found = known.get(key) ?? part(demand);
    known.set(key, found);
    return found;
  };
};

const join = (a: Picks, b: Picks): Picks => (a === undefined ? b : b === undefined ? a : { both: [a, b] });

const series = (before: Part, node: (margin: Margin) => number, after: Part): Part =>
  memo((demand) =>
    undominated(
      after(demand).flatMap((late) => {
        const here = node(late.margin) + late.seconds;
        return before(late.margin).map((early) => ({
          margin: early.margin,
          seconds: early.seconds + here,
          picks: join(early.picks, late.picks),
        }));
      }),
    ),
  );

const parallel = (a: Part, b: Part): Part =>
  memo((demand) =>
    undominated(
      a(demand).flatMap((one) =>
        b(demand).map((other) => ({
          margin: wider(one.margin, other.margin),
          seconds: one.seconds + other.seconds,
          picks: join(one.picks, other.picks),
        })),
      ),
    ),
  );

/** A wider margin must buy something. */
function undominated(options: readonly Option[]): Option[] {
  const kept: Option[] = [];
  for (const one of [...options].sort((a, b) => a.seconds - b.seconds || a.margin[0] - b.margin[0]))
    if (!kept.some(({ margin }) => margin[0] <= one.margin[0] && margin[1] <= one.margin[1])) kept.push(one);
  return kept;
}

/** Composes links until one from the start to the end is left. */
function reduced(
  links: readonly Link[],
  nodeOf: (value: string) => (margin: Margin) => number,
): Part | undefined {
  const out = new Map<string, Map<string, Part>>();
  const into = new Map<string, Set<string>>();
  const add = ({ from, to, part }: Link): void => {
    const targets = out.get(from) ?? new Map<string, Part>();
    const known = targets.get(to);
    targets.set(to, known === undefined ? part : parallel(known, part));
    out.set(from, targets);
    into.set(to, (into.get(to) ?? new Set()).add(from));
  };
  for (const link of links) add(link);
  const open = [...new Set(links.flatMap(({ from, to }) => [from, to]))];
  while (open.length > 0) {
    const node = open.pop() ?? '';
    const [sources, targets] = [into.get(node), out.get(node)];
    if (node === start || node === end || sources?.size !== 1 || targets?.size !== 1) continue;
    const [from = ''] = sources;
    const [[to, after]] = [...targets] as [[string, Part]];
    const before = out.get(from)?.get(node);
    if (before === undefined) continue;
    out.delete(node);
    into.delete(node);
    out.get(from)?.delete(node);
    into.get(to)?.delete(node);
    add({ from, to, part: series(before, nodeOf(node), after) });
    // A neighbour may have become one of a series.
    open.push(from, to);
  }
  const left = [...out.values()].reduce((count, targets) => count + targets.size, 0);
  return left === 1 ? out.get(start)?.get(end) : undefined;
}
