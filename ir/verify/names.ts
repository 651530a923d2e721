/** What the local names of a role mean in the model. */
import { at } from '../box.ts';
import type { Graph } from '../graph.ts';
import { modelTypes } from '../intervals.ts';
import type { Model } from '../model.ts';
import type { Plan, Role, Segment } from '../plan.ts';
import { remembered } from '../remembered.ts';
import { readStripName } from '../strips.ts';
import { isInSweep, outOfSweep } from '../sweeps.ts';

/** The ending of what is computed a second time. */
const again = '~again';

/** The value of the model that a local value holds cells of; undefined for cotangents and what meetings need. */
export type Meaning = (name: string) => string | undefined;

export const segmentsOf = (plan: Plan, role: Role): Segment[] => {
  const used = new Set(segmentNames(role));
  return plan.segments.filter(({ name }) => used.has(name));
};

const segmentNames = ({ instructions }: Role): string[] =>
  instructions.flatMap((one) => (one.do === 'run' && one.why !== 'update' ? [one.segment] : []));

/** A value is what the model calls so, a piece cut from one, what was fetched of one, or any of these once more. */
export const meaningsOf = remembered((plan: Plan): ((role: Role) => Meaning) => {
  const known = new Set(modelTypes(plan.model).keys());
  const segments = new Map(plan.segments.map(({ name, graph }) => [name, graph]));
  const byPlace = new Map<string, Meaning>();
  return ({ classes }) => {
    const place = classes.join();
    const meaning = byPlace.get(place) ?? meaningAt(plan, segments, known, place);
    byPlace.set(place, meaning);
    return meaning;
  };
});

/** What one stage cuts out, another stage of the same place may read. */
function meaningAt(
  plan: Plan,
  segments: ReadonlyMap<string, Graph>,
  known: ReadonlySet<string>,
  place: string,
): Meaning {
  const sources = new Map<string, string>();
  const stages = plan.roles.filter(({ classes }) => classes.join() === place);
  const used = new Set(stages.flatMap(segmentNames));
  for (const name of used)
    for (const op of segments.get(name)?.ops ?? [])
      if (op.kind === 'crop') sources.set(op.output, at(op.inputs, 0));
  for (const one of stages.flatMap(({ instructions }) => instructions))
    if (one.do === 'exchange' && !one.back && one.into !== undefined) sources.set(one.name, one.value);
  const meaning = (name: string, depth = 0): string | undefined => {
    if (known.has(name)) return name;
    const strip = readStripName(name);
    if (strip?.kind === 'strip' || strip?.kind === 'own') {
      // A piece that strips alone cut out has its source under its name there.
      const value = meaning(strip.value, depth + 1);
      if (value !== undefined) return value;
    }
    const first = name.endsWith(again)
      ? name.slice(0, -again.length)
      : isInSweep(name)
        ? outOfSweep(name)
        : undefined;
    const source = first !== undefined && known.has(first) ? first : (sources.get(name) ?? first);
    return source === undefined || depth > sources.size + 2 ? undefined : meaning(source, depth + 1);
  };
  const found = new Map<string, string | undefined>();
  return (name) => {
    if (found.has(name)) return found.get(name);
    const value = meaning(name);
    found.set(name, value);
    return value;
  };
}

/** The op of the model that a local op carries out, be it for the first time or again. */
export function carriedOut(model: Model): (output: string) => Model['ops'][number] | undefined {
  const byOutput = new Map(model.ops.map((op) => [op.output, op]));
  return (output) =>
    byOutput.get(
      output.includes('~') ? outOfSweep(output).replace(/~(again|part|(strip|own)\d+\.\d+)$/, '') : output,
    );
}
