import { join } from 'node:path';
import type { Command } from 'commander';
import { compile as compileText } from '../../compiler/compile.ts';
import { collect, complain, type ExitCode, guarded, note, print, printJson } from '../command.ts';
import {
  memoryOfThisMachine,
  type PinOptions,
  readPins,
  readSets,
  readSource,
  threadsEach,
  wholeNumber,
} from '../inputs.ts';
import { planTables } from '../plan-tables.ts';
import { summarize } from '../summary.ts';
import { coloursOf } from '../terminal.ts';
import { writeBundle } from '../write-bundle.ts';

type Options = PinOptions & {
  readonly set: readonly string[];
  readonly output?: string;
  readonly threads?: string;
  readonly json?: true;
};

export function registerCompile(program: Command): void {
  program
    .command('compile')
    .summary('plan, lower, verify, and write the bundle')
    .description(
      'Compiles a model into a plan for a number of devices of this machine, verifies it, and writes the bundle.\nWhat is not pinned is chosen: replicas before tiles, more micro-batches and then more tiles until it fits the memory.',
    )
    .argument('<model>', 'a .unet file')
    .option('--devices <n>', 'number of devices (processes)')
    .option('--memory <size>', 'memory of a device, such as 4GiB (default: its share of this machine)')
    .option('--schedule <file>', 'a schedule, complete or with decisions left out')
    .option(
      '--pin <key=value>',
      'one decision, such as tiles=2x3 or replicas=2; repeatable (cuts for all axes: rows=0,104,256 and columns=0,256)',
      collect,
      [],
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
  const sources = new Map([[file, source.value], ...textOf(options.schedule)]);
  const [sets, pins] = [readSets(options.set), readPins(options)];
  if (!sets.ok || !pins.ok)
    return complain([...(sets.ok ? [] : sets.diagnostics), ...(pins.ok ? [] : pins.diagnostics)], sources);
  const devices = pins.value.devices ?? 1;
  const threads = options.threads === undefined ? undefined : wholeNumber('--threads', options.threads);
  if (threads?.ok === false) return complain(threads.diagnostics, sources, 2);
  const began = performance.now();
  const memory = pins.value.memory ?? memoryOfThisMachine(devices);
  const compiled = compileText({
    source: source.value,
    file,
    sets: sets.value,
    purpose: 'train',
    pins: { ...pins.value, memory },
  });
  if (!compiled.ok) return complain(compiled.diagnostics, sources);
  complain(compiled.warnings, sources);
  const planningSeconds = (performance.now() - began) / 1000;
  const { plan } = compiled.value;
  const folder = options.output ?? join('.', `${plan.name}.plan`);
  const origin = {
    source: source.value,
    sets: sets.value,
    threads: threads?.value ?? threadsEach(plan.schedule.devices),
  };
  const written = writeBundle(plan, origin, folder);
  if (!written.ok) return complain(written.diagnostics, sources, 3);
  if (options.json) {
    const machine = { name: 'local', devices: plan.schedule.devices, memoryBytes: memory };
    const { model, schedule, predicted, roles } = summarize(plan);
    printJson({ model, machine, schedule, predicted, planningSeconds, roles, files: written.value });
    return 0;
  }
  print(planTables(plan, coloursOf(process.stdout)));
  note(`\nCompiled and verified in ${planningSeconds.toFixed(2)} s. The bundle is in ${folder}`);
  return 0;
}
