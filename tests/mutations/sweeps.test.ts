/** Mutations of plans that begin with a sweep for the sums of a loss. */
import { test } from 'uvu';
import { breakPlans } from '../support/mutations/laws.ts';

breakPlans('dice over streamed tiles', 'dice of the batch over micro-batches, replicas and tiles');

test.run();
