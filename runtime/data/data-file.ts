/**
 * `data.json`: which images belong together, what their labels mean, and what is trained and tested on.
 *
 * ```json
 * {
 *   "pairs":   [{ "image": "scene.jpg", "label": "land.png" }],   // name: the image's base name, or "name"
 *   "labels":  { "0": 0, "255": 1, "7": null },                   // value in the file → class; null: not labelled
 *   "splits":  { "train": [{ "pair": "scene", "columns": [0, 2048] }],   // rows, columns: from, to (exclusive)
 *                "test":  ["scene2", "scene3"] },                         // whole images by name
 *   "windows": "anywhere",                                        // or "grid": side by side, each once an epoch
 *   "augment": { "flips": true, "quarter_turns": true, "brightness": 0.1, "contrast": 0.1 }
 * }
 * ```
 * Only `pairs` must be there. Paths are relative to the file. Without `labels` a value is its class, and 255 is
 * not labelled. Without `splits` everything is `train`. Unknown keys are errors.
 */
import {
  type Diagnostic,
  diagnose,
  failure,
  fault,
  type Result,
  success,
} from '../../ir/diagnostics/diagnostic.ts';
import { NOT_LABELLED, type Windows } from './data.ts';

/**
 * Changes of training windows, drawn by (seed, step, sample) and equal for all tiles of a sample.
 * A pixel v becomes (v - middle) * (1 + c) + middle + b * full scale, held between 0 and full scale, with c
 * uniform in ±contrast and b in ±brightness; `middle` is half of the full scale (255 or 65535).
 */
export type Augment = {
  /** Each axis reversed with probability 1/2. */
  readonly flips: boolean;
  /** Turned by 0, 1, 2 or 3 quarters; windows have to be square. */
  readonly quarterTurns: boolean;
  readonly brightness: number;
  readonly contrast: number;
};

export const noAugment: Augment = { flips: false, quarterTurns: false, brightness: 0, contrast: 0 };

export type PairEntry = { readonly name: string; readonly image: string; readonly label?: string };

/** Part of a pair's image; what is left out is whole. */
export type AreaEntry = {
  readonly pair: string;
  readonly rows?: readonly [number, number];
  readonly columns?: readonly [number, number];
};

export type DataFile = {
  readonly pairs: readonly PairEntry[];
  readonly labels?: ReadonlyMap<number, number>;
  readonly splits?: ReadonlyMap<string, readonly AreaEntry[]>;
  readonly windows?: Windows;
  readonly augment: Augment;
};

type Report = (path: string, problem: string) => void;

type Fields = Readonly<Record<string, unknown>>;

/** Reads the text of a `data.json`. Errors: `data-file-invalid`, all of them at once. */
export function readDataFile(text: string, file: string): Result<DataFile> {
  const diagnostics: Diagnostic[] = [];
  const report: Report = (path, problem) => {
    diagnostics.push(diagnose(fault('data-file-invalid', { file, path, problem })));
  };
  const root = parseJson(text, report);
  const fields = root === undefined ? {} : fieldsOf(root, 'the file', topLevel, report);
  const data = readFields(fields, report);
  return diagnostics.length > 0 ? failure(...diagnostics) : success(data);
}

const topLevel = ['pairs', 'labels', 'splits', 'windows', 'augment'];

function parseJson(text: string, report: Report): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    report('the file', `is not JSON: ${error instanceof Error ? error.message : 'unknown reason'}`);
    return undefined;
  }
}

function readFields(fields: Fields, report: Report): DataFile {
  const pairs = readPairs(fields.pairs, report);
  const names = new Set(pairs.map(({ name }) => name));
  const labels = fields.labels === undefined ? undefined : readLabels(fields.labels, report);
  const splits = fields.splits === undefined ? undefined : readSplits(fields.splits, names, report);
  const windows = fields.windows === undefined ? undefined : readWindows(fields.windows, report);
  return {
    pairs,
    ...(labels === undefined ? {} : { labels }),
    ...(splits === undefined ? {} : { splits }),
    ...(windows === undefined ? {} : { windows }),
    augment: fields.augment === undefined ? noAugment : readAugment(fields.augment, report),
  };
}

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The fields of an object that has no others than `known`. */
function fieldsOf(
  value: unknown,
  path: string,
  known: readonly string[] | undefined,
  report: Report,
): Fields {
  if (!isFields(value)) {
    report(path, 'is not an object');
    return {};
  }
  for (const key of Object.keys(value))
    if (known !== undefined && !known.includes(key))
      report(`\`${key}\``, `is not known in ${path}; known are ${known.join(', ')}`);
  return value;
}

function listOf(value: unknown, path: string, report: Report): readonly unknown[] {
  if (Array.isArray(value) && value.length > 0) return value;
  report(path, 'is not a list with at least one element');
  return [];
}

function textOf(value: unknown, path: string, report: Report): string {
  if (typeof value === 'string' && value !== '') return value;
  report(path, 'is not a text');
  return '';
}

function readPairs(value: unknown, report: Report): PairEntry[] {
  const pairs = listOf(value, '`pairs`', report).map((entry, i) =>
    readPair(entry, `\`pairs[${i}]\``, report),
  );
  const seen = new Set<string>();
  for (const { name } of pairs) {
    if (seen.has(name)) report('`pairs`', `names \`${name}\` twice; give each pair a "name" of its own`);
    seen.add(name);
  }
  return pairs;
}

function readPair(value: unknown, path: string, report: Report): PairEntry {
  const { image, label, name } = fieldsOf(value, path, ['name', 'image', 'label'], report);
  const imagePath = textOf(image, `\`image\` of ${path}`, report);
  return {
    name: name === undefined ? baseName(imagePath) : textOf(name, `\`name\` of ${path}`, report),
    image: imagePath,
    ...(label === undefined ? {} : { label: textOf(label, `\`label\` of ${path}`, report) }),
  };
}

/** The file name without directory and last extension. */
export const baseName = (path: string): string =>
  (path.split(/[\\/]/).at(-1) ?? path).replace(/(?<=.)\.[^.]*$/, '');

function readLabels(value: unknown, report: Report): Map<number, number> {
  const entries = Object.entries(fieldsOf(value, '`labels`', undefined, report));
  return new Map(
    entries.map(([key, target]): [number, number] => {
      if (!/^\d{1,5}$/.test(key) || Number(key) > 65535)
        report(`\`${key}\` of \`labels\``, 'is not a value from 0 to 65535');
      if (target !== null && !isWhole(target, 0, NOT_LABELLED - 1))
        report(`\`labels\` of ${key}`, `is not a class from 0 to ${NOT_LABELLED - 1} or null`);
      return [Number(key), typeof target === 'number' ? target : NOT_LABELLED];
    }),
  );
}

const isWhole = (value: unknown, from: number, to: number): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= from && value <= to;

function readSplits(value: unknown, names: ReadonlySet<string>, report: Report): Map<string, AreaEntry[]> {
  const splits = fieldsOf(value, '`splits`', undefined, report);
  return new Map(
    Object.entries(splits).map(([split, areas]): [string, AreaEntry[]] => [
      split,
      listOf(areas, `split \`${split}\``, report).map((area) => readArea(area, split, names, report)),
    ]),
  );
}

function readArea(value: unknown, split: string, names: ReadonlySet<string>, report: Report): AreaEntry {
  const path = `split \`${split}\``;
  const fields = typeof value === 'string' ? { pair: value } : fieldsOf(value, path, areaKeys, report);
  const { pair, rows, columns }: Fields = fields;
  const name = textOf(pair, `\`pair\` of ${path}`, report);
  if (name !== '' && !names.has(name))
    report(path, `names the pair \`${name}\`, which is not among ${[...names].join(', ')}`);
  return {
    pair: name,
    ...(rows === undefined ? {} : { rows: readRange(rows, `\`rows\` of ${path}`, report) }),
    ...(columns === undefined ? {} : { columns: readRange(columns, `\`columns\` of ${path}`, report) }),
  };
}

const areaKeys = ['pair', 'rows', 'columns'];

function readRange(value: unknown, path: string, report: Report): readonly [number, number] {
  const [from, to] = Array.isArray(value) && value.length === 2 ? value : [undefined, undefined];
  if (isWhole(from, 0, 2 ** 31) && isWhole(to, from + 1, 2 ** 31)) return [from, to];
  report(path, 'is not a pair of whole numbers [from, to], from below to');
  return [0, 1];
}

function readWindows(value: unknown, report: Report): Windows {
  if (value === 'anywhere' || value === 'grid') return value;
  report('`windows`', 'is neither "anywhere" nor "grid"');
  return 'anywhere';
}

function readAugment(value: unknown, report: Report): Augment {
  const known = ['flips', 'quarter_turns', 'brightness', 'contrast'];
  const fields = fieldsOf(value, '`augment`', known, report);
  const flag = (key: string): boolean => {
    const given = fields[key] ?? false;
    if (typeof given !== 'boolean') report(`\`${key}\` of \`augment\``, 'is neither true nor false');
    return given === true;
  };
  const share = (key: string): number => {
    const given = fields[key] ?? 0;
    if (typeof given === 'number' && given >= 0 && given < 1) return given;
    report(`\`${key}\` of \`augment\``, 'is not a number from 0 to below 1');
    return 0;
  };
  return {
    flips: flag('flips'),
    quarterTurns: flag('quarter_turns'),
    brightness: share('brightness'),
    contrast: share('contrast'),
  };
}
