import { join } from 'node:path';
import type { Command } from 'commander';
import { carryOut, decide, modelOf } from '../../compiler/compile.ts';
import { diagnose, type Fault, fault } from '../../ir/diagnostics/diagnostic.ts';
import type { Pins } from '../../ir/schedule.ts';
import { collect, complain, type ExitCode, guarded, note, print, printJson } from '../command.ts';
import { type PinOptions, readPins, readSets, readSource, threadsEach, wholeNumber } from '../inputs.ts';
import { machineText } from '../inputs-machine.ts';
import { compactInspection } from '../inspection.ts';
import { machineFor } from '../machine-for.ts';
import { planJson } from '../plan-json.ts';
import { pageOf } from '../terminal.ts';
import { torchFiles } from '../torch-files.ts';
import { writeBundle } from '../write-bundle.ts';

type Options = PinOptions & {
  readonly set: readonly string[];
  readonly output?: string;
  readonly machine?: string;
  readonly threads?: string;
  readonly memoryCurve?: true;
  readonly json?: true;
};

export function registerCompile(program: Command): void {
  program
    .command('compile')
    .summary('plan, lower, verify, and write the bundle')
    .description(
      'Compiles a model into a plan for the devices of a machine, verifies it, and writes the bundle.\nWhat is not pinned is decided for the least predicted step time that fits the memory of the machine;\nwhere none is named, of processes of this one, at rates that are assumed (`unetc calibrate` measures them).',
    )
    .argument('<model>', 'a .unet file')
    .option(
      '--machine <name>',
      'a machine that comes with unetc, or a .machine file (default: processes of this one)',
    )
    .option(
      '--devices <n>',
      'devices at most (default: all of the machine; without one, what the schedule asks for)',
    )
    .option('--memory <size>', "memory of a device, such as 4GiB (default: the machine's)")
    .option('--schedule <file>', 'a schedule, complete or with decisions left out')
    .option(
      '--pin <key=value>',
      'one decision, such as tiles=2x3 or replicas=2; repeatable (cuts for all axes: rows=0,104,256 and columns=0,256)',
      collect,
      [],
    )
    .option(
      '--memory-curve',
      'also show what a step would take within less or more memory, and keep it for `unetc inspect`',
    )
    .option('--set <name=value>', 'replace a top-level `let`; repeatable', collect, [])
    .option('--threads <n>', 'compute threads of each device (default: the cores, shared out)')
    .option('-o, --output <folder>', 'where the bundle goes (default: NAME.plan in the working folder)')
    .option('--json', 'print the result as JSON')
    .action(guarded(runCompile));
}

/** For diagnostics that point into it. */
function textOf(schedule: string | undefined): [string, string][] {
  const text = schedule === undefined ? undefined : readSource(schedule);
  return schedule !== undefined && text?.ok ? [[schedule, text.value]] : [];
}

async function runCompile(file: string, options: Options): Promise<ExitCode> {
  const source = readSource(file);
  if (!source.ok) return complain(source.diagnostics);
  const sources = new Map([
    [file, source.value],
    ...textOf(options.schedule),
    ...machineText(options.machine),
  ]);
  const [sets, pins] = [readSets(options.set), readPins(options)];
  if (!sets.ok || !pins.ok)
    return complain([...(sets.ok ? [] : sets.diagnostics), ...(pins.ok ? [] : pins.diagnostics)], sources);
  const threads = options.threads === undefined ? undefined : wholeNumber('--threads', options.threads);
  if (threads?.ok === false) return complain(threads.diagnostics, sources, 2);
  const machine = machineFor(options.machine, pins.value);
  if (!machine.ok) return complain(machine.diagnostics, sources);
  const model = modelOf({ source: source.value, file, sets: sets.value, purpose: 'train' });
  if (!model.ok) return complain(model.diagnostics, sources);
  complain([...machine.warnings, ...model.warnings], sources);
  const asked = curveFault(options, machine.value);
  if (asked !== undefined) return complain([diagnose(asked)], sources);
  const began = performance.now();
  const decided = decide(model.value, machine.value.pins, machine.value.machine, {
    memoryCurve: options.memoryCurve === true,
  });
  if (!decided.ok) return complain(decided.diagnostics, sources);
  const planningSeconds = (performance.now() - began) / 1000;
  const { schedule, lowered } = decided.value;
  const plan = carryOut(model.value, schedule, machine.value.machine, lowered);
  if (!plan.ok) return complain(plan.diagnostics, sources);
  const folder = options.output ?? join('.', `${plan.value.name}.plan`);
  const origin = {
    source: source.value,
    sets: sets.value,
    torch: torchFiles(),
    threads: threads?.value ?? threadsEach(plan.value.schedule.devices),
    machine: machine.value.machine,
    ...(decided.value.decision === undefined ? {} : { decision: decided.value.decision }),
  };
  const written = writeBundle(plan.value, origin, folder);
  if (!written.ok) return complain(written.diagnostics, sources, 3);
  const shown = { plan: plan.value, machine: machine.value.machine, decision: decided.value.decision };
  const figures = planJson(shown);
  if (options.json) printJson({ ...figures, planningSeconds, files: written.value });
  else {
    print(compactInspection(figures, { page: pageOf(process.stdout) }));
    const seconds = ((performance.now() - began) / 1000).toFixed(2);
    note(
      `\nDecided in ${planningSeconds.toFixed(2)} s, compiled and verified in ${seconds} s. The bundle is in ${folder}`,
    );
    if (options.machine === undefined) note(assumedRates);
  }
  return 0;
}

const assumedRates =
  'The rates of this machine are assumed: `unetc calibrate -o this.machine` measures them, `--machine this.machine` uses them.';

/** A curve is of what the search may still choose. */
function curveFault({ memoryCurve }: Options, { pins }: { readonly pins: Pins }): Fault | undefined {
  if (memoryCurve === undefined) return undefined;
  const pinned = (['drop', 'lean', 'strips'] as const).find((one) => pins[one] !== undefined);
  return pinned === undefined
    ? undefined
    : fault('wrong-option', {
        option: '--pin',
        value: pinned,
        expected: 'it to be left open: it is what `--memory-curve` is about',
      });
}
