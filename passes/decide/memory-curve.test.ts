/** What the curve of memory against time promises: it falls, and what it says of less memory a search finds there. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { decide } from '../../compiler/compile.ts';
import { compileModel } from '../../compiler/front/lower-model.ts';
import { at } from '../../ir/box.ts';
import type { Decision } from '../../ir/decision.ts';
import type { Pins } from '../../ir/schedule.ts';
import { valueIn } from '../../tests/support/devices.ts';
import { roundMachine } from '../../tests/support/machines.ts';

const file = join(import.meta.dirname, '..', '..', 'examples', 'coastline.unet');
const model = valueIn(
  compileModel(readFileSync(file, 'utf8'), file, { purpose: 'train', sets: { side: '64' } }),
);

function decided(pins: Pins, memoryCurve: boolean): Decision {
  const { decision } = valueIn(decide(model, pins, roundMachine, { memoryCurve }));
  if (decision === undefined) throw new Error('nothing was searched');
  return decision;
}

test('from the fastest on: ever less memory, ever more time; the one chosen is among them', () => {
  for (const devices of [1, 2, 4]) {
    const { memoryCurve = [], chosen } = decided({ devices }, true);
    assert.ok(memoryCurve.length > 3, `${memoryCurve.length}`);
    for (const [index, one] of memoryCurve.slice(1).entries()) {
      assert.ok(one.memory < at(memoryCurve, index).memory);
      assert.ok(one.seconds >= at(memoryCurve, index).seconds);
    }
    assert.equal(memoryCurve[0], chosen);
    assert.ok(memoryCurve.some(({ recomputed, strips }) => recomputed + strips > 0));
  }
});

test('it is kept only where it was asked for, and changes nothing else', () => {
  const { memoryCurve: _, ...asked } = decided({ devices: 2 }, true);
  assert.equal(decided({ devices: 2 }, false), asked);
});

/** But for a few counters, which no curve counts. The search may find better ways than the curve knows. */
test('with the memory of a point a search finds a plan that is no slower', () => {
  for (const devices of [2]) {
    const { memoryCurve = [] } = decided({ devices }, true);
    for (const share of [0.3, 0.6, 0.9]) {
      const point = at(memoryCurve, Math.floor(share * (memoryCurve.length - 1)));
      const { chosen } = decided({ devices, memory: Math.ceil(1.002 * point.memory) }, false);
      assert.ok(
        chosen.seconds <= point.seconds * (1 + 1e-9),
        `${devices}: ${chosen.seconds} ${point.seconds}`,
      );
    }
  }
});

test.run();
