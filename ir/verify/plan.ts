/**
 * The proof that a plan is sound. It knows nothing of how plans are made: it goes from the model and the
 * grid, and checks each role at every tile that has it. All faults are listed.
 */
import { at } from '../box.ts';
import { type Diagnostic, diagnose, fault } from '../diagnostics/diagnostic.ts';
import type { Plan, Role } from '../plan.ts';
import { stagesOf } from '../schedule.ts';
import { tiledExtents } from '../tiling.ts';
import { onceForAlike } from './alike.ts';
import { verifyArena } from './arena.ts';
import { verifyExchanges } from './exchanges.ts';
import { verifyGathers } from './gathers.ts';
import { verifyGraph } from './graph.ts';
import { indexed, type RoleCheck } from './indexed.ts';
import { placeOf, verifyLives, verifySizes } from './lives.ts';
import { verifyMeetings } from './meetings.ts';
import { verifyModel } from './model.ts';
import { verifyReductions } from './reductions.ts';
import { verifyRegions } from './regions.ts';
import { verifySchedule } from './schedule.ts';
import { verifyStages } from './stages.ts';
import { verifySources, verifySteps } from './steps.ts';
import { verifyStrips } from './strips.ts';
import { verifySweeps } from './sweeps.ts';

/** `allocated`: also check the places of the buffers and the predicted peak. */
export function verifyPlan(plan: Plan, allocated = true): Diagnostic[] {
  const basis = [
    ...verifyModel(plan.model),
    ...verifySchedule(plan.model, plan.schedule),
    ...verifyGrid(plan),
    ...verifyHeader(plan),
  ];
  // Without a sound model and grid there is nothing to hold the roles against.
  if (basis.length > 0) return basis;
  const index = indexed(plan);
  const places = placesOfSegments(plan);
  const checks = [...roleChecks, ...(allocated ? [verifyArena] : [])].map((check) => check(index));
  return [
    ...plan.segments.flatMap(({ graph, name }) => verifyGraph(graph, places.get(name) ?? name)),
    ...index.roles.flatMap((role) => checks.flatMap((check) => check(role))),
    ...verifyRegions(index),
    ...verifyExchanges(index),
    ...(plan.purpose === 'train' ? verifyMeetings(index) : []),
  ];
}

const roleChecks: readonly RoleCheck[] = [
  onceForAlike(verifyLives),
  verifySizes,
  verifySources,
  onceForAlike(verifySteps),
  onceForAlike(verifyReductions),
  verifyGathers,
  onceForAlike(verifyStages),
  verifyStrips,
  onceForAlike(verifySweeps),
];

/** The first instruction that runs each segment. */
function placesOfSegments({ roles }: Plan): Map<string, string> {
  const places = new Map<string, string>();
  for (const role of roles)
    for (let index = 0; index < role.instructions.length; index++) {
      const one = at(role.instructions, index);
      if (one.do === 'run' && !places.has(one.segment)) places.set(one.segment, placeOf(role, index));
    }
  return places;
}

/** Purpose, samples and states are those that follow from the model and the schedule. */
function verifyHeader({ name, model, schedule, purpose, samples, states }: Plan): Diagnostic[] {
  const place = `plan ${name}`;
  const wrong = (why: string) => diagnose(fault('wrong-step', { place, why }));
  const trains = model.loss !== undefined && model.training !== undefined;
  const batch = trains ? (model.training?.batch ?? 1) / (schedule.replicas * schedule.microBatches) : 1;
  const known = new Set(model.parameters.map(({ name: parameter }) => parameter));
  const slots = states.map(({ parameter, slot }) => `${parameter} ${slot}`);
  return [
    ...(purpose === (trains ? 'train' : 'predict') ? [] : [wrong(`the model does not ${purpose}`)]),
    ...(samples === batch ? [] : [wrong(`a micro-batch has ${batch} samples, not ${samples}`)]),
    ...(new Set(slots).size === slots.length ? [] : [wrong('a state is kept twice')]),
    ...[...known]
      .filter((parameter) => !slots.includes(`${parameter} weight`))
      .map((parameter) => wrong(`the weight \`${parameter}\` is not kept`)),
    ...states
      .filter(
        ({ parameter, slot, buffer }) =>
          !known.has(parameter) || (slot === 'weight') !== (buffer === parameter),
      )
      .map(({ buffer }) => wrong(`state \`${buffer}\` is not what it says`)),
  ];
}

/** Each axis is cut as the schedule says, and each tile has exactly one role. */
function verifyGrid(plan: Plan): Diagnostic[] {
  const place = `plan ${plan.name}`;
  const extents = tiledExtents(plan.model);
  const wrong = (why: string) => diagnose(fault('wrong-grid', { place, why }));
  const axes = plan.axes.flatMap(({ cuts, tiles, classes }, axis) => {
    const parts = at(plan.schedule.stream, axis);
    const places = (cuts.length - 1) / parts;
    const mixed = classes.some((kind, place) => {
      const own = (of: number) => tiles.slice(of * parts, (of + 1) * parts).join();
      return own(place) !== own(classes.indexOf(kind));
    });
    return [
      ...(cuts.join() === plan.schedule.cuts[axis]?.join()
        ? []
        : [wrong(`axis ${axis} is not cut as scheduled`)]),
      ...(classes.length === places && tiles.length === cuts.length - 1 && cuts.at(-1) === at(extents, axis)
        ? []
        : [wrong(`axis ${axis} has ${classes.length} classes for ${places} places`)]),
      ...(mixed ? [wrong(`on axis ${axis} places of one class have tiles of different ones`)] : []),
    ];
  });
  if (axes.length > 0 || plan.axes.length !== extents.length) return [...axes, ...rankFault(plan, wrong)];
  const combinations = plan.axes.reduce<string[]>(
    (all, { classes }) => all.flatMap((prefix) => [...new Set(classes)].map((c) => `${prefix}${c},`)),
    [''],
  );
  const stages = Array.from({ length: stagesOf(plan.schedule) }, (_, stage) => stage);
  const key = ({ classes }: Role) => classes.map((c) => `${c},`).join('');
  return stages.flatMap((stage) =>
    combinations
      .filter((one) => plan.roles.filter((role) => role.stage === stage && key(role) === one).length !== 1)
      .map((one) => wrong(`places of classes ${one} in stage ${stage} need exactly one role`)),
  );
}

function rankFault(plan: Plan, wrong: (why: string) => Diagnostic): Diagnostic[] {
  return plan.axes.length === plan.model.rank
    ? []
    : [wrong(`${plan.axes.length} axes for rank ${plan.model.rank}`)];
}
