/** The orders of passes, as data. */
import type { Pass } from '../ir/pass.ts';
import { firstFit } from '../passes/decide/first-fit.ts';
import { allocate } from '../passes/lower/allocate.ts';
import { gradient } from '../passes/lower/gradient.ts';
import { instruct } from '../passes/lower/instruct.ts';
import { shard } from '../passes/lower/shard.ts';

/** From a model with pins to a schedule, where no machine is known to search with. */
export const decidePipeline = [firstFit] as unknown as readonly Pass[];

/** From a schedule to a plan. */
export const lowerPipeline = [shard, gradient, instruct, allocate] as unknown as readonly Pass[];

/** From a model with pins to a plan. */
export const planPipeline: readonly Pass[] = [...decidePipeline, ...lowerPipeline];
