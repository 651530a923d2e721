import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { measuredTrace } from '../../backends/simulator/measured-trace.ts';
import { simulate } from '../../backends/simulator/simulate.ts';
import { type Trace, traceOf } from '../../backends/simulator/trace.ts';
import { bundlePaths } from '../../ir/bundle.ts';
import { diagnose, failure, fault, type Result, success } from '../../ir/diagnostics/diagnostic.ts';
import type { Machine } from '../../ir/machine.ts';
import type { Plan } from '../../ir/plan.ts';
import { printPlan } from '../../ir/text/plan.ts';
import { type Bundle, openBundle } from '../../runtime/bundle.ts';
import { readProfile } from '../../runtime/profile.ts';
import { planningOf } from '../bundle-planning.ts';
import { complain, type ExitCode, guarded, print, printJson } from '../command.ts';
import { machineText } from '../inputs-machine.ts';
import { inspection } from '../inspection.ts';
import { hasDevices, machineNamed } from '../machine-for.ts';
import { planJson, type ShownPlan } from '../plan-json.ts';
import { readAssets } from '../report/assets.ts';
import { reportOf } from '../report/report.ts';
import { readScaling } from '../scaling.ts';
import { pageOf } from '../terminal.ts';
import { writeText } from '../write-text.ts';

type Options = {
  readonly machine?: string;
  readonly roles?: true;
  readonly schedule?: true;
  readonly ir?: true;
  readonly json?: true;
  readonly profile?: string;
  readonly scaling?: string;
  readonly trace?: string;
  readonly html?: string;
};

export function registerInspect(program: Command): void {
  program
    .command('inspect')
    .summary('show what a bundle does')
    .description('Shows the plan of a bundle: the schedule in words, and what each role does.')
    .argument('<bundle>', 'a folder that `unetc compile` wrote')
    .option(
      '--machine <name>',
      'predict on this machine, by name or .machine file (default: the one it was compiled for)',
    )
    .option('--roles', 'show every kind of device, also where they are many')
    .option(
      '--profile <file>',
      'what `unetc run --profile` measured: beside the prediction, and in the trace',
    )
    .option(
      '--scaling <file>',
      'what `unetc scale --json` printed for the model: the step against the number of devices',
    )
    .option('--html <file>', 'write all of it as one page that needs nothing else, to be sent to others')
    .option('--trace <file>', 'write the predicted step as a trace, to be opened in https://ui.perfetto.dev')
    .option('--schedule', 'print the complete schedule, to be edited and given back')
    .option('--ir', 'print the whole plan as text')
    .option('--json', 'print the figures as JSON')
    .action(guarded(runInspect));
}

async function runInspect(folder: string, options: Options): Promise<ExitCode> {
  const bundle = await openBundle(folder);
  if (!bundle.ok) return complain(bundle.diagnostics);
  const read = shownFrom(bundle.value, options);
  if (!read.ok) return complain(read.diagnostics, new Map(machineText(options.machine)));
  const shown = read.value;
  const written = [writeTrace(shown, options.trace), writeReport(shown, options.html)];
  for (const one of written) if (!one.ok) return complain(one.diagnostics);
  if (options.schedule) print(readFileSync(join(folder, bundlePaths.schedule), 'utf8').trimEnd());
  else if (options.ir) print(printPlan(shown.plan).trimEnd());
  else if (options.json) printJson(planJson(shown));
  else {
    const page = pageOf(process.stdout);
    print(inspection(planJson(shown), { page, allRoles: options.roles === true }));
  }
  return 0;
}

/** The plan, and what is known of it: from the bundle, from another machine, from a run. */
function shownFrom(bundle: Bundle, options: Options): Result<ShownPlan> {
  const { plan, manifest } = bundle;
  const machine =
    options.machine === undefined
      ? undefined
      : machineNamed(options.machine, { devices: plan.schedule.devices });
  if (machine?.ok === false) return machine;
  const enough = machine === undefined ? success(undefined) : onMachine(plan, machine.value);
  if (!enough.ok) return enough;
  const profile =
    options.profile === undefined ? undefined : readProfile(options.profile, plan, manifest.plan);
  if (profile?.ok === false) return profile;
  const scaling = options.scaling === undefined ? undefined : readScaling(options.scaling, plan);
  if (scaling?.ok === false) return scaling;
  return success({
    plan,
    // What was weighed was weighed for the machine of the bundle.
    ...(machine === undefined ? planningOf(bundle) : { machine: machine.value }),
    ...(profile === undefined ? {} : { profile: profile.value }),
    ...(scaling === undefined ? {} : { scaling: scaling.value }),
  });
}

const onMachine = (plan: Plan, machine: Machine): Result<void> =>
  hasDevices(
    machine,
    `the plan \`${plan.name}\``,
    plan.schedule.devices,
    'compile the model for that machine: `unetc compile MODEL --machine NAME`',
  );

const writeReport = (shown: ShownPlan, file: string | undefined): Result<void> =>
  file === undefined ? success(undefined) : writeText(file, reportOf(shown, readAssets()));

/** Of the run, where one was measured; else of the simulated step. */
function writeTrace({ plan, machine, profile }: ShownPlan, file: string | undefined): Result<void> {
  if (file === undefined) return success(undefined);
  const write = (trace: Trace) => writeText(file, `${JSON.stringify(trace)}\n`);
  if (profile !== undefined) return write(measuredTrace(plan, profile));
  if (machine === undefined) return failure(diagnose(fault('machine-needed', { what: '--trace' })));
  const { name, purpose } = plan;
  if (purpose !== 'train')
    return failure(diagnose(fault('nothing-to-time', { what: '--trace', plan: name, purpose })));
  return write(traceOf(plan, machine.name, simulate(plan, machine)));
}
