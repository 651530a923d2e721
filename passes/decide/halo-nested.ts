/**
 * Halo decisions of nested graphs, exactly: a dynamic programme over the margins of values.
 *
 * Values are nodes, operands edges. What a part of the graph between two values costs depends only on the margin
 * demanded of the later one, and all it leaves to the rest is the margin demanded of the earlier one. Such parts are
 * composed in series and in parallel (series-parallel reduction: Valdes, Tarjan & Lawler 1982) until one is left; U-Nets
 * reduce, with residual blocks and skips of any depth, because their skips are nested.
 */
import { at } from '../../ir/box.ts';
import { cropsApart, type Edge, type HaloAnswer, type Pricing, walk } from './halo.ts';
import { isNothing, isSame, isWithin, lessBy, type Margin, marginKey, noMargin, wider } from './margins.ts';

/** Operands whose margins are exchanged, as a tree: what was composed is not copied. */
type Picks =
  | { readonly edge: Edge; readonly cells: number }
  | { readonly both: readonly [Picks, Picks] }
  | undefined;

/** One way to serve a demand: the margin that it demands of the earlier value, and what it costs. */
type Option = {
  readonly margin: Margin;
  readonly seconds: number;
  readonly picks: Picks;
  /** Whether what is read would have to be cut out, if the earlier value were held with a wider margin. */
  readonly cut: boolean;
  /** Margins that are cut out of the earlier value already. */
  readonly paid: readonly string[];
};

/** The ways to serve a margin demanded of the later value, none worse than another in both respects. */
type Part = (demand: Margin) => readonly Option[];

type Link = { readonly from: string; readonly to: string; readonly part: Part };

const [start, end] = ['START', 'END'];

/** Undefined where the graph is not nested. */
export function nestedHalo(pricing: Pricing, may: (edge: Edge) => boolean): HaloAnswer | undefined {
  const { ops, values } = pricing.question.profile;
  const indices = new Map(ops.map(({ op }, index) => [op.output, index]));
  const whole = reduced(
    linksOf(pricing, may),
    (value) => nodeSeconds(pricing, indices.get(value)),
    (value) => (margin) => (values.has(value) ? pricing.crop(value, margin) : 0),
  );
  if (whole === undefined) return undefined;
  const best = whole(noMargin).reduce((a, b) => (b.seconds < a.seconds ? b : a));
  const picked = new Map<string, number>();
  collect(best.picks, picked);
  return walk(pricing, ({ op, operand }) => picked.get(`${op} ${operand}`) ?? 0);
}

/** Without recursion: a network of thousands of ops makes a tree as deep. */
function collect(picks: Picks, into: Map<string, number>): void {
  const open = [picks];
  while (open.length > 0) {
    const next = open.pop();
    if (next === undefined) continue;
    if ('both' in next) open.push(...next.both);
    else into.set(`${next.edge.op} ${next.edge.operand}`, next.cells);
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
  const free: Part = () => [{ margin: noMargin, seconds: 0, picks: undefined, cut: false, paid: [] }];
  for (const name of made) {
    if (!written.has(name)) links.push({ from: start, to: name, part: free });
    if (!read.has(name)) links.push({ from: name, to: end, part: free });
  }
  return links;
}

/** Cells a side of exchanges that leave a part of the margin to be computed. */
const narrow = [1, 2, 3, 4] as const;

/** Recompute the margin, or exchange all of it, or a little. */
function operand(pricing: Pricing, edge: Edge, may: boolean): Part {
  return memo((demand) => {
    const margin = pricing.needed(edge, demand);
    const cut = cropsApart(at(pricing.question.profile.ops, edge.op).op);
    const recomputed: Option = { margin, seconds: 0, picks: undefined, cut, paid: [] };
    if (!may || isNothing(margin)) return [recomputed];
    const reach = pricing.reach(edge.value, margin);
    const widths = margin[2] === 1 ? [reach] : [...new Set([...narrow, reach])].filter((one) => one <= reach);
    const ways = pricing.returns(edge.value) ? 2 : 1;
    const exchanged = widths.map((cells): Option => {
      const rest = lessBy(margin, cells, reach);
      const { seconds } = pricing.exchange(edge.value, margin, rest);
      return { margin: rest, seconds: ways * seconds, picks: { edge, cells }, cut: false, paid: [] };
    });
    return [...exchanged, recomputed];
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

const series = (before: Part, node: (margin: Margin) => number, after: Part, crop: Crop): Part =>
  memo((demand) =>
    undominated(
      after(demand).flatMap((late) => {
        const here = node(late.margin) + late.seconds;
        return before(late.margin).map((early) => ({
          margin: early.margin,
          seconds: early.seconds + here,
          picks: join(early.picks, late.picks),
          cut: early.cut,
          paid: early.paid,
        }));
      }),
      crop,
    ),
  );

const marginOf = (key: string): Margin => key.split(',').map(Number) as unknown as Margin;

/** Seconds of cutting what is read with a margin out of a value that is held wider. */
type Crop = (margin: Margin) => number;

const parallel = (a: Part, b: Part, crop: Crop): Part =>
  memo((demand) =>
    undominated(
      a(demand).flatMap((one) => b(demand).map((other) => beside(one, other, crop))),
      crop,
    ),
  );

/** The earlier value is held as wide as either reads it; what reads less is cut out, the same once for all. */
function beside(one: Option, other: Option, crop: Crop): Option {
  const margin = wider(one.margin, other.margin);
  const isWide = (part: Option) => isSame(part.margin, margin);
  const narrow = [one, other].filter((part) => part.cut && !isWide(part));
  const cuts = narrow.map((part) => part.margin.join());
  const paid = [...one.paid, ...other.paid];
  const all = new Set([...paid, ...cuts]);
  const costOf = (keys: Iterable<string>) => [...keys].reduce((sum, key) => sum + crop(marginOf(key)), 0);
  return {
    margin,
    seconds: one.seconds + other.seconds + (all.size === 0 ? 0 : costOf(all) - costOf(paid)),
    picks: join(one.picks, other.picks),
    cut: [one, other].some((part) => part.cut && isWide(part)),
    paid: [...all],
  };
}

/**
 * Of two ways the one that is no worse whatever is held for others of the earlier value: it costs no more even if what it
 * reads must be cut out of that, or no more with the same margin.
 */
function isNoWorse({ option: a, whole }: Kept, b: Option): boolean {
  if (!isWithin(a.margin, b.margin)) return false;
  if (!b.paid.every((key) => a.paid.includes(key))) return false;
  if (isSame(a.margin, b.margin) && a.seconds <= b.seconds && (b.cut || !a.cut)) return true;
  return whole <= b.seconds;
}

/** A way, and its seconds if what it reads must be cut out. */
type Kept = { readonly option: Option; readonly whole: number };

function undominated(options: readonly Option[], crop: Crop): Option[] {
  if (options.length < 2) return [...options];
  const kept: Kept[] = [];
  for (const one of [...options].sort((a, b) => a.seconds - b.seconds || a.margin[0] - b.margin[0]))
    if (!kept.some((other) => isNoWorse(other, one)))
      kept.push({ option: one, whole: one.seconds + (one.cut ? crop(one.margin) : 0) });
  return kept.map(({ option }) => option);
}

/** Composes links until one from the start to the end is left. */
function reduced(
  links: readonly Link[],
  nodeOf: (value: string) => (margin: Margin) => number,
  cropOf: (value: string) => (margin: Margin) => number,
): Part | undefined {
  const out = new Map<string, Map<string, Part>>();
  const into = new Map<string, Set<string>>();
  const add = ({ from, to, part }: Link): void => {
    const targets = out.get(from) ?? new Map<string, Part>();
    const known = targets.get(to);
    targets.set(to, known === undefined ? part : parallel(known, part, cropOf(from)));
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
    add({ from, to, part: series(before, nodeOf(node), after, cropOf(from)) });
    // A neighbour may have become one of a series.
    open.push(from, to);
  }
  const left = [...out.values()].reduce((count, targets) => count + targets.size, 0);
  return left === 1 ? out.get(start)?.get(end) : undefined;
}
