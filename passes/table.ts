/** Every pass by its name: what `unetc opt --pass` knows and the reference page lists. */
import type { Pass } from '../ir/pass.ts';
import { firstFit } from './decide/first-fit.ts';
import { jointSearch } from './decide/joint-search.ts';
import { allocate } from './lower/allocate.ts';
import { gradient } from './lower/gradient.ts';
import { instruct } from './lower/instruct.ts';
import { shard } from './lower/shard.ts';

export const passes = [firstFit, jointSearch, shard, gradient, instruct, allocate] as const;

export const passNamed = (name: string): Pass | undefined =>
  passes.find((pass) => pass.name === name) as Pass | undefined;
