/** Mutations of plans whose backward pass reads bytes in place of maps. */
import { test } from 'uvu';
import { breakPlans } from '../support/mutations/laws.ts';

breakPlans('bytes in place of maps', 'bytes in place of maps, in stages and strips, of what was dropped');

test.run();
