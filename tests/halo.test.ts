/** The halo of U-Nets by interval propagation, against published and hand-computed figures. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { range, wholeBox } from '../ir/box.ts';
import { neededRanges } from '../ir/intervals.ts';
import type { Model } from '../ir/model.ts';
import { map } from '../ir/type.ts';
import { NetworkBuilder } from './support/networks.ts';

/** A one-dimensional U-Net: same-padding convs of 3, pools of 2, up-convs of 2. */
function unet(levels: number, convs: number, size: number): Model {
  const b = new NetworkBuilder(1);
  const block = (x: string): string =>
    Array.from({ length: convs }).reduce<string>((value) => b.conv(value, 1), x);
  const level = (x: string, l: number): string => {
    const skip = block(x);
    if (l === levels) return skip;
    const up = b.upConv(level(b.pool('max_pool', skip), l + 1), 1);
    return block(b.op('concat', [skip, up], {}));
  };
  const image = b.input('image', map(1, wholeBox([size])), { from: 'image' });
  return b.model('halo', b.regression('mse', level(image, 0), 'goal'));
}

/** Cells outside the tile that it needs on its wider side. */
function margin(model: Model, from: number, to: number): number {
  const output = model.ops.at(-1)?.inputs[0] ?? '';
  const needed = neededRanges(model, 0, new Map([[output, range(from, to)]])).get('image') ?? range(from, to);
  return Math.max(from - needed.from, needed.to - to);
}

/** Poolings, convs a block, and the margin of a tile on the grid and at the worst offset. */
const vectors = [
  [3, 2, 46, 51],
  [4, 2, 94, 107],
  [5, 2, 190, 219],
  [5, 5, 475, 501],
  [5, 24, 2280, 2287],
] as const;

for (const [levels, convs, onGrid, worst] of vectors) {
  const period = 2 ** levels;
  const middle = Math.ceil((worst + 100) / period) * period;
  const model = unet(levels, convs, 4 * middle);

  test(`${levels} poolings of ${convs} convs: ${onGrid} cells a side on the grid`, () => {
    assert.is(margin(model, middle, 2 * middle), onGrid);
  });

  test(`${levels} poolings of ${convs} convs: at most ${worst} cells wherever the tile lies`, () => {
    const offsets = Array.from({ length: period }, (_, offset) => offset);
    const margins = offsets.map((offset) => margin(model, middle + offset, 2 * middle + offset));
    assert.is(Math.max(...margins), worst);
  });
}

test('the classic network of valid convs turns 572 cells into 388: 92 a side', () => {
  const b = new NetworkBuilder(1);
  const block = (x: string) => b.conv(b.conv(x, 1, { pad: 0 }), 1, { pad: 0 });
  const level = (x: string, l: number): string => {
    const skip = block(x);
    if (l === 4) return skip;
    const up = b.upConv(level(b.pool('max_pool', skip), l + 1), 1);
    return block(b.op('concat', [b.fit(skip, up), up], {}));
  };
  const result = level(b.input('image', map(1, wholeBox([572])), { from: 'image' }), 0);
  assert.equal(b.sizes(result), [388]);
  assert.is((572 - 388) / 2, 92);
});

test.run();
