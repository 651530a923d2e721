/** Mutations of plans whose tiles recompute their margins. */
import { test } from 'uvu';
import { breakPlans } from '../support/mutations/laws.ts';

breakPlans('tiles, replicas and micro-batches', 'streamed tiles', 'dropped values');

test.run();
