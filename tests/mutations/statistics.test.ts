/** Mutations of plans whose tiles share the statistics of a norm or the sums of a loss. */
import { test } from 'uvu';
import { breakPlans } from '../support/mutations/laws.ts';

breakPlans('a norm over tiles', 'a norm over tiles and replicas', 'dice and another loss');

test.run();
