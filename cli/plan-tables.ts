/** A plan as tables for a terminal: the schedule in words, then what each role does. */
import type { Plan } from '../ir/plan.ts';
import { stagesOf } from '../ir/schedule.ts';
import type { Traffic } from '../ir/traffic.ts';
import { product } from '../ir/type.ts';
import { showBytes, showCount } from '../ir/units.ts';
import { type RoleSummary, type Summary, summarize } from './summary.ts';
import { table } from './table.ts';
import { type Colours, plainColours } from './terminal.ts';

const sizes = (numbers: readonly number[]): string => numbers.join(' x ');

/** `1 device`, `2 devices` */
export const many = (count: number, noun: string): string =>
  `${count} ${count === 1 ? noun : noun.endsWith('ch') ? `${noun}es` : `${noun}s`}`;

export function planTables(plan: Plan, colours: Colours = plainColours): string {
  const summary = summarize(plan);
  const rows = rolesTable(plan, summary.roles, colours);
  return [inWords(plan, summary), '', rows, '', costInWords(plan, summary)].join('\n');
}

function inWords(plan: Plan, { schedule }: Summary): string {
  const { devices, microBatches, replicas } = plan.schedule;
  const grid = `${sizes(schedule.tiles)} ${product(schedule.tiles) === 1 ? 'tile' : 'tiles'}`;
  if (plan.purpose === 'predict') return `Plan: ${grid}, worked through by ${many(devices, 'device')}.`;
  const batch = plan.model.training?.batch ?? 1;
  const streamed = product(plan.schedule.stream);
  const stages = stagesOf(plan.schedule);
  const cut = stages === 1 ? '' : ` in ${stages} stages`;
  const through = streamed === 1 ? '' : ` Each device works through ${streamed} tiles, one after another.`;
  return [
    `Plan: ${many(devices, 'device')} = ${many(replicas, 'replica')} of ${grid} each${cut}.${through}`,
    `A step of ${many(batch, 'sample')}: ${many(microBatches, 'micro-batch')} of ${many(plan.samples, 'sample')} on each replica.`,
  ].join('\n');
}

const margins = (sides: RoleSummary['margins']): string => sides.map(([lo, hi]) => `${lo}+${hi}`).join(', ');

function rolesTable(plan: Plan, roles: readonly RoleSummary[], colours: Colours): string {
  return table(
    [
      { title: 'role' },
      { title: 'devices', align: 'right' },
      { title: 'owns', align: 'right' },
      { title: 'reads of the image', align: 'right' },
      { title: 'margins', align: 'right' },
      { title: 'FLOP', align: 'right' },
      { title: 'memory', align: 'right' },
    ],
    roles.map(({ name, tiles, owns, reads, margins: sides, flops, peakBytes }) => [
      name,
      String(tiles * plan.schedule.replicas),
      sizes(owns),
      sizes(reads),
      margins(sides),
      showCount(flops),
      showBytes(peakBytes),
    ]),
    colours,
  );
}

function costInWords(plan: Plan, { predicted, roles }: Summary): string {
  // A stage without the image reads none of it.
  const reading = roles.filter(({ reads }) => reads.length > 0);
  const owned = reading.reduce((cells, { owns, tiles }) => cells + product(owns) * tiles, 0);
  const read = reading.reduce((cells, { reads, tiles }) => cells + product(reads) * tiles, 0);
  const lines = [
    `Busiest device: ${showBytes(predicted.peakBytes)}. Margins: ${(read / owned).toFixed(2)} cells of the image are read for each cell of the result.`,
  ];
  if (predicted.communicationBytes > 0)
    lines.push(
      `Each step sums ${showBytes(predicted.communicationBytes)} of gradients over ${plan.schedule.devices} devices.`,
    );
  const between = sentInWords(predicted.traffic);
  if (between !== '') lines.push(`The devices send each other in a step: ${between}.`);
  return lines.join('\n');
}

/** What goes between devices beside the sums, such as `96 messages of margins (1.5 MiB)`. */
function sentInWords({ exchange, gather, send, skip }: Summary['predicted']['traffic']): string {
  const sent = ({ messages, bytes }: Traffic, of: string) =>
    messages === 0 ? [] : [`${many(messages, 'message')} ${of} (${showBytes(bytes)})`];
  const skips = send.messages === 0 ? [] : [`${showBytes(skip.bytes)} of skips among them`];
  return [
    ...sent(exchange, 'of margins'),
    ...sent(gather, 'of statistics'),
    ...sent(send, 'between stages'),
    ...skips,
  ].join(', ');
}
