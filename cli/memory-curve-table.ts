/** What a step would take within less or more memory, as a table. */
import type { Alternative } from '../ir/decision.ts';
import { showBytes, showSeconds } from '../ir/units.ts';
import { inShort, percent } from './decision-words.ts';
import { numbers, table } from './table.ts';
import { type Page, wrap } from './terminal.ts';

/** Rows that are shown. */
const most = 12;

/** Is it the one that was chosen? */
export const isChosen = (one: Alternative, chosen: Alternative): boolean =>
  one.seconds === chosen.seconds && one.memory === chosen.memory;

export function memoryCurveTable(
  curve: readonly Alternative[],
  chosen: Alternative,
  memoryBytes: number | undefined,
  page: Page,
): string {
  const rows = spread(curve, chosen, most).map(({ one }) => [
    showBytes(one.memory),
    showSeconds(one.seconds),
    change(one.seconds / chosen.seconds - 1),
    `${isChosen(one, chosen) ? 'chosen: ' : ''}${wrap(inShort(one), { ...page, width: Math.max(24, page.width - 40) })}`,
  ]);
  const columns = [{ title: 'memory', align: 'right' } as const, ...numbers(['step', 'slower'])];
  const drawn = table([...columns, { title: 'what it would be' }], rows, page);
  const note = `Of the fullest device, as the search prices it before the plan is lowered.${memoryBytes === undefined ? '' : ` A device has ${showBytes(memoryBytes)}.`}`;
  return `${drawn}\n${wrap(note, page)}`;
}

const change = (share: number): string =>
  Math.abs(share) < 5e-4 ? '-' : `${share > 0 ? '+' : '-'}${percent(Math.abs(share))}`;

type Point = { readonly one: Alternative; readonly index: number };

/** At most so many points: the first, the last, the one chosen, and others evenly by the logarithm of the memory. */
export function spread(curve: readonly Alternative[], chosen: Alternative, most: number): readonly Point[] {
  const points = curve.map((one, index) => ({ one, index }));
  if (curve.length <= most) return points;
  const logs = curve.map(({ memory }) => Math.log(memory));
  const [from = 0, to = 0] = [logs[0], logs.at(-1)];
  const kept = new Set([0, curve.length - 1, curve.findIndex((one) => isChosen(one, chosen))]);
  for (let index = 1; index < most - 2; index++) {
    const aim = from + ((to - from) * index) / (most - 2);
    kept.add(logs.findIndex((log) => log <= aim));
  }
  return points.filter(({ index }) => kept.has(index));
}
