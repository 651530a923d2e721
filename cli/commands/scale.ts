import type { Command } from 'commander';
import { carryOut, decide, modelOf } from '../../compiler/compile.ts';
import { diagnose, failure, fault, type Result, success } from '../../ir/diagnostics/diagnostic.ts';
import type { Machine } from '../../ir/machine.ts';
import type { Model } from '../../ir/model.ts';
import type { Pins } from '../../ir/schedule.ts';
import { showBytes, showSeconds } from '../../ir/units.ts';
import type { HaloStrategy } from '../../passes/decide/situation.ts';
import { collect, complain, type ExitCode, guarded, note, print, printJson } from '../command.ts';
import { inShort } from '../decision-words.ts';
import { type PinOptions, readPins, readSets, readSource } from '../inputs.ts';
import { machineText } from '../inputs-machine.ts';
import { hasDevices, machineNamed } from '../machine-for.ts';
import { type PlanJson, planJson } from '../plan-json.ts';
import { predictionOf } from '../prediction.ts';
import { table } from '../table.ts';
import { pageOf } from '../terminal.ts';

type Options = PinOptions & {
  readonly machine: string;
  readonly devices: string;
  readonly against?: string;
  readonly set: readonly string[];
  readonly json?: true;
};

export function registerScale(program: Command): void {
  program
    .command('scale')
    .summary('plan for several numbers of devices')
    .description(
      'Plans a model for each number of devices, and shows what is predicted and what was chosen.\nNothing is written. Efficiency is T1 / (N x TN), T1 one device with memory for everything.',
    )
    .argument('<model>', 'a .unet file')
    .requiredOption('--machine <name>', 'a machine that comes with unetc, or a .machine file')
    .requiredOption('--devices <list>', 'numbers of devices, such as 6,96,1536')
    .option('--against <strategy>', 'the same for a halo strategy of other systems: overlap or exchange')
    .option('--memory <size>', "memory of a device, such as 4GiB (default: the machine's)")
    .option('--pin <key=value>', 'one decision, such as replicas=1; repeatable', collect, [])
    .option('--set <name=value>', 'replace a top-level `let`; repeatable', collect, [])
    .option('--json', 'print the result as JSON')
    .action(guarded(runScale));
}

async function runScale(file: string, { devices, ...options }: Options): Promise<ExitCode> {
  const source = readSource(file);
  if (!source.ok) return complain(source.diagnostics);
  const sources = new Map([[file, source.value], ...machineText(options.machine)]);
  const [sets, pins] = [readSets(options.set), readPins(options)];
  const [counts, strategy] = [readCounts(devices), readStrategy(options.against)];
  const largest = Math.max(...(counts.ok ? counts.value : [1]));
  const machine = machineNamed(options.machine, { ...(pins.ok ? pins.value : {}), devices: largest });
  if (!sets.ok || !pins.ok || !counts.ok || !strategy.ok || !machine.ok)
    return complain(
      [sets, pins, counts, strategy, machine].flatMap((one) => (one.ok ? [] : one.diagnostics)),
      sources,
    );
  const enough = hasDevices(machine.value, '`--devices`', largest, 'ask for fewer');
  if (!enough.ok) return complain(enough.diagnostics);
  const model = modelOf({ source: source.value, file, sets: sets.value, purpose: 'train' });
  if (!model.ok) return complain(model.diagnostics, sources);
  const rows = scalingRows(model.value, machine.value, pins.value, counts.value, strategy.value, (row) => {
    if (!options.json) note(`planned for ${row.devices} in ${showSeconds(row.seconds)}`);
  });
  if (!rows.ok) return complain(rows.diagnostics, sources);
  if (options.json) printJson(rows.value);
  else print(scaleTable(rows.value, machine.value));
  return 0;
}

type Planned = { readonly devices: number; readonly seconds: number };

/** A row for each number of devices; `onRow` is told of each. */
export function scalingRows(
  model: Model,
  machine: Machine,
  pins: Pins,
  counts: readonly number[],
  strategy: HaloStrategy | undefined,
  onRow: (row: Planned) => void = () => undefined,
): Result<Row[]> {
  const rows: Row[] = [];
  for (const devices of counts) {
    const row = rowOf(model, machine, { ...pins, devices }, strategy);
    if (!row.ok) return row;
    rows.push(row.value);
    onRow({ devices, seconds: row.value.planningSeconds });
  }
  return success(rows);
}

type Row = PlanJson & {
  readonly planningSeconds: number;
  readonly against?: { readonly strategy: HaloStrategy; readonly stepSeconds: number };
};

function rowOf(model: Model, machine: Machine, pins: Pins, strategy: HaloStrategy | undefined): Result<Row> {
  const began = performance.now();
  const decided = decide(model, pins, machine);
  if (!decided.ok) return decided;
  const planningSeconds = (performance.now() - began) / 1000;
  const plan = carryOut(model, decided.value.schedule, machine, decided.value.lowered);
  if (!plan.ok) return plan;
  const json = planJson({ plan: plan.value, machine, decision: decided.value.decision });
  if (strategy === undefined) return success({ ...json, planningSeconds });
  const other = decide(model, pins, machine, { strategy });
  if (!other.ok) return other;
  const otherPlan = carryOut(model, other.value.schedule, machine, other.value.lowered);
  if (!otherPlan.ok) return otherPlan;
  const stepSeconds = predictionOf(otherPlan.value, machine)?.predicted.stepSeconds ?? Number.NaN;
  return success({ ...json, planningSeconds, against: { strategy, stepSeconds } });
}

function readCounts(list: string): Result<number[]> {
  const counts = list.split(',').map(Number);
  return counts.every((count) => Number.isSafeInteger(count) && count >= 1)
    ? success(counts)
    : wrong('--devices', list, 'whole numbers from 1 with commas between them, such as 6,96,1536');
}

function readStrategy(word: string | undefined): Result<HaloStrategy | undefined> {
  if (word === undefined || word === 'overlap' || word === 'exchange') return success(word);
  return wrong('--against', word, '`overlap` or `exchange`');
}

const wrong = (option: string, value: string, expected: string): Result<never> =>
  failure(diagnose(fault('wrong-option', { option, value, expected })));

function scaleTable(rows: readonly Row[], machine: Machine): string {
  const compared = rows.some(({ against }) => against !== undefined);
  return table(
    [
      { title: 'devices', align: 'right' },
      { title: 'step', align: 'right' },
      { title: 'efficiency', align: 'right' },
      { title: 'gap', align: 'right' },
      { title: 'memory', align: 'right' },
      { title: 'node-hours / 1000 steps', align: 'right' },
      ...(compared ? [{ title: `${rows[0]?.against?.strategy}`, align: 'right' } as const] : []),
      { title: 'chosen' },
    ],
    rows.map(({ machine: used, predicted, bound, decision, against }) => {
      const seconds = predicted.stepSeconds ?? Number.NaN;
      const nodes = Math.ceil(used.devices / machine.devicesPerNode);
      return [
        String(decision?.available ?? used.devices),
        showSeconds(seconds),
        (predicted.efficiency ?? Number.NaN).toFixed(3),
        `${(100 * (bound?.gap ?? Number.NaN)).toFixed(1)} %`,
        showBytes(predicted.peakBytes),
        ((nodes * seconds * 1000) / 3600).toPrecision(3),
        ...(compared ? [`${showSeconds(against?.stepSeconds ?? 0)}`] : []),
        decision === undefined ? 'as pinned' : inShort(decision.chosen),
      ];
    }),
    pageOf(process.stdout),
  );
}
