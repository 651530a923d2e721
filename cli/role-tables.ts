/** Where the time of each kind of device goes, and its memory. */
import type { Activity } from '../backends/simulator/simulation.ts';
import { at } from '../ir/box.ts';
import { type ContentKind, contentKinds } from '../ir/contents.ts';
import { showBytes, showSeconds } from '../ir/units.ts';
import type { PlanJson, RoleFigures } from './plan-json.ts';
import type { RoleSummary } from './summary.ts';
import { numbers, table } from './table.ts';
import { type Page, wrap } from './terminal.ts';

/** In the order of the columns. */
export const activityTitles: { readonly [A in Activity]: string } = {
  sweep: 'sweep',
  forward: 'forward',
  step: 'loss',
  backward: 'backward',
  recompute: 'again',
  strip: 'strips',
  update: 'update',
  other: 'other',
  load: 'loading',
  exchange: 'margins',
  gather: 'statistics',
  send: 'stages',
  all_reduce: 'sums',
  idle: 'idle',
};

const activities = Object.keys(activityTitles) as Activity[];

/** A row of times. */
type Timed = Pick<RoleFigures, 'name' | 'seconds'>;

/** Only kinds of work that take time somewhere. Empty where no machine is known. */
export function timeTable(roles: readonly Timed[], page: Page): string {
  const timed = roles.flatMap(({ name, seconds }) => (seconds === undefined ? [] : [{ name, seconds }]));
  const shown = activities.filter((one) => timed.some(({ seconds }) => seconds[one] >= 5e-10));
  if (shown.length === 0) return '';
  const rows = timed.map(({ name, seconds }) => [
    name,
    ...shown.map((one) => orDash(seconds[one], showSeconds)),
  ]);
  return table([{ title: 'role' }, ...numbers(shown.map((one) => activityTitles[one]))], rows, page);
}

const orDash = (amount: number, show: (amount: number) => string): string =>
  amount < 5e-10 ? '-' : show(amount);

/** What is alive at the peak of each, and when that is. */
export function memoryTable(roles: readonly RoleSummary[], page: Page): string {
  const shown = contentKinds.filter((kind) => roles.some(({ peak }) => peak.bytes[kind] > 0));
  const bytes = ({ peak }: RoleSummary) =>
    shown.map((kind: ContentKind) => orDash(peak.bytes[kind], showBytes));
  const rows = roles.map((role) => [role.name, showBytes(role.peakBytes), ...bytes(role)]);
  const drawn = table([{ title: 'role' }, ...numbers(['peak', ...shown])], rows, page);
  return `${drawn}\n${peaksInWords(roles)
    .map((line) => wrap(line, page, '  '))
    .join('\n')}`;
}

/** `role_0_0, role_0_1 at instruction 78: run update_0 (update, micro-batch 0)` */
function peaksInWords(roles: readonly RoleSummary[]): string[] {
  const moments = new Map<string, string[]>();
  for (const { name, peak } of roles) {
    const moment = `at instruction ${peak.instruction}: ${peak.what}`;
    moments.set(moment, [...(moments.get(moment) ?? []), name]);
  }
  return [...moments].map(([moment, names]) => `${names.join(', ')} ${moment}`);
}

/** Each kind of device twice: as predicted, where a machine is known, and as measured. */
export function measuredTable(
  { roles, measured }: PlanJson,
  shown: readonly RoleFigures[],
  page: Page,
): string {
  if (measured === undefined) return '';
  const rows = shown.flatMap(({ name, seconds }) => {
    const { seconds: found } = at(
      measured.roles,
      roles.findIndex((role) => role.name === name),
    );
    return [
      ...(seconds === undefined ? [] : [{ name: `${name} predicted`, seconds }]),
      { name: `${name} measured`, seconds: found },
    ];
  });
  return timeTable(rows, page);
}
