/** The tests of one kind of plan: every way of breaking it that makes sense there, at places that are drawn. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { at } from '../../../ir/box.ts';
import { verifyPlan } from '../../../ir/verify/plan.ts';
import { missed } from './caught.ts';
import { soundPlans } from './plans.ts';
import { mutations } from './table.ts';

/** Places to break a plan at in one way. `npx tsx scripts/mutations.ts` takes all there are. */
const PLACES = 6;

/** At least so many ways make sense on each kind of plan. */
const fewestKinds = 50;

/** By the names of `soundPlans`. */
export function breakPlans(...names: readonly string[]): void {
  for (const name of names) {
    const make = soundPlans[name];
    if (make === undefined) throw new Error(`no plan of ${name}`);
    const plan = make();
    test(`${name}: the plan of the compiler is sound`, () => {
      assert.equal(verifyPlan(plan), []);
    });
    let kinds = 0;
    for (const [how, mutate] of Object.entries(mutations)) {
      const sites = mutate(plan);
      if (sites.length === 0) continue;
      kinds++;
      test(`${name}, caught and named: ${how}`, () => {
        fc.assert(
          fc.property(fc.nat(sites.length - 1), (index) => {
            assert.is(missed(plan, at(sites, index)()), undefined);
          }),
          { numRuns: Math.min(PLACES, sites.length) },
        );
      });
    }
    test(`${name}: ${kinds} ways of breaking it`, () => {
      assert.ok(kinds >= fewestKinds, `${kinds} ways make sense`);
    });
  }
}
