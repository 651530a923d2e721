import { segmentWorkspace } from '../backends/onnx/workspace.ts';
import type { Backend } from '../ir/backend.ts';
import {
  type Diagnostic,
  diagnose,
  failure,
  isFault,
  type Result,
  success,
} from '../ir/diagnostics/diagnostic.ts';
import type { Module } from '../ir/module.ts';
import type { Pass } from '../ir/pass.ts';
import { printModule } from '../ir/text/module.ts';
import { verifyModule } from '../ir/verify/module.ts';

/** Something that a pass left wrong: our own bug. The message shows the module with the faults. */
export class PassError extends Error {}

/** Device processes of this machine, which run segments as ONNX files. */
export const processes: Backend = { executor: 'processes', workspaceOf: segmentWorkspace };

/**
 * Runs passes one after another; they are told of these processes, or of who else will run the plan. Passes do not
 * verify: the manager does, before the first and after each, and where one left something unsound it stops with the
 * module printed. `known`: what the first passes are known to give, which is verified like anything else.
 */
export function runPasses(
  passes: readonly Pass[],
  module: Module,
  backend: Backend = processes,
  known: readonly Module[] = [],
): Result<Module> {
  let current = module;
  expectSound(current, 'what was given');
  for (const [index, pass] of passes.entries()) {
    if (current.stage !== pass.from)
      throw new PassError(`${pass.name} works on ${pass.from}, not ${current.stage}`);
    const next = known[index] ?? pass.run(current as never, backend);
    if (isFault(next)) return failure(diagnose(next));
    expectSound(next, pass.name);
    current = next;
  }
  return success(current);
}

function expectSound(module: Module, after: string): void {
  const faults = verifyModule(module);
  if (faults.length === 0) return;
  throw new PassError(`after ${after}:\n${faults.map(showFault).join('\n')}\n\n${printModule(module)}`);
}

const showFault = ({ code, message }: Diagnostic): string => `  ${code}: ${message}`;
