/** Mutations of a plan whose tiles compute the deep levels in common. */
import { test } from 'uvu';
import { breakPlans } from '../support/mutations/laws.ts';

breakPlans('a coarsened grid');

test.run();
