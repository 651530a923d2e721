/** What devices give each other in a step: between which nodes, over which links, and how much. */
import { type LinkKind, linkKinds, type Topology } from '../../backends/simulator/link-traffic.ts';
import type { Machine } from '../../ir/machine.ts';
import type { PlanJson } from '../plan-json.ts';
import { counted, figuresIn, html, type Markup, named } from './markup.ts';
import { table } from './table.ts';
import { communicationLegend, nodesDrawing, topologyDrawing } from './topology-drawing.ts';

/** Undefined where nothing is given. */
export function communicationContent(
  machine: Machine,
  topology: Topology,
  { communication }: PlanJson,
): Markup | undefined {
  if (communication === undefined || communication.links.every((link) => messagesOver(link) === 0))
    return undefined;
  return html`<p>${inWords({ communication })}</p>${nodesDrawing(topology)}${topologyDrawing(machine, topology)}${communicationLegend(topology)}${linksTable({ communication })}${waysTable({ communication })}`;
}

const kindTitles: { readonly [K in LinkKind]: string } = {
  exchange: 'margins',
  gather: 'statistics',
  send: 'between stages',
};

type Communication = NonNullable<PlanJson['communication']>;

/** Links over which nothing can go are left out: those of a machine of one node. */
function linksTable(figures: { readonly communication: Communication }): Markup {
  const figure = figuresIn(figures, 'span');
  const { links, nodes } = figures.communication;
  const shown = links
    .map((link, index) => ({ link, index }))
    .filter(({ link, index }) => nodes > 1 || index < links.length - 1 || messagesOver(link) > 0);
  const kinds = linkKinds.filter((kind) => links.some((link) => link[kind].messages > 0));
  const key = (index: number, what: string) => `communication.links.${index}.${what}`;
  return table(
    'What goes over the links in a step, of all devices together',
    [
      { title: 'link', cell: ({ link }) => named(link.name) },
      {
        title: 'bandwidth',
        numbers: true,
        cell: ({ index }) => figure(key(index, 'bandwidth'), 'rate'),
      },
      { title: 'latency', numbers: true, cell: ({ index }) => figure(key(index, 'latency'), 'seconds') },
      ...kinds.flatMap((kind) => [
        {
          title: kindTitles[kind],
          numbers: true,
          cell: ({ index }: Shown) => figure(key(index, `${kind}.bytes`), 'bytes'),
        },
        {
          title: 'messages',
          numbers: true,
          cell: ({ index }: Shown) => figure(key(index, `${kind}.messages`), 'whole'),
        },
      ]),
    ],
    shown,
  );
}

type Shown = { readonly link: Communication['links'][number]; readonly index: number };

const messagesOver = (link: Communication['links'][number]): number =>
  linkKinds.reduce((sum, kind) => sum + link[kind].messages, 0);

/** What the lines of the drawing carry. */
function waysTable(figures: { readonly communication: Communication }): Markup {
  const figure = figuresIn(figures, 'span');
  const { ways } = figures.communication;
  const key = (index: number, what: string) => `communication.ways.${index}.${what}`;
  return html`<details><summary>The lines of the drawing as a table</summary>
${table(
  'What the devices of that node give others in a step',
  [
    { title: 'from rank', cell: (_, index) => figure(key(index, 'from'), 'whole') },
    {
      title: 'to',
      numbers: true,
      cell: ({ link }, index) =>
        isLast(figures.communication, link) ? html`other nodes` : figure(key(index, 'to'), 'whole'),
    },
    { title: 'over', cell: ({ link }) => named(link) },
    { title: 'bytes', numbers: true, cell: (_, index) => figure(key(index, 'bytes'), 'bytes') },
  ],
  ways,
)}</details>
`;
}

/** The network, over which all that leaves a device is one line. */
const isLast = ({ links }: Communication, link: string): boolean => links.at(-1)?.name === link;

function inWords(figures: { readonly communication: Communication }): Markup {
  const figure = figuresIn(figures, 'span');
  const what = html`Margins, statistics and messages between stages; sums of gradients are not counted here.`;
  if (figures.communication.nodes === 1) return html`${what} The devices with their ranks:`;
  return html`${what} In use: ${counted(figures, figure, 'communication.nodes', 'node')}. In a step ${figure('communication.leavingLeast', 'bytes')} to ${figure('communication.leavingMost', 'bytes')} leave a node, most of them node ${figure('communication.busiestNode', 'whole')}, whose devices are drawn with their ranks.`;
}
