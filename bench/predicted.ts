/**
 * Predicted against measured: a step of real networks under different schedules, as the simulator has it on this machine as
 * `unetc calibrate` describes it, and as its devices take it. In one session:
 *
 *   npx tsx bench/predicted.ts [--machine FILE] [--steps N] [--rounds N] [--rows FILE] [WORD]
 *
 * Without FILE the machine is calibrated first. Of schedules whose name contains WORD, each runs N steps (4) after two that
 * do not count, in so many rounds (2) through all of them, some minutes apart: the median of all its steps. Nor do steps
 * count in which other programs had more than a twentieth of a processor, where there are enough others. Calibration measures
 * kernels, messages and whole steps of other networks; the schedules are the test of them.
 * Last come the median and the worst error, and the pairs in the wrong order among those that differ by more than 15 %.
 * `--rows` also writes where the time of each went, by prediction and measurement.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { measuredOf } from '../backends/simulator/measured.ts';
import { simulate } from '../backends/simulator/simulate.ts';
import { activities } from '../backends/simulator/simulation.ts';
import { readMachine } from '../cli/inputs-machine.ts';
import { table } from '../cli/table.ts';
import { at } from '../ir/box.ts';
import type { Machine } from '../ir/machine.ts';
import type { Plan } from '../ir/plan.ts';
import { roleIndexAt, seatOf } from '../ir/ranks.ts';
import { showBytes } from '../ir/units.ts';
import type { Devices } from '../runtime/local/devices.ts';
import { tileOf } from '../runtime/local/placement.ts';
import { type MeasuredStep, profileOf } from '../runtime/profile.ts';
import { valueIn } from '../tests/support/devices.ts';
import { withDevices } from './devices-of.ts';
import { planWith } from './networks.ts';
import { type Scheduled, schedules } from './schedules.ts';
import { median, processorSeconds, root } from './turns.ts';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    machine: { type: 'string' },
    steps: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '2' },
    rows: { type: 'string' },
  },
});
/** Steps that do not count: sessions make room in the first, and take it all at once from the second on. */
const warming = 2;
const steps = Number(options.steps);
const mostDisturbed = 0.05;

function calibrated(): Machine {
  const folder = mkdtempSync(join(tmpdir(), 'unetc-predicted-'));
  const file = join(folder, 'here.machine');
  try {
    const args = ['--import', 'tsx', join(root, 'cli/unetc.ts'), 'calibrate', '-o', file];
    const { status } = spawnSync(process.execPath, args, { stdio: ['ignore', 2, 2], cwd: root });
    if (status !== 0) throw new Error('the machine could not be calibrated');
    return valueIn(readMachine(file));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** As `train` has it: from giving the work out to the last answer. */
async function measuredStep(plan: Plan, devices: Devices, step: number): Promise<MeasuredStep> {
  const begun = performance.now();
  const ranks = Array.from({ length: devices.size }, (_, rank) => rank);
  const done = await Promise.all(
    ranks.map((rank) => devices.work(rank, { step, tile: tileOf(plan, rank), timed: true })),
  );
  const seconds = (performance.now() - begun) / 1000;
  const all = done.map(valueIn);
  const times = all.map((one) => one.times ?? new Float64Array(0));
  return { step, seconds, times, peakBytes: all.map(({ peakBytes }) => peakBytes) };
}

/** Seconds in which the processors of this machine had work, or were kept from it; of all programs together. */
function busySeconds(): number {
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n');
  const [user = 0, nice = 0, system = 0, , , irq = 0, soft = 0, steal = 0] = line
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user + nice + system + irq + soft + steal) / 100;
}

/** A step, and the share of a processor that other programs had meanwhile. */
async function disturbedStep(plan: Plan, devices: Devices, step: number) {
  const own = () => [process.pid, ...devices.processes].reduce((sum, pid) => sum + processorSeconds(pid), 0);
  const [busy, before] = [busySeconds(), own()];
  const measured = await measuredStep(plan, devices, step);
  const others = busySeconds() - busy - (own() - before);
  return { measured, disturbed: others / measured.seconds };
}

/** Steps that are not disturbed, or the least disturbed ones; each of some more is tried. */
async function quietSteps(plan: Plan, devices: Devices): Promise<MeasuredStep[]> {
  const found: Awaited<ReturnType<typeof disturbedStep>>[] = [];
  const quiet = () => found.filter(({ disturbed }) => disturbed < mostDisturbed).length;
  while (quiet() < steps && found.length < 2 * steps)
    found.push(await disturbedStep(plan, devices, warming + found.length));
  return found
    .sort((a, b) => a.disturbed - b.disturbed)
    .slice(0, steps)
    .map(({ measured }) => measured);
}

type Compared = {
  readonly name: string;
  readonly predicted: number;
  readonly measured: number;
  /** Of the device that differs most. */
  readonly memory: { readonly predicted: number; readonly measured: number };
  readonly rows: string;
};

/** Steps of devices of their own: those that count, and the peaks of all. */
type Round = { readonly counted: readonly MeasuredStep[]; readonly peakBytes: readonly number[] };

async function roundOf(plan: Plan): Promise<Round> {
  return withDevices(plan, async (devices) => {
    const all: MeasuredStep[] = [];
    for (let step = 0; step < warming; step++) all.push(await measuredStep(plan, devices, step));
    const counted = await quietSteps(plan, devices);
    all.push(...counted);
    const ranks = Array.from({ length: devices.size }, (_, rank) => rank);
    return {
      counted,
      peakBytes: ranks.map((rank) => Math.max(...all.map((one) => at(one.peakBytes, rank)))),
    };
  });
}

function comparedWith({ name }: Scheduled, plan: Plan, rounds: readonly Round[]): Compared {
  const simulation = simulate(plan, machine);
  const counted = rounds.flatMap((round) => round.counted);
  const memories = at(rounds, 0).peakBytes.map((_, rank) => ({
    predicted: at(plan.roles, roleIndexAt(plan, seatOf(plan, rank))).peakBytes,
    measured: Math.max(...rounds.map(({ peakBytes }) => at(peakBytes, rank))),
  }));
  const apart = ({ predicted, measured }: Compared['memory']) => Math.abs(Math.log(measured / predicted));
  return {
    name,
    predicted: simulation.stepSeconds,
    measured: median(counted.map(({ seconds }) => seconds)),
    memory: memories.reduce((worst, next) => (apart(next) > apart(worst) ? next : worst)),
    rows: rowsOf(plan, simulation, counted),
  };
}

/** Milliseconds of each activity, predicted and measured in the step of median length. */
function rowsOf(
  plan: Plan,
  { roles }: ReturnType<typeof simulate>,
  counted: readonly MeasuredStep[],
): string {
  const profile = profileOf(plan.name, [at(counted, 0), ...counted], []);
  if (profile === undefined) return '';
  const measured = measuredOf(plan, profile);
  const ms = (seconds: number) => (1000 * seconds).toFixed(1);
  return roles
    .flatMap(({ role, seconds }, index) => {
      const own = at(measured.roles, index).seconds;
      const used = activities.filter((activity) => seconds[activity] > 0 || own[activity] > 1e-4);
      return [role, ...used.map((activity) => `  ${activity} ${ms(seconds[activity])} ${ms(own[activity])}`)];
    })
    .join('\n');
}

const errorOf = ({ predicted, measured }: Compared): number => predicted / measured - 1;
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const ratioOf = ({ predicted, measured }: Compared['memory']): number => measured / predicted;

/** Steps that differ by more are told apart. */
const apart = 1.15;

function disordered(all: readonly Compared[]): { readonly pairs: number; readonly wrong: readonly string[] } {
  const sorted = all.toSorted((a, b) => a.measured - b.measured);
  const pairs = sorted.flatMap((a, i) =>
    sorted.slice(i + 1).flatMap((b) => (b.measured > apart * a.measured ? [[a, b] as const] : [])),
  );
  const wrong = pairs.filter(([a, b]) => a.predicted >= b.predicted);
  return { pairs: pairs.length, wrong: wrong.map(([a, b]) => `${a.name} before ${b.name}`) };
}

const machine = options.machine === undefined ? calibrated() : valueIn(readMachine(options.machine));
const chosen = schedules
  .filter(({ name }) => name.includes(positionals[0] ?? ''))
  .map((scheduled) => ({ scheduled, plan: planWith(scheduled, scheduled.pins), rounds: [] as Round[] }));
for (let round = 0; round < Number(options.rounds); round++)
  for (const { plan, rounds } of chosen) rounds.push(await roundOf(plan));
const all = chosen.map(({ scheduled, plan, rounds }) => comparedWith(scheduled, plan, rounds));
if (options.rows !== undefined)
  writeFileSync(options.rows, all.map(({ name, rows }) => `${name}\n${rows}\n`).join('\n'));
const right = (title: string) => ({ title, align: 'right' }) as const;
console.log(
  table(
    [
      { title: 'one step' },
      ...['predicted', 'measured', 'error', 'memory predicted', 'measured', 'ratio'].map(right),
    ],
    all.map((one) => [
      one.name,
      `${one.predicted.toFixed(3)} s`,
      `${one.measured.toFixed(3)} s`,
      percent(errorOf(one)),
      showBytes(one.memory.predicted),
      showBytes(one.memory.measured),
      ratioOf(one.memory).toFixed(2),
    ]),
  ),
);
const errors = all.map((one) => Math.abs(errorOf(one)));
const ratios = all.map(({ memory }) => ratioOf(memory));
const { pairs, wrong } = disordered(all);
console.log(`error: median ${percent(median(errors))}, worst ${percent(Math.max(...errors))}`);
console.log(
  `memory: ${ratios.filter((ratio) => ratio >= 0.9 && ratio <= 1.15).length} of ${ratios.length} between 0.9 and 1.15`,
);
console.log(`${wrong.length} of ${pairs} pairs that differ by more than 15 % in the wrong order`);
for (const pair of wrong) console.log(`  ${pair}`);
