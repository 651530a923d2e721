/** Schedules: that the decisions fit the model and each other. A person may have written one. */
import { at } from '../box.ts';
import { type Diagnostic, diagnose, fault } from '../diagnostics/diagnostic.ts';
import { isSpatial, modelTypes } from '../intervals.ts';
import { leanValues } from '../lean.ts';
import type { Model } from '../model.ts';
import { type Schedule, stagesOf, tilesOf } from '../schedule.ts';
import { chunkOfOps, stageOfChunks } from '../stages.ts';
import { tiledExtents } from '../tiling.ts';
import { product } from '../type.ts';
import { stripFaults } from './strip-decisions.ts';

const wrong = (why: string, hint?: string): Diagnostic =>
  diagnose(fault('wrong-schedule', { why }), { hint });

/** Far beyond any machine, and small enough that a slip of the pen costs a message and no memory. */
const most = { devices: 1_000_000, microBatches: 4096, buckets: 1024, pace: 1_000_000 } as const;

export function verifySchedule(model: Model, schedule: Schedule): Diagnostic[] {
  const { cuts, stream } = schedule;
  if (cuts.length !== model.rank)
    return [wrong(`the schedule cuts ${cuts.length} axes, and the model has ${model.rank}`)];
  if (stream.length !== model.rank)
    return [wrong(`\`stream\` counts tiles on ${stream.length} axes, and the model has ${model.rank}`)];
  const faults = [...cutFaults(model, schedule), ...sizeFaults(schedule)];
  if (model.training === undefined || model.loss === undefined) return faults;
  return [
    ...faults,
    ...countFaults(model, schedule),
    ...haloFaults(model, schedule),
    ...stageFaults(model, schedule),
    ...dropFaults(model, schedule),
    ...leanFaults(model, schedule),
    ...stripFaults(model, schedule),
  ];
}

const cutFaults = (model: Model, { cuts, stream }: Schedule): Diagnostic[] =>
  tiledExtents(model).flatMap((extent, axis) => {
    const marks = at(cuts, axis);
    const rises =
      marks[0] === 0 && marks.at(-1) === extent && marks.every((cut, i) => i === 0 || cut > at(marks, i - 1));
    const parts = at(stream, axis);
    return [
      ...(rises
        ? []
        : [wrong(`cuts ${marks.join(' ')} must rise from 0 to ${extent}, the extent of the output`)]),
      ...((marks.length - 1) % parts === 0
        ? []
        : [wrong(`${marks.length - 1} tiles of an axis cannot be shared out by ${parts} a device`)]),
    ];
  });

function sizeFaults(schedule: Schedule): Diagnostic[] {
  const { devices, replicas, microBatches } = schedule;
  const faults: Diagnostic[] = [];
  if (Math.max(devices, replicas, product(tilesOf(schedule))) > most.devices)
    faults.push(wrong(`a schedule has at most ${most.devices} devices, replicas and tiles`));
  if ((schedule.buckets ?? 1) > most.buckets)
    faults.push(wrong(`a step has at most ${most.buckets} buckets of gradients, not ${schedule.buckets}`));
  if (microBatches > most.microBatches)
    faults.push(wrong(`a step has at most ${most.microBatches} micro-batches, not ${microBatches}`));
  return faults;
}

function countFaults(model: Model, schedule: Schedule): Diagnostic[] {
  const { devices, replicas, microBatches, stream } = schedule;
  const faults: Diagnostic[] = [];
  const stages = stagesOf(schedule);
  const needed = (replicas * stages * product(tilesOf(schedule))) / product(stream);
  const parts = stages === 1 ? '' : ` in ${stages} stages`;
  const streamed = product(stream) === 1 ? '' : `, ${product(stream)} a device,`;
  if (devices !== needed)
    faults.push(
      wrong(
        `${replicas} replicas of ${tilesOf(schedule).join(' x ')} tiles${streamed}${parts} are ${needed} devices, not ${devices}`,
      ),
    );
  const { batch = 1 } = model.training ?? {};
  if (batch % (replicas * microBatches) !== 0)
    faults.push(
      wrong(
        `a batch of ${batch} cannot be shared by ${replicas} replicas in ${microBatches} micro-batches each`,
      ),
    );
  return faults;
}

/** Margins are of maps of floats that an op reads, and each edge has one decision. */
function haloFaults(model: Model, { exchanges, stream, coarsen }: Schedule): Diagnostic[] {
  const types = modelTypes(model);
  const byOutput = new Map(model.ops.map((op) => [op.output, op]));
  const seen = new Set<string>();
  const faults = exchanges.flatMap(({ before, operand }) => {
    const op = byOutput.get(before);
    const type = types.get(op?.inputs[operand] ?? '');
    const key = `${before} ${operand}`;
    const again = seen.has(key);
    seen.add(key);
    if (op === undefined)
      return [wrong(`\`exchange\` before \`${before}\`: no op of the model is called so`)];
    if (!isSpatial(type) || type?.element !== 'f32' || !isSpatial(op.type))
      return [wrong(`\`exchange\` before \`${before}\`: its operand ${operand} is no map with margins`)];
    return again ? [wrong(`\`exchange\` before \`${before}\` is decided twice`)] : [];
  });
  if (product(stream) > 1 && exchanges.length > 0)
    faults.push(
      wrong(
        'tiles that a device works through one after another cannot exchange margins: leave `halo overlap`',
      ),
    );
  if (coarsen !== undefined && coarsen.grid.length !== model.rank)
    faults.push(wrong(`\`coarsen\` groups ${coarsen.grid.length} axes, and the model has ${model.rank}`));
  if (coarsen !== undefined && product(stream) > 1)
    faults.push(wrong('tiles that a device works through one after another cannot be computed in common'));
  return faults;
}

/** Chunks begin in the order of the ops, every stage has one, and no stage needs a later chunk of another. */
function stageFaults(model: Model, schedule: Schedule): Diagnostic[] {
  const { chunks, order, stream } = schedule;
  if (chunks.length === 0) return schedule.pace === undefined ? [] : [wrong('`pace` needs stages')];
  const place = new Map(model.ops.map(({ output }, index) => [output, index]));
  const starts = chunks.slice(1).map(({ from }) => place.get(from) ?? -1);
  const faults: Diagnostic[] = [];
  chunks.slice(1).forEach(({ from }, i) => {
    if (at(starts, i) < 1)
      faults.push(wrong(`a stage begins at \`${from}\`, which is no op after the first`));
    else if (i > 0 && at(starts, i) <= at(starts, i - 1))
      faults.push(wrong(`a stage begins at \`${from}\`, which does not come after the one before it`));
  });
  const stages = stageOfChunks(schedule);
  for (let stage = 0; stage < stagesOf(schedule); stage++)
    if (!stages.includes(stage)) faults.push(wrong(`stage ${stage} has no part of the network`));
  if (product(stream) > 1)
    faults.push(wrong('tiles that a device works through one after another cannot be cut into stages'));
  faults.push(...paceFaults(schedule));
  if (stagesOf(schedule) === 1 && order !== 'one_after_another')
    faults.push(wrong(`the order \`${order}\` needs stages`));
  return faults.length > 0 ? faults : [...faults, ...sharedFaults(model, schedule)];
}

function paceFaults({ chunks, pace, order }: Schedule): Diagnostic[] {
  if (pace === undefined) return [];
  const times = [...pace.forward, ...pace.backward];
  const counts = [pace.inFlight, ...times];
  const faults: Diagnostic[] = [];
  if (order !== '1f1b') faults.push(wrong('`pace` belongs to the order `1f1b`'));
  if (pace.forward.length !== chunks.length || pace.backward.length !== chunks.length)
    faults.push(
      wrong(`\`pace\` times ${pace.forward.length} parts of the network, and it has ${chunks.length}`),
    );
  if (!counts.every((one) => Number.isInteger(one) && one >= 1 && one <= most.pace))
    faults.push(wrong(`\`pace\` counts in whole numbers from 1 to ${most.pace}`));
  return faults;
}

/** A parameter that ops of two stages read would need its gradient summed over both. */
function sharedFaults(model: Model, schedule: Schedule): Diagnostic[] {
  const chunks = chunkOfOps(model, schedule);
  const stages = stageOfChunks(schedule);
  const byParameter = new Map(model.parameters.map(({ name }) => [name, new Set<number>()]));
  for (const [index, { inputs }] of model.ops.entries())
    for (const name of inputs) byParameter.get(name)?.add(at(stages, at(chunks, index)));
  return [...byParameter].flatMap(([name, readers]) => {
    return readers.size > 1 ? [wrong(`\`${name}\` is read in the stages ${[...readers].join(' and ')}`)] : [];
  });
}

const dropFaults = (model: Model, { drop }: Schedule): Diagnostic[] => {
  const maps = new Set(model.ops.filter(({ type }) => isSpatial(type)).map(({ output }) => output));
  return drop
    .filter((name) => !maps.has(name))
    .map((name) => wrong(`\`drop\` names \`${name}\`, which is no map that an op of the model gives`));
};

const leanFaults = (model: Model, { lean = [] }: Schedule): Diagnostic[] => {
  if (lean.length === 0) return [];
  const known = new Set(leanValues(model));
  return lean
    .filter((name) => !known.has(name))
    .map((name) => wrong(`\`lean\` names \`${name}\`, of which the way back needs more than a byte a cell`));
};
