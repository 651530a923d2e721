/**
 * Names of weights that another program trained: a JSON file that says for each of our parameters which of
 * their tensors it is.
 *
 * ```json
 * { "unet.encode[0].conv[0].weight": { "dims": [16, 3, 3, 3], "from": "inc.double_conv.0.weight" } }
 * ```
 * `dims` is there for people. Instead of the object the name alone will do. Every parameter must be listed;
 * `null` instead of a name leaves it as the model draws it, such as the last convolution for other classes.
 */
import {
  type Diagnostic,
  diagnose,
  failure,
  fault,
  type Result,
  success,
} from '../ir/diagnostics/diagnostic.ts';
import type { Model } from '../ir/model.ts';
import { reasonOf } from './files/reason.ts';

/** Their name by ours; null: not theirs. */
export type WeightNames = ReadonlyMap<string, string | null>;

type Named = Pick<Model, 'parameters'>;

/** The file to be filled in: every parameter under its own name. */
export function weightNamesText({ parameters }: Named): string {
  const lines = parameters.map(({ name, dims }) => {
    const entry = `{ "dims": [${dims.join(', ')}], "from": ${JSON.stringify(name)} }`;
    return `  ${JSON.stringify(name)}: ${entry}`;
  });
  return `{\n${lines.join(',\n')}\n}\n`;
}

/** Reads the text of such a file. Errors: `weight-names-invalid`, all of them at once. */
export function readWeightNames(text: string, file: string, { parameters }: Named): Result<WeightNames> {
  const refuse = (problem: string): Diagnostic => diagnose(fault('weight-names-invalid', { file, problem }));
  const entries = parseEntries(text);
  if (typeof entries === 'string') return failure(refuse(entries));
  const names = new Map(parameters.map(({ name }) => [name, nameIn(entries.get(name))]));
  const used = [...names.values()];
  const problems = [
    ...[...entries.keys()]
      .filter((key) => !names.has(key))
      .map((key) => `\`${key}\` is no parameter of the network`),
    ...[...names].flatMap(([ours, theirs]) =>
      theirs === undefined ? [`\`${ours}\` has no name in \`from\` (null: let it be drawn)`] : [],
    ),
    ...[...new Set(used)]
      .filter((one) => typeof one === 'string' && used.indexOf(one) !== used.lastIndexOf(one))
      .map((one) => `\`${one}\` is given to two parameters`),
  ];
  if (problems.length > 0) return failure(...problems.map(refuse));
  return success(
    new Map([...names].flatMap(([ours, theirs]) => (theirs === undefined ? [] : [[ours, theirs]]))),
  );
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The entries, or what is wrong. */
function parseEntries(text: string): ReadonlyMap<string, unknown> | string {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? new Map(Object.entries(value)) : 'it is not an object';
  } catch (error) {
    return `it is not JSON: ${reasonOf(error)}`;
  }
}

function nameIn(entry: unknown): string | null | undefined {
  const name = isRecord(entry) ? entry.from : entry;
  if (name === null) return null;
  return typeof name === 'string' && name !== '' ? name : undefined;
}
