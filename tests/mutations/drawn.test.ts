/** Mutations of drawn plans: any network under any schedule, broken once in each way that makes sense there. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { at } from '../../ir/box.ts';
import { anyCases, scheduleInWords } from '../support/law-cases.ts';
import { missed } from '../support/mutations/caught.ts';
import { mutations } from '../support/mutations/table.ts';

/** Larger ones take as long as many small ones, and are no other kinds of plans. */
const mostRoles = 6;

for (const { plan } of anyCases(2, 14, 5)) {
  if (plan.roles.length > mostRoles) continue;
  const places = Object.entries(mutations).flatMap(([how, mutate]) => {
    const sites = mutate(plan);
    return sites.length === 0 ? [] : [{ how, sites }];
  });
  test(`${places.length} ways of breaking ${scheduleInWords(plan)}`, () => {
    for (const { how, sites } of places)
      fc.assert(
        fc.property(fc.nat(sites.length - 1), (index) => {
          assert.is(missed(plan, at(sites, index)()), undefined, how);
        }),
        { numRuns: 1 },
      );
  });
}

test.run();
