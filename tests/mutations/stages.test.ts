/** Mutations of plans of pipeline stages. */
import { test } from 'uvu';
import { breakPlans } from '../support/mutations/laws.ts';

breakPlans(
  'straight stages, GPipe',
  'straight stages, 1F1B, tiles and exchanges',
  'folded stages of two replicas',
);

test.run();
