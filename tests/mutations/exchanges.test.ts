/** Mutations of plans whose tiles exchange margins. */
import { test } from 'uvu';
import { breakPlans } from '../support/mutations/laws.ts';

breakPlans('exchanged margins', 'margins exchanged in part');

test.run();
