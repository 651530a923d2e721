/** What belongs to which pipeline stage. */
import { at } from './box.ts';
import { type Input, type Model, type Output, type Statistic, statisticsOf } from './model.ts';
import { remembered } from './remembered.ts';
import type { Schedule } from './schedule.ts';

/** For each op of the model the chunk that it belongs to. */
export const chunkOfOps = (model: Model, { chunks }: Pick<Schedule, 'chunks'>): readonly number[] =>
  chunkingOf(model)(chunks);

const chunkingOf = remembered((model: Model) =>
  remembered((chunks: Schedule['chunks']): readonly number[] => inChunks(model, chunks)),
);

function inChunks(model: Model, chunks: Schedule['chunks']): number[] {
  // The first chunk begins with the model, wherever it says that it does.
  const begins = new Map(
    chunks
      .map(({ from }, index) => [from, index] as const)
      .slice(1)
      .reverse(),
  );
  let chunk = 0;
  return model.ops.map(({ output }) => {
    chunk = begins.get(output) ?? chunk;
    return chunk;
  });
}

/** For each chunk its stage; a network that is not cut is one chunk of one stage. */
export const stageOfChunks = ({ chunks }: Pick<Schedule, 'chunks'>): number[] =>
  chunks.length === 0 ? [0] : chunks.map(({ stage }) => stage);

export type InputFrom<F extends Input['source']['from']> = Input & {
  readonly source: Extract<Input['source'], { from: F }>;
};

export const inputsFrom = <F extends Input['source']['from']>(model: Model, from: F): InputFrom<F>[] =>
  model.inputs.filter((input): input is InputFrom<F> => input.source.from === from);

/** Predictions that there are labels for. */
export function scoredOutputs(model: Model): readonly Output[] {
  const targets = new Set(inputsFrom(model, 'target').map(({ name }) => name));
  return model.outputs.filter(({ name }) => targets.has(name));
}

export type Belongings = {
  /** Parameters that its ops read, or whose running statistics it makes. */
  readonly parameters: ReadonlySet<string>;
  readonly targets: readonly InputFrom<'target'>[];
  readonly counts: readonly InputFrom<'count'>[];
  /** Running statistics whose values are made here. */
  readonly statistics: readonly Statistic[];
  /** Predictions that are scored here. */
  readonly scored: readonly Output[];
  /** Whether the loss of the model is made here. */
  readonly loss: boolean;
};

/** What the ops of the chunks of a stage read and give. */
export function belongings(model: Model, schedule: Pick<Schedule, 'chunks'>, stage: number): Belongings {
  const chunks = chunkOfOps(model, schedule);
  const stages = stageOfChunks(schedule);
  const own = model.ops.filter((_, index) => at(stages, at(chunks, index)) === stage);
  const reads = new Set(own.flatMap(({ inputs }) => inputs));
  const makes = new Set(own.map(({ output }) => output));
  const scored = scoredOutputs(model).filter(({ value }) => makes.has(value));
  const statistics = statisticsOf(model).filter(({ value }) => makes.has(value));
  const kept = new Set(statistics.map(({ parameter }) => parameter));
  const names = model.parameters.map(({ name }) => name);
  return {
    parameters: new Set(names.filter((name) => reads.has(name) || kept.has(name))),
    targets: inputsFrom(model, 'target').filter(
      ({ name }) => reads.has(name) || scored.some((one) => one.name === name),
    ),
    counts: inputsFrom(model, 'count').filter(({ name }) => reads.has(name)),
    statistics,
    scored,
    loss: model.loss !== undefined && makes.has(model.loss),
  };
}
