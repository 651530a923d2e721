import type { Mutation } from './edit.ts';
import { onBuffers } from './on-buffers.ts';
import { onExchanges } from './on-exchanges.ts';
import { onGraphs } from './on-graphs.ts';
import { onMeetings } from './on-meetings.ts';
import { onPlans } from './on-plans.ts';
import { onSteps } from './on-steps.ts';
import { onSweeps } from './on-sweeps.ts';

/** All ways of breaking a plan, by name. */
export const mutations: Readonly<Record<string, Mutation>> = {
  ...onBuffers,
  ...onSteps,
  ...onMeetings,
  ...onExchanges,
  ...onGraphs,
  ...onSweeps,
  ...onPlans,
};
