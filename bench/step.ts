/**
 * Seconds of a training step, ours against hand-written PyTorch, one thread each, in one run:
 *
 *   npm run bench [rounds] [part of a name]
 *
 * The two take turns, two steps each, so that a machine whose speed drifts slows both. PyTorch is installed
 * into out/bench-venv; the product never needs it. A ratio above 1: ours is faster; its median, and the least and the
 * largest of all rounds. Where other programs want the processors too, look at the ratio of processor time, and at the
 * seconds of it, of which the system's (clearing memory) are a part.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { join } from 'node:path';
import { table } from '../cli/table.ts';
import { at } from '../ir/box.ts';
import { valueIn } from '../tests/support/devices.ts';
import { withDevices } from './devices-of.ts';
import { type Case, cases, planOf } from './networks.ts';
import {
  conversation,
  median,
  pythonWithTorch,
  type Rounds,
  ratiosOf,
  root,
  type Seconds,
  stepsEach,
  timed,
} from './turns.ts';

const rounds = Number(process.argv[2] ?? 9);
const wanted = process.argv[3] ?? '';

async function measure(one: Case, child: ChildProcessWithoutNullStreams): Promise<string[]> {
  const ask = conversation(child);
  await ask(`${one.torch} 1`);
  const { ours, theirs } = await withDevices(planOf(one), async (devices): Promise<Rounds> => {
    let step = 0;
    const own = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i++) {
        valueIn(await devices.work(0, { step: step++, tile: 0 }));
      }
    };
    await own(1);
    await ask('run 1');
    const taken: { ours: Seconds[]; theirs: Seconds[] } = { ours: [], theirs: [] };
    for (let round = 0; round < rounds; round++) {
      taken.ours.push(await timed(at(devices.processes, 0), () => own(stepsEach)));
      taken.theirs.push(await timed(child.pid ?? 0, async () => void (await ask(`run ${stepsEach}`))));
    }
    return taken;
  });
  const seconds = (all: readonly Seconds[], key: keyof Seconds) =>
    `${median(all.map((one) => one[key])).toFixed(3)} s`;
  return [
    one.name,
    seconds(ours, 'clock'),
    seconds(theirs, 'clock'),
    ratiosOf({ ours, theirs }, 'clock'),
    seconds(ours, 'processor'),
    seconds(theirs, 'processor'),
    ratiosOf({ ours, theirs }, 'processor'),
  ];
}

function startTorch(): ChildProcessWithoutNullStreams {
  const child = spawn(pythonWithTorch(), [join(root, 'bench/torch_step.py')]);
  child.stderr.pipe(process.stderr);
  return child;
}

const rows: string[][] = [];
for (const one of cases) {
  if (!one.name.includes(wanted)) continue;
  const child = startTorch();
  rows.push(await measure(one, child));
  child.kill();
}
console.log(
  table(
    [
      { title: 'one training step, one thread' },
      { title: 'unetc', align: 'right' },
      { title: 'PyTorch 2.13', align: 'right' },
      { title: 'ratio, all rounds', align: 'right' },
      { title: 'processor', align: 'right' },
      { title: 'PyTorch', align: 'right' },
      { title: 'ratio', align: 'right' },
    ],
    rows,
  ),
);
