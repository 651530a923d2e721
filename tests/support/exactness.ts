/** What the laws compare: the plain network and a plan of it, in float64 on the same drawn batch. */

import { carryOut } from '../../compiler/compile.ts';
import { runPasses } from '../../compiler/pass-manager.ts';
import { planPipeline } from '../../compiler/pipelines.ts';
import type { Result } from '../../ir/diagnostics/diagnostic.ts';
import { initialWeights } from '../../ir/draw.ts';
import { type Model, statisticsOf } from '../../ir/model.ts';
import type { Plan } from '../../ir/plan.ts';
import { type Pins, plainDecisions, type Schedule } from '../../ir/schedule.ts';
import { elementsOf } from '../../ir/type.ts';
import { numbers } from './schedules.ts';

export type Feeds = { readonly step: number; readonly inputs: Map<string, Float64Array> };

/**
 * Pixels and labels of a whole batch; some labels are not counted, some pixels tie. Of every third batch the
 * first sample has no label at all.
 */
export function drawFeeds(model: Model, seed: number, unlabelled = 0.2): Feeds {
  const draw = numbers(seed);
  const batch = model.training?.batch ?? 1;
  const inputs = model.inputs.flatMap(({ name, type, source }): [string, Float64Array][] => {
    if (source.from !== 'image' && source.from !== 'target') return [];
    const size = elementsOf(type) * batch;
    const classes = source.from === 'target' ? source.classes : undefined;
    const label = () => (draw(100) < unlabelled * 100 ? 255 : draw(classes ?? 1));
    const next = classes === undefined ? () => draw(9) / 4 - 1 : label;
    const values = Float64Array.from({ length: size }, next);
    return [[name, classes !== undefined && seed % 3 === 0 ? values.fill(255, 0, size / batch) : values]];
  });
  return { step: 0, inputs: new Map(inputs) };
}

export function drawnWeights(model: Model): Map<string, Float64Array> {
  const running = new Set(statisticsOf(model).map(({ parameter }) => parameter));
  return new Map(
    model.parameters.map((parameter, i) => {
      // Biases too get values, so that a wrong one shows.
      const init = { kind: 'he_uniform', fanIn: 6 + i } as const;
      const values = Float64Array.from(initialWeights({ ...parameter, init }, 1));
      // No variance is below 0.
      return [parameter.name, running.has(parameter.name) ? values.map(Math.abs) : values];
    }),
  );
}

/** Drawn pins leave nothing open: the plain default, which would lower the plan once more, has nothing to decide. */
export function planOf(model: Model, pins: Pins): Plan {
  if (isComplete(pins)) return carriedOut(carryOut(model, { name: model.name, ...pins }));
  const result = runPasses(planPipeline, { stage: 'model', model, pins });
  const module = carriedOut(result);
  if (module.stage !== 'plan') throw new Error('no plan');
  return module.plan;
}

const isComplete = (pins: Pins): pins is Omit<Schedule, 'name'> =>
  ['devices', 'cuts', ...Object.keys(plainDecisions(1))].every((decision) => decision in pins) &&
  !['tiles', 'stages', 'memory'].some((open) => open in pins);

function carriedOut<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  throw new Error(result.diagnostics.map(({ message }) => message).join('; '));
}
