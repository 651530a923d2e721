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

/** What a pass left, and its name. */
type Left = { readonly module: Module; readonly after: string };

/**
 * Runs passes one after another; they are told of these processes, or of who else will run the plan. Passes do not
 * verify: the manager does, before the first and after the last on each stage, and where something is unsound it stops with
 * the module that the first pass at fault left, printed. What the last leaves is held to all that the earlier ones are held to. `known`: what the first passes are known to give, which is verified
 * like anything else.
 */
export function runPasses(
  passes: readonly Pass[],
  module: Module,
  backend: Backend = processes,
  known: readonly Module[] = [],
): Result<Module> {
  let current = module;
  /** What was left on one stage and not verified yet. */
  let unseen: Left[] = [{ module, after: 'what was given' }];
  for (const [index, pass] of passes.entries()) {
    if (current.stage !== pass.from)
      throw new PassError(`${pass.name} works on ${pass.from}, not ${current.stage}`);
    if (current.stage !== pass.to) {
      expectSound(unseen);
      unseen = [];
    }
    const next = known[index] ?? ran(pass, current, backend, unseen);
    if (isFault(next)) {
      expectSound(unseen);
      return failure(diagnose(next));
    }
    unseen.push({ module: next, after: pass.name });
    current = next;
  }
  expectSound(unseen);
  return success(current);
}

/** A pass may break on what an earlier one left unsound: then that is the bug. */
function ran(pass: Pass, module: Module, backend: Backend, unseen: readonly Left[]) {
  try {
    return pass.run(module as never, backend);
  } catch (error) {
    expectSound(unseen);
    throw error;
  }
}

/** Of modules on one stage: if the last is sound they are, else the first that is not is at fault. */
function expectSound(modules: readonly Left[]): void {
  const last = modules.at(-1);
  if (last === undefined || verifyModule(last.module).length === 0) return;
  for (const left of modules) blame(left);
}

function blame({ module, after }: Left): void {
  const faults = verifyModule(module);
  if (faults.length === 0) return;
  throw new PassError(`after ${after}:\n${faults.map(showFault).join('\n')}\n\n${printModule(module)}`);
}

const showFault = ({ code, message }: Diagnostic): string => `  ${code}: ${message}`;
