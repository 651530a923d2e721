import { at, extents, length, type Range, range } from '../ir/box.ts';
import { type Result, success } from '../ir/diagnostics/diagnostic.ts';
import { type Area, type Data, pairOf } from '../runtime/data/data.ts';
import { fullScale } from '../runtime/data/raster.ts';
import { readImage, readLabels } from '../runtime/data/read-window.ts';
import { plainWindow } from '../runtime/data/sample-window.ts';
import { createMask, grayLevels } from '../runtime/pictures/mask.ts';
import { writeOverlay } from '../runtime/pictures/overlay.ts';
import type { ClassTile } from '../runtime/tiles.ts';

export type SceneOptions = {
  readonly data: Data;
  readonly area: Area;
  readonly classes: number;
  /** Of what is predicted. */
  readonly name: string;
  readonly mask: string | undefined;
  readonly overlay: string | undefined;
};

/** Collects the tiles of one area, a byte a pixel, and draws them when all are there. */
export type ScenePictures = {
  add(area: Area, tile: ClassTile): Promise<Result<undefined>>;
  /** Gives the files that were written. */
  write(): Promise<Result<string[]>>;
};

export function createScenePictures(options: SceneOptions): ScenePictures {
  const { area, mask, overlay } = options;
  const [height = 0, width = 0] = extents(area.box);
  const classes = new Uint8Array(height * width);
  return {
    async add(_area, tile) {
      const [rows, columns] = [at(tile.box, 0), at(tile.box, 1)];
      for (let y = rows.from; y < rows.to; y++) {
        const begin = (y - rows.from) * length(columns);
        classes.set(tile.classes.subarray(begin, begin + length(columns)), y * width + columns.from);
      }
      return success(undefined);
    },
    async write() {
      const files: string[] = [];
      for (const [path, draw] of [
        [mask, drawMask],
        [overlay, drawOverlay],
      ] as const) {
        if (path === undefined) continue;
        const drawn = await draw(path, classes, options);
        if (!drawn.ok) return drawn;
        files.push(path);
      }
      return success(files);
    },
  };
}

async function drawMask(
  path: string,
  classes: Uint8Array,
  options: SceneOptions,
): Promise<Result<undefined>> {
  const [height = 0, width = 0] = extents(options.area.box);
  const writer = createMask(path, {
    width,
    height,
    levels: grayLevels(options.classes, options.data.classes),
  });
  if (!writer.ok) return writer;
  const pushed = await writer.value.push(classes);
  return pushed.ok ? writer.value.close() : pushed;
}

function drawOverlay(path: string, classes: Uint8Array, options: SceneOptions): Promise<Result<undefined>> {
  const { data, area, name } = options;
  const [height = 0, width = 0] = extents(area.box);
  const window = plainWindow(area.pair, area.box);
  const { image } = pairOf(data, area.pair);
  const bright = 255 / fullScale(image);
  const band = (rows: Range) => [rows, range(0, width)];
  return writeOverlay(path, {
    height,
    width,
    scene: async (rows) => (await readImage(data, window, band(rows))).map((value) => value * bright),
    predicted: (rows) => classes.subarray(rows.from * width, rows.to * width),
    labelled: (rows) => readLabels(data, window, [height, width], band(rows)),
    names: namesOf(options),
    title: `${name}, predicted`,
  });
}

const namesOf = ({ classes, name }: SceneOptions): string[] =>
  classes === 2 ? [`not ${name}`, name] : Array.from({ length: classes }, (_, index) => `class ${index}`);
