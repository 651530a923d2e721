/** The node that gives most to others: its devices, the links between them, and how much goes over each. */
import type { Topology, Way } from '../../backends/simulator/link-traffic.ts';
import { at } from '../../ir/box.ts';
import { type Machine, socketOf } from '../../ir/machine.ts';
import { html, type Markup } from './markup.ts';

const layout = { radius: 20, across: 96, down: 110, top: 60, left: 60 };

type Place = { readonly x: number; readonly y: number };

/** A row for each socket; the network, where there is more than one node, is a line below them. */
export function topologyDrawing(machine: Machine, { busiest, leaving }: Topology): Markup {
  const first = busiest.node * machine.devicesPerNode;
  const places = Array.from({ length: machine.devicesPerNode }, (_, device) => placeOf(machine, device));
  const inside = ({ to }: Way) => to >= first && to < first + machine.devicesPerNode;
  const most = Math.max(1, ...busiest.ways.map(({ bytes }) => bytes));
  const width = Math.max(...places.map(({ x }) => x)) + layout.left;
  const lowest = Math.max(...places.map(({ y }) => y));
  const isAlone = leaving.length < 2;
  const bottom = lowest + (isAlone ? 40 : 80);
  const wayOf = (way: Way): Markup => {
    const from = at(places, way.from - first);
    const weight = (1 + (7 * way.bytes) / most).toFixed(1);
    const path = inside(way) ? curve(from, at(places, way.to - first)) : `M${from.x} ${from.y}V${bottom}`;
    return html`<path d="${path}" style="stroke-width:${weight}" class="${inside(way) ? 'way' : 'way out'}"/>
`;
  };
  const network = html`<path d="M10 ${bottom}H${width - 10}" class="network-line"/><text x="14" y="${bottom + 20}" data-plain="">${machine.network.name}</text>
`;
  return html`<svg class="topology" viewBox="0 0 ${width} ${bottom + 30}" width="${width}" role="img" aria-label="Links of the busiest node: thicker lines carry more bytes. The table says how many.">
${busiest.ways.map(wayOf)}${isAlone ? undefined : network}${places.map(
  (
    { x, y },
    device,
  ) => html`<circle cx="${x}" cy="${y}" r="${layout.radius}"/><text x="${x}" y="${y + 4}" class="rank" data-plain="">${first + device}</text>
`,
)}</svg>
`;
}

/** Every other row half a place to the right, so that what goes down passes between the devices below. */
function placeOf(machine: Machine, device: number): Place {
  const socket = Math.max(0, socketOf(machine, device));
  const index = Math.max(0, (machine.sockets[socket] ?? []).indexOf(device));
  return {
    x: layout.left + layout.across * (index + (socket % 2 === 0 ? 0 : 0.5)),
    y: layout.top + layout.down * socket,
  };
}

/** Bent to the right, so that both directions and devices between are seen. */
function curve(from: Place, to: Place): string {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const bend = from.y === to.y ? 0.28 : 0.14;
  const middle = { x: (from.x + to.x) / 2 - dy * bend, y: (from.y + to.y) / 2 + dx * bend };
  return `M${from.x} ${from.y}Q${middle.x.toFixed(1)} ${middle.y.toFixed(1)} ${to.x} ${to.y}`;
}

/** What the colours of both drawings mean. */
export function communicationLegend({ leaving }: Topology): Markup {
  const several = html`<li><span class="sample out"></span>to other nodes</li>
<li>each square: a node, the stronger its colour the more leaves it</li>
`;
  return html`<ul class="legend">
<li><span class="sample inside"></span>within the node</li>
${leaving.length < 2 ? undefined : several}<li>the thicker a line, the more bytes</li>
</ul>
`;
}

/** Pixels from one node to the next, and nodes of a row. */
const cell = 9;
const nodesOfRow = 96;

/** How much is told apart by eye. */
const shades = [0.15, 0.35, 0.55, 0.75, 1];

/** Every node in use, of stronger colour the more leaves it; nothing where there is one. */
export function nodesDrawing({ leaving }: Topology): Markup | undefined {
  if (leaving.length < 2) return undefined;
  const most = Math.max(1, ...leaving);
  const rows = Math.ceil(leaving.length / nodesOfRow);
  const squares = shades.map((opacity, shade) => {
    const path = leaving
      .map((bytes, node) => ({
        node,
        shade: Math.min(shades.length - 1, Math.floor((shades.length * bytes) / most)),
      }))
      .filter((one) => one.shade === shade)
      .map(({ node }) => `M${cell * (node % nodesOfRow)} ${cell * Math.floor(node / nodesOfRow)}h7v7h-7z`)
      .join('');
    return html`<path d="${path}" opacity="${opacity}" class="shade"/>
`;
  });
  return html`<svg class="nodes" viewBox="0 0 ${cell * Math.min(nodesOfRow, leaving.length)} ${cell * rows}" width="${cell * Math.min(nodesOfRow, leaving.length)}" role="img" aria-label="All nodes in use in the order of their ranks: the stronger their colour, the more leaves them">
${squares}</svg>
`;
}
