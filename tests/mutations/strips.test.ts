/** Mutations of plans whose network goes back in strips; `tests/strips.test.ts` has those of strips themselves. */
import { test } from 'uvu';
import { breakPlans } from '../support/mutations/laws.ts';

breakPlans('strips, tiles and micro-batches', 'strips of columns, of parts beside one another');

test.run();
