import type { Backend } from './backend.ts';
import type { Fault } from './diagnostics/diagnostic.ts';
import type { ModuleAt, Stage } from './module.ts';

/**
 * A pass is one pure function from one stage of lowering to another. Its name is its file, its export, its
 * word on the command line and its folder of cases. A schedule it cannot carry out is a fault.
 */
export type Pass<From extends Stage = Stage, To extends Stage = Stage> = {
  readonly name: string;
  readonly doc: string;
  readonly from: From;
  readonly to: To;
  /** `backend`: who will run the plan, and what of memory that takes; without it, what values alone take. */
  run(module: ModuleAt<From>, backend?: Backend): ModuleAt<To> | Fault;
};
