/** What passes are told of whoever will run a plan. */
import { type WorkspaceOf, workspaceOf } from './liveness.ts';
import type { Executor } from './plan.ts';

export type Backend = {
  readonly executor: Executor;
  /** What a segment needs beside its inputs and outputs. */
  readonly workspaceOf: WorkspaceOf;
};

/** Values alone: nothing is kept that the plan does not ask for. */
export const plainBackend: Backend = { executor: 'torch', workspaceOf };
