/** A plan as tables for a terminal: the schedule in words, then what each role does. */
import type { Plan } from '../ir/plan.ts';
import type { Traffic } from '../ir/traffic.ts';
import { product } from '../ir/type.ts';
import { showBytes, showCount } from '../ir/units.ts';
import { leftOut, shownRoles } from './shown-roles.ts';
import { type RoleSummary, type Summary, summarize } from './summary.ts';
import { numbers, table } from './table.ts';
import { type Page, wholePage, wrap } from './terminal.ts';

export const sizes = (numbers: readonly number[]): string => numbers.join(' x ');

/** `1 device`, `2 devices` */
export const many = (count: number, noun: string): string =>
  `${count.toLocaleString('en-US')} ${count === 1 ? noun : noun.endsWith('ch') ? `${noun}es` : `${noun}s`}`;

/** What `compile` and `predict` show. */
export function planTables(plan: Plan, page: Page = wholePage): string {
  const summary = summarize(plan);
  return [
    wrap(scheduleInWords(summary), page),
    '',
    rolesTable(summary.roles, page),
    '',
    wrap(costInWords(summary), page),
  ].join('\n');
}

/** What is shown of a plan: its summary, however much more is known. */
export type Summarized = Pick<Summary, 'purpose' | 'schedule' | 'predicted' | 'roles'>;

export function scheduleInWords({ purpose, schedule }: Summarized): string {
  const { devices, microBatches, replicas, stages, batch, samples } = schedule;
  const grid = `${sizes(schedule.tiles)} ${product(schedule.tiles) === 1 ? 'tile' : 'tiles'}`;
  if (purpose === 'predict') return `Plan: ${grid}, worked through by ${many(devices, 'device')}.`;
  const streamed = product(schedule.stream);
  const cut = stages === 1 ? '' : ` in ${stages} stages`;
  const through = streamed === 1 ? '' : ` Each device works through ${streamed} tiles, one after another.`;
  return [
    `Plan: ${many(devices, 'device')} = ${many(replicas, 'replica')} of ${grid} each${cut}.${through}`,
    `A step of ${many(batch, 'sample')}: ${many(microBatches, 'micro-batch')} of ${many(samples, 'sample')} on each replica.`,
  ].join('\n');
}

const margins = (sides: RoleSummary['margins']): string => sides.map(([lo, hi]) => `${lo}+${hi}`).join(', ');

/** With the roles that were left out in words below it. */
export function rolesTable(roles: readonly RoleSummary[], page: Page, shown = shownRoles(roles)): string {
  const rows = shown.map(({ name, devices, owns, reads, margins: sides, flops, peakBytes }) => [
    name,
    String(devices),
    sizes(owns),
    sizes(reads),
    margins(sides),
    showCount(flops),
    showBytes(peakBytes),
  ]);
  const columns = numbers(['devices', 'owns', 'reads of the image', 'margins', 'FLOP', 'memory']);
  const drawn = table([{ title: 'role' }, ...columns], rows, page);
  const rest = leftOut(roles, shown);
  return rest === '' ? drawn : `${drawn}\n${wrap(rest, page)}`;
}

export function costInWords({ schedule, predicted, roles }: Summarized): string {
  // A stage without the image reads none of it.
  const reading = roles.filter(({ reads }) => reads.length > 0);
  const owned = reading.reduce((cells, { owns, tiles }) => cells + product(owns) * tiles, 0);
  const read = reading.reduce((cells, { reads, tiles }) => cells + product(reads) * tiles, 0);
  const lines = [
    `Busiest device: ${showBytes(predicted.peakBytes)}. Margins: ${(read / owned).toFixed(2)} cells of the image are read for each cell of the result.`,
  ];
  if (predicted.communicationBytes > 0)
    lines.push(
      `Each step sums ${showBytes(predicted.communicationBytes)} of gradients over ${many(schedule.devices, 'device')}.`,
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
