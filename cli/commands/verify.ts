import type { Command } from 'commander';
import { comparePlan } from '../../compiler/compare.ts';
import { verifyPlan } from '../../ir/verify/plan.ts';
import { openBundle } from '../../runtime/bundle.ts';
import { complain, type ExitCode, guarded, note, print, printJson } from '../command.ts';
import { many } from '../plan-tables.ts';

type Options = { readonly numeric?: true; readonly json?: true };

/** Float64 rounding of two summation orders stays well below this. */
const tolerance = 1e-9;

export function registerVerify(program: Command): void {
  program
    .command('verify')
    .summary('prove that a plan is sound')
    .description(
      'Proves that the plan of a bundle is sound. With --numeric, runs the plan and the plain network in float64 on one drawn batch, and compares the loss and every gradient.',
    )
    .argument('<bundle>', 'a folder that `unetc compile` wrote')
    .option('--numeric', 'also compare with the plain network in float64 (minutes for large networks)')
    .option('--json', 'print the result as JSON')
    .action(guarded(runVerify));
}

async function runVerify(folder: string, options: Options): Promise<ExitCode> {
  const bundle = await openBundle(folder);
  if (!bundle.ok) return complain(bundle.diagnostics);
  const { plan } = bundle.value;
  const faults = verifyPlan(plan);
  const ok = faults.length === 0;
  const measure = ok && options.numeric === true && plan.purpose === 'train';
  if (measure) note('Running the plan and the plain network in float64 ...');
  const numeric = measure ? comparePlan(plan) : undefined;
  const exact =
    numeric === undefined || (numeric.lossError <= tolerance && numeric.gradientError <= tolerance);
  if (options.json) printJson({ static: { ok, faults }, ...(numeric ? { numeric } : {}) });
  else {
    if (!ok) complain(faults);
    else
      print(
        `Sound: ${many(plan.roles.length, 'role')}, ${many(plan.segments.length, 'segment')}, every check passed.`,
      );
    if (numeric)
      print(
        `${exact ? 'Exact' : 'NOT EXACT'} in float64: loss off by ${numeric.lossError.toExponential(1)}, gradients by at most ${numeric.gradientError.toExponential(1)} (${numeric.worst}).`,
      );
  }
  return ok && exact ? 0 : 1;
}
