/** Strips as a schedule decides them: what they name is there, lies apart, and can be done in rows at all. */
import { at } from '../box.ts';
import { type Diagnostic, diagnose, fault } from '../diagnostics/diagnostic.ts';
import type { Op } from '../graph.ts';
import type { Model } from '../model.ts';
import { ops } from '../ops/table.ts';
import type { Schedule, Strips } from '../schedule.ts';
import { chunkOfOps } from '../stages.ts';
import { axisOfStrips, endsOfStrips, opsInStrips } from '../strips.ts';

/** Far beyond any image. */
const most = 4096;

export function stripFaults(model: Model, schedule: Schedule): Diagnostic[] {
  const { strips } = schedule;
  return strips.flatMap((one, index) => {
    const [first, last] = endsOfStrips(model, one);
    const missing = [...(first < 0 ? [one.from] : []), ...(last < 0 ? [one.to] : [])];
    if (missing.length > 0)
      return missing.map((name) => wrong(one, `no op of the model is called \`${name}\``));
    if (axisOfStrips(model, one) < 0) return [wrong(one, `what the network gives has no ${one.of}`)];
    if (last < first) return [wrong(one, `\`${one.to}\` comes before \`${one.from}\``)];
    const again = strips.slice(0, index).find((other) => {
      const [begin, end] = endsOfStrips(model, other);
      return begin <= last && first <= end;
    });
    return [
      ...(again === undefined ? [] : [wrong(one, `they overlap those ${rangeOf(again)}`)]),
      ...(one.count > most ? [wrong(one, `there are at most ${most}`)] : []),
      ...(opsInStrips(model, one).length > 0 ? [] : [wrong(one, 'there is no map between the two')]),
      ...wholeFaults(model, one, first, last),
      ...apartFaults(model, schedule, one, first, last),
    ];
  });
}

const rangeOf = ({ from, to }: Strips): string => `from \`${from}\` to \`${to}\``;

const wrong = (strips: Strips, why: string, hint?: string): Diagnostic =>
  diagnose(fault('wrong-schedule', { why: `\`strips\` ${rangeOf(strips)}: ${why}` }), { hint });

/** What needs all rows before any goes back cannot be done in strips. */
function wholeFaults(model: Model, strips: Strips, first: number, last: number): Diagnostic[] {
  return model.ops.slice(first, last + 1).flatMap((op) => {
    const what = wholeOf(model, op);
    if (what === undefined) return [];
    const hint = `end the strips before \`${op.output}\`, or begin them after it; \`drop\` or more micro-batches need less memory as well`;
    return [wrong(strips, `\`${op.output}\` ${what}, which no strip has`, hint)];
  });
}

function wholeOf(model: Model, { kind, output }: Op): string | undefined {
  if (ops[kind].wholeExtent) return 'takes the statistics of a whole sample';
  const isSum = model.ops.some((reader) => ops[reader.kind].needsSums && reader.inputs.includes(output));
  return ops[kind].needsSums || isSum ? 'is made of sums over a whole sample' : undefined;
}

/** Nothing comes from other devices between the ops of a strip. */
function apartFaults(
  model: Model,
  { exchanges, chunks }: Schedule,
  strips: Strips,
  first: number,
  last: number,
): Diagnostic[] {
  const inside = new Set(model.ops.slice(first, last + 1).map(({ output }) => output));
  const fetching = exchanges.find(({ before }) => inside.has(before));
  const chunkOf = chunkOfOps(model, { chunks });
  return [
    ...(fetching === undefined
      ? []
      : [
          wrong(
            strips,
            `margins are exchanged before \`${fetching.before}\``,
            'recompute them there, or let the strips lie between the exchanges',
          ),
        ]),
    ...(at(chunkOf, first) === at(chunkOf, last)
      ? []
      : [wrong(strips, 'a stage begins between the two', 'let each strip lie in one stage')]),
  ];
}
