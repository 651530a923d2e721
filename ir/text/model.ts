/** Models as text. */
import type { Op } from '../graph.ts';
import {
  type Init,
  type Input,
  type Model,
  type Output,
  type Parameter,
  type Source,
  type Statistic,
  statisticsOf,
  type Training,
} from '../model.ts';
import type { Cursor } from './cursor.ts';
import { type Data, printData, printName, readRecord } from './data.ts';
import { printOp, printType, readOp, readType } from './graph.ts';

export const indent = (lines: readonly string[]): string[] => lines.map((line) => `  ${line}`);

export const printModelLines = (model: Model): string[] => [
  `model ${printName(model.name)} {`,
  ...indent([
    `rank ${model.rank}`,
    ...model.inputs.map(
      ({ name, type, source }) =>
        `input ${printName(name)} : ${printType(type)} ${printData(source as Data)}`,
    ),
    ...model.parameters.map(
      ({ name, dims, init }) =>
        `parameter ${printName(name)} [${dims.join(', ')}] ${printData(init as Data)}`,
    ),
    ...model.ops.map((op) => `let ${printOp(op)}`),
    ...(model.loss === undefined ? [] : [`loss ${printName(model.loss)}`]),
    ...statisticsOf(model).map(
      ({ parameter, value, momentum }) =>
        `statistic ${printName(parameter)} ${printName(value)} ${printData({ momentum })}`,
    ),
    ...model.outputs.map(({ name, value }) => `output ${printName(name)} ${printName(value)}`),
    ...(model.training === undefined ? [] : [`training ${printData(model.training as unknown as Data)}`]),
  ]),
  '}',
];

export const printModel = (model: Model): string => `${printModelLines(model).join('\n')}\n`;

type Draft = {
  rank: number;
  inputs: Input[];
  parameters: Parameter[];
  ops: Op[];
  outputs: Output[];
  loss?: string;
  statistics?: Statistic[];
  training?: Training;
};

/** Reads one line of a model into the draft. The verifier judges what the records hold. */
const lines: { readonly [word: string]: (cursor: Cursor, draft: Draft) => void } = {
  rank: (cursor, draft) => {
    draft.rank = cursor.integer();
  },
  input: (cursor, draft) => {
    const name = cursor.name();
    cursor.expect(':');
    draft.inputs.push({ name, type: readType(cursor), source: readRecord(cursor) as Source });
  },
  parameter: (cursor, draft) => {
    const name = cursor.name();
    const dims = cursor.list(() => cursor.integer());
    draft.parameters.push({ name, dims, init: readRecord(cursor) as Init });
  },
  let: (cursor, draft) => {
    draft.ops.push(readOp(cursor));
  },
  loss: (cursor, draft) => {
    draft.loss = cursor.name();
  },
  statistic: (cursor, draft) => {
    const [parameter, value] = [cursor.name(), cursor.name()];
    const { momentum } = readRecord(cursor) as Pick<Statistic, 'momentum'>;
    draft.statistics = [...(draft.statistics ?? []), { parameter, value, momentum }];
  },
  output: (cursor, draft) => {
    draft.outputs.push({ name: cursor.name(), value: cursor.name() });
  },
  training: (cursor, draft) => {
    draft.training = readRecord(cursor) as unknown as Training;
  },
};

export function readModel(cursor: Cursor): Model {
  cursor.expect('model');
  const name = cursor.name();
  const draft: Draft = { rank: 2, inputs: [], parameters: [], ops: [], outputs: [] };
  cursor.block(() => lines[cursor.oneOf(Object.keys(lines))]?.(cursor, draft));
  return { name, ...draft };
}
