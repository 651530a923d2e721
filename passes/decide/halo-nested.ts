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
import { isNothing, isWithin, lessBy, type Margin, marginKey, noMargin, wider } from './margins.ts';

/** Operands whose margins are exchanged, as a tree: what was composed is not copied. */
type Picks =
  | { readonly edge: Edge; readonly cells: number }
  | { readonly both: readonly [Picks, Picks] }
  | undefined;

/** A margin by its number in a programme. */
type MarginNumber = number;

/** One way to serve a demand: the margin that it demands of the earlier value, and what it costs. */
type Option = {
  readonly margin: MarginNumber;
  readonly seconds: number;
  readonly picks: Picks;
  /** Whether what is read would have to be cut out, if the earlier value were held with a wider margin. */
  readonly cut: boolean;
  /** Margins that are cut out of the earlier value already. */
  readonly paid: readonly MarginNumber[];
};

/** Something by a number, mostly that of a margin. */
type Table<T> = (number: number) => T;

/** The ways to serve a margin demanded of the later value, none worse than another in both respects. */
type Part = Table<readonly Option[]>;

type Link = { readonly from: string; readonly to: string; readonly part: Part };

/** An exchange of some cells of a margin: what is left to compute, and its seconds both ways. */
type Exchanging = { readonly cells: number; readonly rest: MarginNumber; readonly seconds: number };

/** What parts are composed with. Ops and values that are alike have one table. */
type Programme = {
  readonly pricing: Pricing;
  marginOf(number: MarginNumber): Margin;
  numberOf(margin: Margin): MarginNumber;
  /** Seconds of the op that makes a value, by the margin it is made with. */
  nodeOf(value: string): Table<number>;
  /** Seconds of cutting what is read with a margin out of a value that is held wider. */
  cropOf(value: string): Table<number>;
  /** The margin that an operand needs for a result. */
  neededOf(edge: Edge): Table<MarginNumber>;
  /** The exchanges of a margin of a value. */
  exchangesOf(value: string): Table<readonly Exchanging[]>;
};

const [start, end] = ['START', 'END'];

/** The number of no margin. */
const none = 0;

/** Undefined where the graph is not nested. */
export function nestedHalo(pricing: Pricing, may: (edge: Edge) => boolean): HaloAnswer | undefined {
  const programme = programmeOf(pricing);
  const whole = reduced(programme, linksOf(programme, may));
  if (whole === undefined) return undefined;
  const best = whole(none).reduce((a, b) => (b.seconds < a.seconds ? b : a));
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

/** Keeps what was computed. */
function tableOf<T>(compute: Table<T>): Table<T> {
  const known: (T | undefined)[] = [];
  return (number) => {
    const found = known[number];
    if (found !== undefined) return found;
    const fresh = compute(number);
    known[number] = fresh;
    return fresh;
  };
}

function programmeOf(pricing: Pricing): Programme {
  const { ops, values, likes } = pricing.question.profile;
  const margins = [noMargin];
  const numbers = new Map([[marginKey(noMargin), none]]);
  const numberOf = (margin: Margin): MarginNumber => {
    const key = marginKey(margin);
    const number = numbers.get(key) ?? margins.push(margin) - 1;
    numbers.set(key, number);
    return number;
  };
  const marginOf = (number: MarginNumber): Margin => at(margins, number);
  const indices = new Map(ops.map(({ op }, index) => [op.output, index]));
  const nodes = tableOf((like) =>
    tableOf((margin) => {
      const { forward, backward } = pricing.opSeconds(like, marginOf(margin));
      return forward + backward;
    }),
  );
  const free = () => 0;
  /** One table for all values of a grid whose cotangents are returned, or are not. */
  const byValue = <T>(compute: (value: string) => Table<T>): ((value: string) => Table<T>) => {
    const known: (Table<T> | undefined)[] = [];
    return (value) => {
      const like = 2 * (values.get(value)?.like ?? 0) + (pricing.returns(value) ? 1 : 0);
      const table = known[like] ?? compute(value);
      known[like] = table;
      return table;
    };
  };
  const cropOf = byValue((value) => tableOf((margin) => pricing.crop(value, marginOf(margin))));
  const needs: (Table<MarginNumber> | undefined)[] = [];
  return {
    pricing,
    marginOf,
    numberOf,
    nodeOf(value) {
      const index = indices.get(value);
      return index === undefined ? free : nodes(at(likes, index));
    },
    cropOf: (value) => (values.has(value) ? cropOf(value) : free),
    neededOf(edge) {
      const like = at(likes, edge.op) + edge.operand * likes.length;
      const table = needs[like] ?? tableOf((out) => numberOf(pricing.needed(edge, marginOf(out))));
      needs[like] = table;
      return table;
    },
    exchangesOf: byValue((value) =>
      tableOf((margin) => exchangesFor(pricing, numberOf, value, marginOf(margin))),
    ),
  };
}

/** Cells a side of exchanges that leave a part of the margin to be computed. */
const narrow = [1, 2, 3, 4] as const;

/** Exchange all of a margin, or a little. */
function exchangesFor(
  { reach, exchange, returns }: Pricing,
  numberOf: Programme['numberOf'],
  value: string,
  margin: Margin,
): Exchanging[] {
  const most = reach(value, margin);
  const widths = margin[2] === 1 ? [most] : [...new Set([...narrow, most])].filter((one) => one <= most);
  const ways = returns(value) ? 2 : 1;
  return widths.map((cells) => {
    const rest = lessBy(margin, cells, most);
    return { cells, rest: numberOf(rest), seconds: ways * exchange(value, margin, rest).seconds };
  });
}

/** One link for each operand between spatial values; what has none before or after it hangs on the ends. */
function linksOf(programme: Programme, may: (edge: Edge) => boolean): Link[] {
  const { pricing } = programme;
  const { ops, values } = pricing.question.profile;
  const made = new Set(ops.map(({ op }) => op.output).filter((name) => values.has(name)));
  const links = pricing.edges
    .flat()
    .filter((edge) => made.has(edge.value) && made.has(at(ops, edge.op).op.output))
    .map(
      (edge): Link => ({
        from: edge.value,
        to: at(ops, edge.op).op.output,
        part: operand(programme, edge, may(edge)),
      }),
    );
  const [read, written] = [new Set(links.map(({ from }) => from)), new Set(links.map(({ to }) => to))];
  const free: Part = () => [{ margin: none, seconds: 0, picks: undefined, cut: false, paid: [] }];
  for (const name of made) {
    if (!written.has(name)) links.push({ from: start, to: name, part: free });
    if (!read.has(name)) links.push({ from: name, to: end, part: free });
  }
  return links;
}

/** Recompute the margin, or exchange all of it, or a little. */
function operand({ pricing, marginOf, neededOf, exchangesOf }: Programme, edge: Edge, may: boolean): Part {
  const [needed, exchanges] = [neededOf(edge), exchangesOf(edge.value)];
  const cut = cropsApart(at(pricing.question.profile.ops, edge.op).op);
  return tableOf((demand) => {
    const margin = needed(demand);
    const recomputed: Option = { margin, seconds: 0, picks: undefined, cut, paid: [] };
    if (!may || isNothing(marginOf(margin))) return [recomputed];
    const exchanged = exchanges(margin).map(
      ({ cells, rest, seconds }): Option => ({
        margin: rest,
        seconds,
        picks: { edge, cells },
        cut: false,
        paid: [],
      }),
    );
    return [...exchanged, recomputed];
  });
}

const join = (a: Picks, b: Picks): Picks => (a === undefined ? b : b === undefined ? a : { both: [a, b] });

/** One part after another: `node` is the seconds of the op that makes the value between them. */
const series = (programme: Programme, before: Part, node: Table<number>, after: Part, crop: Table<number>) =>
  tableOf((demand) => {
    const front = new Front(programme, crop);
    for (const late of after(demand)) {
      const here = node(late.margin) + late.seconds;
      for (const { margin, seconds, picks, cut, paid } of before(late.margin)) {
        const all = seconds + here;
        if (front.isOpenTo(margin, all, cut, paid))
          front.add({ margin, seconds: all, picks: join(picks, late.picks), cut, paid });
      }
    }
    return front.sorted();
  });

const parallel = (programme: Programme, a: Part, b: Part, crop: Table<number>): Part =>
  tableOf((demand) => {
    const front = new Front(programme, crop);
    for (const one of a(demand))
      for (const other of b(demand)) {
        const both = beside(programme, one, other, crop);
        if (front.isOpenTo(both.margin, both.seconds, both.cut, both.paid)) front.add(both);
      }
    return front.sorted();
  });

/** The earlier value is held as wide as either reads it; what reads less is cut out, the same once for all. */
function beside({ marginOf, numberOf }: Programme, one: Option, other: Option, crop: Table<number>): Option {
  const margin = numberOf(wider(marginOf(one.margin), marginOf(other.margin)));
  const isWide = (part: Option) => part.margin === margin;
  const cuts = [one, other].filter((part) => part.cut && !isWide(part)).map((part) => part.margin);
  const paid = [...one.paid, ...other.paid];
  const all = [...new Set([...paid, ...cuts])];
  const costOf = (margins: readonly MarginNumber[]) => margins.reduce((sum, cut) => sum + crop(cut), 0);
  return {
    margin,
    seconds: one.seconds + other.seconds + (all.length === 0 ? 0 : costOf(all) - costOf(paid)),
    picks: join(one.picks, other.picks),
    cut: [one, other].some((part) => part.cut && isWide(part)),
    paid: all,
  };
}

/** Ways of which none is no worse than another, whatever is held for others of the earlier value. */
class Front {
  private readonly kept: Option[] = [];
  private readonly programme: Programme;
  private readonly crop: Table<number>;

  constructor(programme: Programme, crop: Table<number>) {
    this.programme = programme;
    this.crop = crop;
  }

  /** Whether no way so far is no worse; asked before an option is made of it. */
  isOpenTo(margin: MarginNumber, seconds: number, cut: boolean, paid: readonly MarginNumber[]): boolean {
    for (const one of this.kept) if (this.isNoWorse(one, margin, seconds, cut, paid)) return false;
    return true;
  }

  /** Adds a way that the front is open to, in place of those that it is no worse than. */
  add(option: Option): void {
    const { kept } = this;
    let count = 0;
    for (const one of kept)
      if (!this.isNoWorse(option, one.margin, one.seconds, one.cut, one.paid)) kept[count++] = one;
    kept.length = count;
    kept.push(option);
  }

  /** The fastest first, of equal ones the narrowest. */
  sorted(): readonly Option[] {
    const { kept, programme } = this;
    const low = ({ margin }: Option) => programme.marginOf(margin)[0];
    return kept.length < 2 ? kept : kept.sort((a, b) => a.seconds - b.seconds || low(a) - low(b));
  }

  /** It costs no more even if what it reads must be cut out of what is held, or no more with the same margin. */
  private isNoWorse(
    one: Option,
    margin: MarginNumber,
    seconds: number,
    cut: boolean,
    paid: readonly MarginNumber[],
  ): boolean {
    if (one.seconds > seconds) return false;
    const { marginOf } = this.programme;
    if (one.margin !== margin && !isWithin(marginOf(one.margin), marginOf(margin))) return false;
    if (paid.length > 0 && !paid.every((key) => one.paid.includes(key))) return false;
    if (one.margin === margin && (cut || !one.cut)) return true;
    return !one.cut || one.seconds + this.crop(one.margin) <= seconds;
  }
}

/** Composes links until one from the start to the end is left. */
function reduced(programme: Programme, links: readonly Link[]): Part | undefined {
  const { nodeOf, cropOf } = programme;
  const out = new Map<string, Map<string, Part>>();
  const into = new Map<string, Set<string>>();
  const add = ({ from, to, part }: Link): void => {
    const targets = out.get(from) ?? new Map<string, Part>();
    const known = targets.get(to);
    targets.set(to, known === undefined ? part : parallel(programme, known, part, cropOf(from)));
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
    add({ from, to, part: series(programme, before, nodeOf(node), after, cropOf(from)) });
    // A neighbour may have become one of a series.
    open.push(from, to);
  }
  const left = [...out.values()].reduce((count, targets) => count + targets.size, 0);
  return left === 1 ? out.get(start)?.get(end) : undefined;
}
