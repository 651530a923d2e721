/** Pipeline stages: every op is done, and done again, in the stage that the schedule gives it to. */
import { at } from '../box.ts';
import { type Diagnostic, diagnose, fault } from '../diagnostics/diagnostic.ts';
import type { Plan, Role } from '../plan.ts';
import { chunkOfOps, stageOfChunks } from '../stages.ts';
import { placeOf } from './lives.ts';

export function verifyStages({ model, schedule, segments }: Plan, role: Role): Diagnostic[] {
  if (schedule.chunks.length === 0) return [];
  const stages = stageOfChunks(schedule);
  const chunks = chunkOfOps(model, schedule);
  const stageOf = new Map(model.ops.map(({ output }, index) => [output, at(stages, at(chunks, index))]));
  const graphs = new Map(segments.map(({ name, graph }) => [name, graph]));
  return role.instructions.flatMap((one, index) => {
    if (one.do !== 'run' || one.why === 'update') return [];
    return (graphs.get(one.segment)?.ops ?? []).flatMap(({ output }) => {
      const stage = stageOf.get(output.replace(/~(again|part)$/, ''));
      if (stage === undefined || stage === role.stage) return [];
      const why = `\`${output}\` belongs to stage ${stage}, not ${role.stage}`;
      return [diagnose(fault('wrong-step', { place: placeOf(role, index), why }))];
    });
  });
}
