/** From a directory to `Data`: finds the pairs, decodes what is not decoded yet, places the splits. */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { range } from '../../ir/box.ts';
import {
  type Diagnostic,
  diagnose,
  type Fault,
  failure,
  fault,
  type Result,
  success,
} from '../../ir/diagnostics/diagnostic.ts';
import { makeFolder } from '../files/make-folder.ts';
import { reasonOf } from '../files/reason.ts';
import type { Area, Data, Label, Pair } from './data.ts';
import {
  type AreaEntry,
  baseName,
  type DataFile,
  noAugment,
  type PairEntry,
  readDataFile,
} from './data-file.ts';
import { type DecodeOptions, decode } from './decode.ts';
import { labelValues } from './label-values.ts';
import { placeIn } from './tiled-cache.ts';

export type OpenOptions = Partial<DecodeOptions> & {
  /** What labels hold: `classes` (by default), of which all values are looked at, or `numbers` to regress. */
  readonly targets?: 'classes' | 'numbers';
};

type PairOptions = DecodeOptions & Pick<OpenOptions, 'targets'>;

/**
 * Opens a directory with `images/` and `labels/`, or with a `data.json`, or such a file itself. Images are
 * decoded into `cache`: by default `.unetc-cache` in the directory, or in the system's directory for
 * temporary files where that cannot be written; `onDecode` is told each file and its size before it is made.
 *
 * Errors, all at once: `data-missing`, `data-file-invalid`, `pair-incomplete`, `label-size-differs`,
 * `label-not-gray`, `label-not-whole`, `split-outside`, and those of `decode`.
 */
export async function openData(path: string, options: OpenOptions = {}): Promise<Result<Data>> {
  const file = readDescription(path);
  if (!file.ok) return file;
  const { directory, description } = file.value;
  const decoding = { ...options, cache: options.cache ?? cacheFor(directory) };
  const pairs: Pair[] = [];
  const diagnostics: Diagnostic[] = [];
  for (const entry of description.pairs) {
    const pair = await openPair(entry, directory, decoding);
    if (pair.ok) pairs.push(pair.value);
    else diagnostics.push(...pair.diagnostics);
  }
  if (diagnostics.length > 0) return failure(...diagnostics);
  return assemble(description, pairs);
}

/**
 * Opens one image file, as the whole of a split `all`. Decoded into the system's directory for temporary files
 * unless `cache` says otherwise. Errors: those of `decode`.
 */
export async function openImage(path: string, options: OpenOptions = {}): Promise<Result<Data>> {
  const image = await decode(resolve(path), { ...options, cache: options.cache ?? temporaryCache() });
  if (!image.ok) return image;
  const area = { pair: 0, box: [range(0, image.value.height), range(0, image.value.width)] };
  const pairs = [{ name: baseName(path), image: image.value }];
  return success({ pairs, splits: new Map([['all', [area]]]), augment: noAugment });
}

type Described = { readonly directory: string; readonly description: DataFile };

function readDescription(path: string): Result<Described> {
  const kind = statSync(path, { throwIfNoEntry: false });
  if (kind === undefined) return failure(diagnose(fault('data-missing', { path })));
  if (kind.isFile()) return fromFile(path);
  const file = join(path, 'data.json');
  return statSync(file, { throwIfNoEntry: false })?.isFile() ? fromFile(file) : fromFolders(path);
}

function fromFile(file: string): Result<Described> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    return failure(diagnose(fault('image-unreadable', { file, reason: reasonOf(error) })));
  }
  const description = readDataFile(text, file);
  if (!description.ok) return description;
  return success({ directory: dirname(file), description: description.value });
}

const imageFile = /^[^.].*\.(png|jpe?g|tiff?|webp|npy|zarr)$/i;

const imagesIn = (directory: string): string[] =>
  statSync(directory, { throwIfNoEntry: false })?.isDirectory()
    ? readdirSync(directory)
        .filter((name) => imageFile.test(name))
        .sort()
    : [];

function fromFolders(directory: string): Result<Described> {
  const [images, labels] = [imagesIn(join(directory, 'images')), imagesIn(join(directory, 'labels'))];
  if (images.length === 0) return failure(diagnose(fault('data-missing', { path: directory })));
  const faults = [...unmatched(images, labels), ...repeated('images', images), ...repeated('labels', labels)];
  if (faults.length > 0) return failure(...faults.map((one) => diagnose(one)));
  const labelOf = new Map(labels.map((label) => [baseName(label), join('labels', label)]));
  const pairs = images.map((image): PairEntry => {
    const label = labelOf.get(baseName(image));
    return {
      name: baseName(image),
      image: join('images', image),
      ...(label === undefined ? {} : { label }),
    };
  });
  return success({ directory, description: { pairs, augment: noAugment } });
}

/** Where there are labels at all, each image has one, and each label an image. */
function unmatched(images: readonly string[], labels: readonly string[]): Fault[] {
  if (labels.length === 0) return [];
  const lacking = (files: readonly string[], folder: string, others: readonly string[], missing: string) => {
    const names = new Set(others.map(baseName));
    return files
      .filter((file) => !names.has(baseName(file)))
      .map((file) => fault('pair-incomplete', { file: join(folder, file), missing }));
  };
  return [...lacking(images, 'images', labels, 'label'), ...lacking(labels, 'labels', images, 'image')];
}

const repeated = (folder: string, files: readonly string[]): Fault[] =>
  files
    .filter((file, i) => i > 0 && baseName(files[i - 1] ?? '') === baseName(file))
    .map((file) =>
      fault('pair-incomplete', { file: join(folder, file), missing: 'base name of its own in that folder' }),
    );

/** A directory of ours beside the data, kept out of version control; or a temporary one. */
function cacheFor(directory: string): string {
  const beside = join(resolve(directory), '.unetc-cache');
  try {
    makeFolder(beside);
    writeFileSync(join(beside, '.gitignore'), '*\n');
    return beside;
  } catch {
    return temporaryCache();
  }
}

function temporaryCache(): string {
  const temporary = join(tmpdir(), `unetc-cache-${process.getuid?.() ?? 'user'}`);
  makeFolder(temporary, 0o700);
  return temporary;
}

async function openPair(entry: PairEntry, directory: string, options: PairOptions): Promise<Result<Pair>> {
  const image = await decode(resolve(directory, entry.image), options);
  if (entry.label === undefined) return image.ok ? success({ name: entry.name, image: image.value }) : image;
  const label = await openLabel(resolve(directory, entry.label), options);
  if (!image.ok || !label.ok)
    return failure(...(image.ok ? [] : image.diagnostics), ...(label.ok ? [] : label.diagnostics));
  const pair = { name: entry.name, image: image.value, label: label.value };
  const wrong = sizesDiffer(pair);
  return wrong === undefined ? success(pair) : failure(diagnose(wrong));
}

async function openLabel(source: string, options: PairOptions): Promise<Result<Label>> {
  const raster = await decode(source, options);
  if (!raster.ok) return raster;
  const { channels, element } = raster.value;
  if (options.targets === 'numbers') return success({ raster: raster.value, values: new Map() });
  if (channels !== 1) return failure(diagnose(fault('label-not-gray', { file: source, channels })));
  if (element === 'f32') return failure(diagnose(fault('label-not-whole', { file: source })));
  const place = placeIn(options.cache, source);
  if (!place.ok) return place;
  try {
    const values = await labelValues(raster.value, `${place.value.path}.values.json`);
    return success({ raster: raster.value, values });
  } catch (error) {
    // All of a label is read here, so a damaged block shows.
    return failure(diagnose(fault('image-unreadable', { file: source, reason: reasonOf(error) })));
  }
}

function sizesDiffer({ image, label }: { image: Pair['image']; label: Label }): Fault | undefined {
  const { raster } = label;
  if (raster.width === image.width && raster.height === image.height) return undefined;
  return fault('label-size-differs', {
    label: raster.source,
    labelSize: `${raster.width} x ${raster.height}`,
    image: image.source,
    imageSize: `${image.width} x ${image.height}`,
  });
}

function assemble(description: DataFile, pairs: readonly Pair[]): Result<Data> {
  const { labels, windows, augment } = description;
  const entries = description.splits ?? new Map([['train', pairs.map(({ name }) => ({ pair: name }))]]);
  const diagnostics: Diagnostic[] = [];
  const splits = new Map<string, readonly Area[]>();
  for (const [split, areas] of entries)
    splits.set(
      split,
      areas.map((area) => placeArea(area, split, pairs, diagnostics)),
    );
  if (diagnostics.length > 0) return failure(...diagnostics);
  return success({
    pairs,
    splits,
    ...(labels === undefined ? {} : { classes: labels }),
    ...(windows === undefined ? {} : { windows }),
    augment,
  });
}

function placeArea(area: AreaEntry, split: string, pairs: readonly Pair[], diagnostics: Diagnostic[]): Area {
  const index = pairs.findIndex(({ name }) => name === area.pair);
  const image = pairs[index]?.image;
  if (image === undefined) throw new Error(`no pair ${area.pair}: readDataFile names it first`);
  const axes = [
    { axis: 'rows', given: area.rows, extent: image.height },
    { axis: 'columns', given: area.columns, extent: image.width },
  ];
  const box = axes.map(({ axis, given, extent }) => {
    const [from, to] = given ?? [0, extent];
    if (to > extent)
      diagnostics.push(
        diagnose(fault('split-outside', { split, axis, from, to, file: image.source, extent })),
      );
    return range(from, to);
  });
  return { pair: index, box };
}
