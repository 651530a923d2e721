/** A prediction: all tiles of one image, worked through by the devices; and what comes out, in bands of rows. */
import { at, type Box, extents, type Range } from '../ir/box.ts';
import { type Diagnostic, failure, type Result, success } from '../ir/diagnostics/diagnostic.ts';
import type { Plan } from '../ir/plan.ts';
import { product } from '../ir/type.ts';
import type { Job, Stored } from './local/interpreter.ts';
import { tileTotal } from './local/placement.ts';
import type { Done } from './local/protocol.ts';

/** The cells of one tile of a map of classes; `box` in the coordinates of the map. */
export type ClassTile = { readonly box: Box; readonly classes: Uint8Array };

/** Who does the work: `Devices`. */
export type Workers = {
  readonly size: number;
  work(rank: number, job: Job): Promise<Result<Done>>;
};

export type TilesOptions = {
  readonly devices: Workers;
  readonly plan: Plan;
  /** Which window of the feed. */
  readonly window: number;
  readonly output: string;
  /** Takes each tile when it is done, one at a time, in any order. */
  readonly visit: (tile: ClassTile) => Promise<Result<undefined>>;
  readonly onTile?: () => void;
  readonly stop?: AbortSignal;
};

/**
 * Works through the tiles of one image: tile t on device t mod devices. A device that is ahead waits for the
 * rows of tiles behind it, so that only as many rows are under way as keep all devices busy. Gives the number
 * of tiles that are done: fewer than all if it was stopped.
 */
export async function runTiles(options: TilesOptions): Promise<Result<number>> {
  const { plan, devices, stop } = options;
  const total = tileTotal(plan);
  const inRow = total / (at(plan.axes, 0).cuts.length - 1);
  const order = rowOrder(inRow, Math.ceil(devices.size / inRow) + 1);
  const problems: Diagnostic[] = [];
  let visits: Promise<void> = Promise.resolve();
  let done = 0;
  const oneTile = async (rank: number, tile: number): Promise<void> => {
    const result = await devices.work(rank, { step: options.window, tile });
    visits = visits.then(async () => {
      const visited = result.ok ? await options.visit(classTile(result.value, options.output)) : result;
      if (!visited.ok) problems.push(...visited.diagnostics);
      else options.onTile?.();
    });
    await visits;
    order.finish(tile);
    done++;
  };
  const over = () => problems.length > 0 || stop?.aborted === true;
  const work = async (rank: number): Promise<void> => {
    for (let tile = rank; tile < total; tile += devices.size) {
      await order.mayStart(tile);
      if (over()) return order.open();
      await oneTile(rank, tile);
    }
  };
  await Promise.all(Array.from({ length: devices.size }, (_, rank) => work(rank)));
  const [problem] = problems;
  return problem === undefined ? success(done) : failure(problem);
}

/** Lets a tile start when its row is at most `ahead - 1` rows after the first that is not done. */
function rowOrder(inRow: number, ahead: number) {
  const left = new Map<number, number>();
  let firstOpen = 0;
  let opened = false;
  let waiting: { readonly row: number; readonly resolve: () => void }[] = [];
  const admits = (row: number) => opened || row < firstOpen + ahead;
  const admit = () => {
    for (const { row, resolve } of waiting) if (admits(row)) resolve();
    waiting = waiting.filter(({ row }) => !admits(row));
  };
  return {
    mayStart: (tile: number): Promise<void> =>
      new Promise((resolve) => {
        waiting.push({ row: Math.floor(tile / inRow), resolve });
        admit();
      }),
    finish(tile: number): void {
      const row = Math.floor(tile / inRow);
      left.set(row, (left.get(row) ?? inRow) - 1);
      while (left.get(firstOpen) === 0) left.delete(firstOpen++);
      admit();
    },
    /** Nobody waits any more. */
    open(): void {
      opened = true;
      admit();
    },
  };
}

function classTile({ stored }: { readonly stored: readonly Stored[] }, output: string): ClassTile {
  const found = stored.find((one) => one.output === output);
  if (found?.data instanceof Uint8Array) return { box: found.box, classes: found.data };
  throw new TypeError(`a tile gave no classes for ${output}`);
}

/** Puts tiles side by side into bands: the rows of one row of tiles. */
export type Bands = { add(tile: ClassTile): Promise<Result<undefined>> };

type Band = { readonly rows: Uint8Array; readonly at: Range; missing: number };

/**
 * Calls `push` with the rows `[rows, width]` of each band, top to bottom, as soon as it and all above it are
 * complete. Holds the bands that are under way.
 */
export function bands(width: number, push: (rows: Uint8Array) => Promise<Result<undefined>>): Bands {
  const open = new Map<number, Band>();
  let next = 0;
  return {
    async add({ box, classes }) {
      const [down, across] = [at(box, 0), at(box, 1)];
      const empty = () => new Uint8Array((down.to - down.from) * width);
      const band = open.get(down.from) ?? { rows: empty(), at: down, missing: (down.to - down.from) * width };
      open.set(down.from, band);
      paste(band.rows, width, across, classes);
      band.missing -= product(extents(box));
      for (let first = open.get(next); first?.missing === 0; first = open.get(next)) {
        open.delete(next);
        next = first.at.to;
        const pushed = await push(first.rows);
        if (!pushed.ok) return pushed;
      }
      return success(undefined);
    },
  };
}

function paste(rows: Uint8Array, width: number, { from, to }: Range, classes: Uint8Array): void {
  const length = to - from;
  for (let row = 0; row * length < classes.length; row++)
    rows.set(classes.subarray(row * length, (row + 1) * length), row * width + from);
}
