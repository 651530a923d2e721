/**
 * Recompute, ours against Checkmate's mixed-integer programme (Jain et al. 2020) solved by `highs`, on the same graphs
 * with the same bytes and seconds:
 *
 *   npx tsx bench/checkmate.ts [DEPTHS [BUDGETS [LIMIT]]]
 *
 * such as `2,3,4 0.7,0.6,0.5 600`, which is the default: poolings, shares of the peak without recompute, and seconds
 * that the solver has for each. Prints what is added to the time of one step, and how long the answer took: ours is
 * for all budgets at once. `drops` only computes values again, as Checkmate does, which may do so more than once;
 * `strips` adds a part from some node to the loss in strips of columns with their margins, which go through it once, as
 * schedules have it, or two such parts beside one another; `twice` has a first pass over one part beside it.
 */
import { table } from '../cli/table.ts';
import { quickCost } from '../passes/decide/recompute/cost.ts';
import { type Found, thinned } from '../passes/decide/recompute/front.ts';
import { search } from '../passes/decide/recompute/search.ts';
import { secondsOf, tapeOfNodes, unet } from './checkmate/graph.ts';
import { type Answer, solve } from './checkmate/milp.ts';
import { partFrom, partsAround, tapeInStrips } from './checkmate/parts.ts';

const numbersIn = (text: string): number[] => text.split(',').map(Number);

const depths = numbersIn(process.argv[2] ?? '2,3,4');
const budgets = numbersIn(process.argv[3] ?? '0.7,0.6,0.5');
const limit = Number(process.argv[4] ?? 600);
const counts = [2, 4, 8, 16];

type Timed = { readonly found: readonly Found[]; readonly elapsed: number };

function timed(run: () => readonly Found[]): Timed {
  const begin = performance.now();
  const found = run();
  return { found, elapsed: performance.now() - begin };
}

const percent = (share: number): string => `${share < 0 ? '-' : '+'}${Math.abs(100 * share).toFixed(2)} %`;

function milpCell(answer: Answer): string {
  const elapsed = `${answer.elapsed.toFixed(1)} s`;
  if (answer.status === 'solved') return `${percent(answer.overhead)}, ${elapsed}`;
  return answer.status === 'infeasible' ? `proved infeasible, ${elapsed}` : `no answer in ${elapsed}`;
}

async function rowsFor(depth: number): Promise<string[][]> {
  const graph = unet(depth);
  const plain = tapeOfNodes(graph);
  const { peak } = quickCost(plain).cost(new Uint8Array(plain.values.length));
  // From the last node of the level above the finest, or any after it.
  const firsts = graph.nodes.flatMap(({ name }, index) =>
    index < graph.forward && /^(up[01]|decode[01]|out)/.test(name) ? [index] : [],
  );
  const place = (name: string) => graph.nodes.findIndex((node) => node.name === name);
  const inStrips = (fused: boolean) =>
    firsts.flatMap((first) =>
      counts.flatMap((count) => search(tapeInStrips(graph, [partFrom(graph, first, count, fused)]))),
    );
  // The join of a skip, up to the convolution behind it, and all that follows.
  const inTwo = () =>
    [0, 1].flatMap((level) =>
      counts.flatMap((count) =>
        search(
          tapeInStrips(graph, partsAround(graph, place(`up${level}`), place(`decode${level}.0`), count)),
        ),
      ),
    );
  const drops = timed(() => search(plain, { share: 3 }));
  const strips = timed(() => thinned([...drops.found, ...inStrips(true), ...inTwo()]));
  const twice = timed(() => thinned([...drops.found, ...inStrips(false)]));
  const oursCell = ({ found }: Timed, budget: number) => {
    const best = found.find((one) => one.peak <= budget * peak);
    return best === undefined ? 'does not fit' : percent(best.seconds / secondsOf(graph));
  };
  const rows: string[][] = [];
  for (const budget of budgets) {
    const answer = await solve(graph, budget * peak, limit);
    rows.push([
      `${depth} (${graph.nodes.length})`,
      `${(100 * budget).toFixed(0)} %`,
      milpCell(answer),
      ...[drops, strips, twice].map((one) => oursCell(one, budget)),
    ]);
  }
  const time = ({ elapsed }: Timed) => `${elapsed.toFixed(0)} ms`;
  return [...rows, ['', '', '', time(drops), time(strips), time(twice)]];
}

const titles = ['depth (nodes)', 'memory', 'Checkmate', 'ours: drops', 'strips', 'twice'];
const rows: string[][] = [];
for (const depth of depths) rows.push(...(await rowsFor(depth)));
console.log(
  table(
    titles.map((title, index) => ({ title, align: index < 2 ? 'left' : 'right' })),
    rows,
  ),
);
