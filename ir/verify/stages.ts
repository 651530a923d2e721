/** Pipeline stages: every op is done, and done again, in the stage that the schedule gives it to. */
import { at } from '../box.ts';
import { diagnose, fault } from '../diagnostics/diagnostic.ts';
import { chunkOfOps, stageOfChunks } from '../stages.ts';
import type { NamedCheck, NamedSegment } from './alike.ts';
import { placeOf } from './lives.ts';

export const verifyStages: NamedCheck = ({ plan: { model, schedule, purpose }, segments }) => {
  if (purpose === 'predict' || schedule.chunks.length === 0) return () => [];
  const stages = stageOfChunks(schedule);
  const chunks = chunkOfOps(model, schedule);
  const stageOf = new Map(model.ops.map(({ output }, index) => [output, at(stages, at(chunks, index))]));
  const places = new Map([...segments].map(([name, { graph }]) => [name, placesOf(graph, stageOf)]));
  return ({ role }) =>
    role.instructions.flatMap((one, index) => {
      if (one.do !== 'run' || one.why === 'update') return [];
      const elsewhere = (places.get(one.segment) ?? []).filter(({ stage }) => stage !== role.stage);
      return elsewhere.map(({ output, stage }) => {
        const why = `\`${output}\` belongs to stage ${stage}, not ${role.stage}`;
        return diagnose(fault('wrong-step', { place: placeOf(role, index), why }));
      });
    });
};

/** The results of a graph that are of the model, be it once more or in part, and their stages. */
const placesOf = (
  { ops }: NamedSegment['graph'],
  stageOf: ReadonlyMap<string, number>,
): { output: string; stage: number }[] =>
  ops.flatMap(({ output }) => {
    const stage = stageOf.get(output.replace(/~(again|part)$/, ''));
    return stage === undefined ? [] : [{ output, stage }];
  });
