/**
 * Breaks the sound plans of every kind in every way, at every place (or as many as given, evenly chosen), and
 * counts what the verifier catches. A message must name an instruction of what is broken.
 *
 *   npx tsx scripts/mutations.ts [PLACES] [PART OF THE NAME OF A PLAN] [PART OF THE NAME OF A MUTATION]
 */
import { at } from '../ir/box.ts';
import { missed } from '../tests/support/mutations/caught.ts';
import { soundPlans } from '../tests/support/mutations/plans.ts';
import { mutations } from '../tests/support/mutations/table.ts';

const [places = '1e9', kind = '', mutation = ''] = process.argv.slice(2);
let [tried, wrong] = [0, 0];
for (const [name, make] of Object.entries(soundPlans).filter(([one]) => one.includes(kind))) {
  const plan = make();
  let kinds = 0;
  const before = tried;
  for (const [how, mutate] of Object.entries(mutations).filter(([one]) => one.includes(mutation))) {
    const sites = mutate(plan);
    if (sites.length > 0) kinds++;
    const count = Math.min(sites.length, Number(places));
    let shown = 0;
    for (let i = 0; i < count; i++) {
      const fault = missed(plan, at(sites, Math.floor((i * sites.length) / count))());
      tried++;
      if (fault === undefined) continue;
      wrong++;
      if (shown++ < 3) console.log(`MISSED: ${name}, ${how}: ${fault}`);
    }
    if (shown > 3) console.log(`  ... ${shown} of ${count}`);
  }
  console.log(`${name}: ${kinds} kinds of mutations, ${tried - before} places`);
}
console.log(`${tried - wrong} of ${tried} broken plans are caught by name.`);
process.exitCode = wrong === 0 ? 0 : 1;
