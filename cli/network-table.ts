import { showBytes, showCount } from '../ir/units.ts';
import type { NetworkSummary } from './network-summary.ts';
import { sizes } from './plan-tables.ts';
import { numbers, table } from './table.ts';
import { type Page, wholePage, wrap } from './terminal.ts';

/** The levels as a table, and the whole network in a few sentences below it. */
export function networkTable(summary: NetworkSummary, page: Page = wholePage): string {
  const rows = summary.levels.map((level) => [
    String(level.level),
    sizes(level.size),
    level.channels.join(', '),
    showCount(level.parameters),
    showCount(level.flops),
    showBytes(level.activationBytes),
    sizes(level.receptiveField),
  ]);
  const outputs = Object.entries(summary.outputs).map(([name, shape]) => `${name} (${sizes(shape)})`);
  const columns = numbers(['size', 'channels', 'parameters', 'FLOP', 'activations', 'sees']);
  const words = [
    `${summary.name}: ${summary.parameters.toLocaleString('en-US')} parameters, ${summary.ops} ops, ${showCount(summary.forwardFlops)}FLOP forward for one sample.`,
    `Each cell of the result sees ${sizes(summary.receptiveField)} cells of the image. Gives ${outputs.join(', ')}.`,
  ];
  return [table([{ title: 'level' }, ...columns], rows, page), '', wrap(words.join('\n'), page)].join('\n');
}
