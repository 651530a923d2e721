import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { addPixels, emptyConfusion, scoreOf } from './metrics.ts';

test('accuracy and IoU by hand; pixels that are not labelled do not count', () => {
  const confusion = emptyConfusion(3);
  addPixels(confusion, Uint8Array.of(0, 0, 1, 1, 1, 255, 7), Uint8Array.of(0, 1, 1, 1, 0, 0, 1));
  const { accuracy, iou, pixels } = scoreOf(confusion);
  assert.is(pixels, 5);
  assert.is(accuracy, 3 / 5);
  assert.equal(iou, [1 / 3, 2 / 4, Number.NaN]);
});

test('counts of parts add up to the counts of the whole', () => {
  const cells = fc.array(fc.tuple(fc.nat(3), fc.nat(2)), { maxLength: 60 });
  fc.assert(
    fc.property(cells, fc.nat(60), (all, at) => {
      const [whole, parts] = [emptyConfusion(3), emptyConfusion(3)];
      const add = (to: typeof whole, list: typeof all) =>
        addPixels(
          to,
          Uint8Array.from(list, ([label]) => label),
          Uint8Array.from(list, ([, p]) => p),
        );
      add(whole, all);
      add(parts, all.slice(0, at));
      add(parts, all.slice(at));
      assert.equal(parts, whole);
    }),
  );
});

test.run();
