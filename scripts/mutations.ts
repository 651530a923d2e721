/**
 * Breaks the sound plans of every kind in every way, at every place (or as many as given, evenly chosen), and
 * counts what the verifier catches. A message must name an instruction of what is broken.
 *
 *   npx tsx scripts/mutations.ts [PLACES] [PART OF THE NAME OF A PLAN] [PART OF THE NAME OF A MUTATION]
 *   npx tsx scripts/mutations.ts drawn [PLANS] [SEED]      drawn networks and schedules, each broken once in each way
 */
import { at } from '../ir/box.ts';
import type { Plan } from '../ir/plan.ts';
import { anyCases, scheduleInWords } from '../tests/support/law-cases.ts';
import { missed } from '../tests/support/mutations/caught.ts';
import type { Site } from '../tests/support/mutations/edit.ts';
import { soundPlans } from '../tests/support/mutations/plans.ts';
import { mutations } from '../tests/support/mutations/table.ts';
import { numbers } from '../tests/support/schedules.ts';

let [tried, wrong] = [0, 0];

function breakAt(plan: Plan, site: Site, told: string): void {
  const fault = missed(plan, site());
  tried++;
  if (fault === undefined) return;
  wrong++;
  console.log(`MISSED: ${told}: ${fault}`);
}

/** Sound plans of each kind, at so many places each. */
function kindsOfPlans([places = '1e9', kind = '', mutation = '']: readonly string[]): void {
  for (const [name, make] of Object.entries(soundPlans).filter(([one]) => one.includes(kind))) {
    const plan = make();
    const before = tried;
    let kinds = 0;
    for (const [how, mutate] of Object.entries(mutations).filter(([one]) => one.includes(mutation))) {
      const sites = mutate(plan);
      if (sites.length > 0) kinds++;
      const count = Math.min(sites.length, Number(places));
      for (let i = 0; i < count; i++)
        breakAt(plan, at(sites, Math.floor((i * sites.length) / count)), `${name}, ${how}`);
    }
    console.log(`${name}: ${kinds} kinds of mutations, ${tried - before} places`);
  }
}

function drawnPlans([plans = '100', seed = '1']: readonly string[]): void {
  const count = Number(plans);
  const drawn = [
    ...anyCases(2, Math.ceil(0.7 * count), Number(seed)),
    ...anyCases(1, Math.ceil(0.2 * count), Number(seed)),
    ...anyCases(3, Math.ceil(0.1 * count), Number(seed)),
  ];
  for (const { plan, seed: own } of drawn) {
    const draw = numbers(own);
    for (const [how, mutate] of Object.entries(mutations)) {
      const sites = mutate(plan);
      if (sites.length > 0) breakAt(plan, at(sites, draw(sites.length)), `${how}, ${scheduleInWords(plan)}`);
    }
  }
  console.log(`${drawn.length} drawn plans`);
}

const [first = '', ...rest] = process.argv.slice(2);
if (first === 'drawn') drawnPlans(rest);
else kindsOfPlans(process.argv.slice(2));
console.log(`${tried - wrong} of ${tried} broken plans are caught by name.`);
process.exitCode = wrong === 0 ? 0 : 1;
