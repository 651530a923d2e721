/** What the recompute search goes by: costs as the account has them, and bounds that no change falls below. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { networkOf, recipes } from '../../../tests/support/networks.ts';
import { questionOf } from '../../../tests/support/recompute.ts';
import { numbers } from '../../../tests/support/schedules.ts';
import { memoryOf } from '../../../tests/support/tape-memory.ts';
import { boundsOf } from './bounds.ts';
import { type Cost, quickCost } from './cost.ts';
import { partsOf } from './parts.ts';
import { allInStrips } from './strips.ts';
import { type Drops, type Tape, tapeOf } from './tape.ts';
import { unitsOf } from './units.ts';

/** The tapes of a drawn network: as it is, and with parts of it in strips. */
function tapesOf(recipe: Parameters<typeof networkOf>[0]): Tape[] {
  const model = networkOf(recipe);
  fc.pre(model !== undefined);
  const question = questionOf(model);
  const tape = tapeOf(question);
  const parts = partsOf({ ...question, model }, tape);
  return [
    tape,
    ...[...parts.slice(0, 2), ...parts.slice(-1)].map((all) =>
      allInStrips(
        tape,
        all.map(({ part }) => part),
      ),
    ),
  ];
}

/** Some of what may be dropped or noted, now more of it and now less. */
function drawn({ values }: Tape, draw: (below: number) => number): Drops {
  const share = 1 + draw(4);
  return Uint8Array.from(values, ({ price, noting }) =>
    (price ?? noting) !== undefined && draw(share + 1) === 0 ? 1 : 0,
  );
}

const isSame = (a: Cost, b: Cost): boolean =>
  Math.abs(a.peak - b.peak) <= 1e-9 * b.peak && Math.abs(a.seconds - b.seconds) <= 1e-9 * (1 + b.seconds);

test('costs are those of the account, whatever is dropped or noted, with sessions and without', () => {
  let again = 0;
  fc.assert(
    fc.property(recipes(2), fc.nat(), (recipe, seed) => {
      const draw = numbers(seed);
      for (const tape of tapesOf(recipe))
        for (const sessions of [false, true])
          for (const copies of sessions ? [false, true] : [false]) {
            const one = { ...tape, sessions, copies };
            const [quick, memory] = [quickCost(one), memoryOf(one)];
            // One after another: what is kept from one choice to the next must not show.
            for (let choice = 0; choice < 6; choice++) {
              const drops = drawn(tape, draw);
              const [cost, account] = [quick.detail(drops), memory.detail(drops)];
              assert.ok(isSame(cost, account), `${JSON.stringify(cost)} is ${JSON.stringify(account)}`);
              assert.equal([cost.kept, cost.again, cost.twice], [account.kept, account.again, account.twice]);
              again += account.twice.length;
            }
          }
    }),
    { numRuns: 60 },
  );
  assert.ok(again > 0);
});

test('no change costs less than its bound, where each step is on its own', () => {
  let [told, some] = [0, 0];
  fc.assert(
    fc.property(recipes(2), fc.nat(), (recipe, seed) => {
      const draw = numbers(seed);
      for (const one of tapesOf(recipe)) {
        const tape = { ...one, sessions: false };
        const [quick, other] = [quickCost(tape), quickCost(tape)];
        const bounds = boundsOf(tape, quick);
        const drops = drawn(tape, draw);
        const paid = quick.cost(drops);
        bounds.take(paid);
        for (const unit of unitsOf(tape)) {
          const least = bounds.least(unit, drops);
          const to = unit.values.some((value) => drops[value] === 0) ? 1 : 0;
          const changed = drops.slice();
          for (const value of unit.values) changed[value] = to;
          const { peak, seconds } = other.cost(changed);
          assert.ok(peak >= least.peak * (1 - 1e-9), `${peak} bytes are less than ${least.peak}`);
          assert.ok(seconds >= least.seconds - 1e-9 * (1 + paid.seconds), `${seconds} s, ${least.seconds}`);
          some++;
          if (least.peak > 0.5 * peak) told++;
        }
      }
    }),
    { numRuns: 100 },
  );
  assert.ok(told > 0.5 * some, `${told} of ${some} are told much of`);
});

test.run();
