/** How much of what can be decided, and of the ops, the drawn cases have met. */
import { at } from '../../ir/box.ts';
import type { Instruction, Plan } from '../../ir/plan.ts';
import { stagesOf } from '../../ir/schedule.ts';
import { sharingOf } from '../../ir/sharers.ts';
import { readStripName } from '../../ir/strips.ts';
import { sweptSums } from '../../ir/sweeps.ts';
import { product } from '../../ir/type.ts';

/** How often each value of each decision occurred. */
export type Coverage = Map<string, Map<string, number>>;

const isUneven = (cuts: readonly number[]): boolean =>
  new Set(cuts.slice(1).map((cut, i) => cut - at(cuts, i))).size > 1;

/** `none`, `1`, `2`, `3 or more` */
const few = (count: number): string => (count > 2 ? '3 or more' : count === 0 ? 'none' : `${count}`);

const instructionsOf = <D extends Instruction['do']>({ roles }: Plan, kind: D) =>
  roles
    .flatMap(({ instructions }) => instructions)
    .filter((one): one is Extract<Instruction, { do: D }> => one.do === kind);

/** A tile that keeps cells below its first own one has computed a part of the margin, and fetches the rest. */
const marginsOf = (plan: Plan): string[] => {
  const exchanges = instructionsOf(plan, 'exchange').filter(({ back }) => !back);
  if (exchanges.length === 0) return ['recomputed'];
  const isPartial = exchanges.some(({ keeps = [] }) => keeps.some(({ from }) => from < 0));
  return [isPartial ? 'fetched in part' : 'fetched'];
};

/** Reductions of gradients, of each stage. */
const bucketsOf = ({ roles, model }: Plan): number[] => {
  const counts = model.inputs.filter(({ source }) => source.from === 'count').map(({ name }) => name);
  const isOfGradients = (one: Instruction) =>
    one.do === 'all_reduce' && !one.buffers.every((name) => counts.includes(name));
  const firsts = roles.filter(({ stage }, index) => roles.findIndex((one) => one.stage === stage) === index);
  return firsts.map(({ instructions }) => instructions.filter(isOfGradients).length);
};

const stagesInWords = ({ schedule }: Plan): string => {
  const stages = stagesOf(schedule);
  if (stages === 1) return '1';
  return `${stages} ${schedule.chunks.length > stages ? 'folded' : 'straight'}`;
};

/** `grid`: the tiles of a sample; `stage`: the replicas as well. */
const statisticsOver = (plan: Plan): string[] => {
  const groups = new Set(instructionsOf(plan, 'all_gather').map(({ over }) => over));
  if (groups.size === 0) return ['one device'];
  return [...groups].map((over) =>
    over === 'stage' && plan.schedule.replicas > 1 ? 'replicas and tiles' : 'tiles',
  );
};

/** What the sums of a dice loss are swept over, ahead of all else. */
const sweptOver = ({ model, schedule, samples }: Plan): string[] => {
  const swept = [...sweptSums(model, sharingOf(schedule), samples).values()];
  const tiles = product(schedule.stream) > 1;
  if (swept.length === 0) return ['nothing'];
  return swept.map(({ over }) => {
    if (over === 'grid' || schedule.microBatches === 1) return 'tiles';
    return tiles ? 'tiles and micro-batches' : 'micro-batches';
  });
};

/** What else is decided. */
const beside = ({ schedule }: Plan): string[] => {
  const { stream, exchanges, drop, microBatches, replicas } = schedule;
  const tiles = product(schedule.cuts.map((cuts) => cuts.length - 1));
  const found = {
    tiles: tiles > 1 && product(stream) === 1,
    stream: product(stream) > 1,
    exchange: exchanges.length > 0,
    stages: stagesOf(schedule) > 1,
    drop: drop.length > 0,
    'micro-batches': microBatches > 1,
    replicas: replicas > 1,
  };
  return Object.entries(found).flatMap(([what, is]) => (is ? [what] : []));
};

const stripsWith = (plan: Plan): string[] => (plan.schedule.strips.length === 0 ? [] : beside(plan));

/** The ops that note bytes for the backward pass, as far as a strip does them and not. */
const notingOps = ({ segments }: Plan): string[] =>
  segments.flatMap(({ graph }) =>
    graph.ops.flatMap(({ kind, output }) =>
      kind === 'relu_mask' || kind === 'max_pool_index'
        ? [`${kind}${readStripName(output) === undefined ? '' : ' in strips'}`]
        : [],
    ),
  );

const bytesWith = (plan: Plan): string[] => {
  const noting = notingOps(plan);
  const strips = noting.some((one) => one.endsWith('strips'));
  return noting.length === 0 ? [] : [...beside(plan), ...(strips ? ['strips'] : [])];
};

const decisions: { readonly [decision: string]: (plan: Plan) => Iterable<string> } = {
  axes: ({ model }) => [`${model.rank}`],
  devices: ({ schedule }) => [`${schedule.devices}`],
  'tiles of a replica': ({ schedule }) => [`${product(schedule.cuts.map((cuts) => cuts.length - 1))}`],
  'tiles along an axis': ({ schedule }) => schedule.cuts.map((cuts) => `${cuts.length - 1}`),
  'uneven axes': ({ schedule }) => [`${schedule.cuts.filter(isUneven).length}`],
  replicas: ({ schedule }) => [`${schedule.replicas}`],
  'micro-batches': ({ schedule }) => [`${schedule.microBatches}`],
  margins: marginsOf,
  'cells to fetch': ({ schedule }) => new Set(schedule.exchanges.map(({ cells }) => few(cells))),
  'edges to fetch over': ({ schedule }) => [few(schedule.exchanges.length)],
  coarsened: ({ schedule: { coarsen } }) => [coarsen === undefined ? 'no' : coarsen.grid.join(' x ')],
  'coarse from level': ({ schedule: { coarsen } }) => (coarsen === undefined ? [] : [`${coarsen.level}`]),
  'tiles of a device': ({ schedule }) => [`${product(schedule.stream)}`],
  'axes streamed': ({ schedule }) => [`${schedule.stream.filter((tiles) => tiles > 1).length}`],
  stages: (plan) => [stagesInWords(plan)],
  'stages with tiles': ({ schedule }) =>
    stagesOf(schedule) > 1 ? [product(schedule.cuts.map((cuts) => cuts.length - 1)) > 1 ? 'yes' : 'no'] : [],
  order: ({ schedule }) => [schedule.order],
  'buckets of a stage': (plan) => bucketsOf(plan).map(few),
  'dropped values': ({ schedule }) => [few(schedule.drop.length)],
  'runs again': (plan) => [instructionsOf(plan, 'run').some(({ why }) => why === 'recompute') ? 'yes' : 'no'],
  'parts in strips': ({ schedule }) => [few(schedule.strips.length)],
  'strips of a part': ({ schedule }) => schedule.strips.map(({ count }) => few(count)),
  'strips of': ({ schedule }) => schedule.strips.map(({ of }) => of ?? 'the outermost axis'),
  'strips with': stripsWith,
  'bytes noted by': (plan) => {
    const noting = new Set(notingOps(plan));
    return noting.size === 0 ? ['none'] : noting;
  },
  'bytes with': bytesWith,
  'statistics over': statisticsOver,
  'sums swept over': sweptOver,
  roles: ({ roles }) => [`${roles.length}`],
  ops: ({ segments }) => new Set(segments.flatMap(({ graph }) => graph.ops.map(({ kind }) => kind))),
};

export function cover(coverage: Coverage, plan: Plan): void {
  for (const [decision, valuesOf] of Object.entries(decisions)) {
    const counts = coverage.get(decision) ?? new Map<string, number>();
    coverage.set(decision, counts);
    for (const value of valuesOf(plan)) counts.set(value, (counts.get(value) ?? 0) + 1);
  }
}

/** A line for each decision: its values, and how often each occurred. */
export const coverageLines = (coverage: Coverage): string[] =>
  [...coverage].map(([decision, counts]) => {
    const values = [...counts].sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }));
    return `${decision.padEnd(20)} ${values.map(([value, count]) => `${value}: ${count}`).join('   ')}`;
  });

/** What enough cases meet, each at least once: a decision that no case has met is not under the law. */
const met: Readonly<Record<string, readonly string[]>> = {
  replicas: ['1', '2', '4'],
  'micro-batches': ['1', '2', '4'],
  'uneven axes': ['0', '1', '2'],
  margins: ['recomputed', 'fetched', 'fetched in part'],
  'cells to fetch': ['1', '2', '3 or more'],
  coarsened: ['no', '1 x 2', '2 x 1', '2 x 2'],
  'coarse from level': ['0', '1', '2'],
  'axes streamed': ['0', '1', '2'],
  stages: ['1', '2 straight', '2 folded', '3 straight', '3 folded'],
  'stages with tiles': ['yes', 'no'],
  order: ['one_after_another', 'gpipe', '1f1b'],
  'buckets of a stage': ['none', '1', '2', '3 or more'],
  'dropped values': ['none', '1', '2', '3 or more'],
  'runs again': ['yes', 'no'],
  'parts in strips': ['none', '1', '2', '3 or more'],
  'strips of a part': ['1', '2', '3 or more'],
  'strips of': ['the outermost axis', 'rows', 'columns'],
  'strips with': ['tiles', 'stream', 'exchange', 'stages', 'drop', 'micro-batches', 'replicas'],
  'bytes noted by': [
    'none',
    'relu_mask',
    'max_pool_index',
    'relu_mask in strips',
    'max_pool_index in strips',
  ],
  'bytes with': ['tiles', 'stream', 'exchange', 'stages', 'drop', 'micro-batches', 'replicas', 'strips'],
  'sums swept over': ['nothing', 'tiles', 'micro-batches', 'tiles and micro-batches'],
  'statistics over': ['one device', 'tiles', 'replicas and tiles'],
};

/** Values of decisions that no case has met. */
export const missingValues = (coverage: Coverage): string[] =>
  Object.entries(met).flatMap(([decision, values]) =>
    values.filter((value) => !coverage.get(decision)?.has(value)).map((value) => `${decision}: ${value}`),
  );

/** Pairs of values of two decisions that the same case has. */
export type Pairs = Set<string>;

export function coverPairs(pairs: Pairs, plan: Plan): void {
  const found = Object.entries(met).map(([decision, values]) => {
    const own = new Set(decisions[decision]?.(plan) ?? []);
    return values.filter((value) => own.has(value)).map((value) => `${decision}: ${value}`);
  });
  found.forEach((first, index) => {
    for (const second of found.slice(index + 1).flat())
      for (const one of first) pairs.add(`${one}, ${second}`);
  });
}

/** All pairs there are of values of two decisions. Some contradict each other, such as streamed tiles and stages. */
export function pairCount(): number {
  const counts = Object.values(met).map(({ length }) => length);
  const all = counts.reduce((sum, count) => sum + count, 0);
  return counts.reduce((sum, count) => sum + count * (all - count), 0) / 2;
}
