/** Checkpoints that are torn, and disks that are full. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { at } from '../../ir/box.ts';
import { runTorch } from '../../tests/support/torch-runs.ts';
import {
  allEnded,
  bare,
  fault,
  inFolder,
  one,
  python,
  resumed,
  STEPS,
  same,
  type Try,
  tiles,
  times,
  untiled,
  withData,
} from './setup.ts';

/** What is left of a checkpoint after some bytes: nothing, or as many zeros. */
function torn(bytes: number, zeros: boolean): () => Promise<Try> {
  return async () => {
    const checkpoints = inFolder('torn');
    const [older, newer] = [STEPS - 8, STEPS - 4].map((step) => `step-0000${step}.safetensors`);
    rmSync(checkpoints, { recursive: true, force: true });
    mkdirSync(checkpoints);
    copyFileSync(join(inFolder('source'), `${older}`), join(checkpoints, `${older}`));
    const whole = readFileSync(join(inFolder('source'), `${newer}`));
    const rest = zeros ? Buffer.alloc(whole.length - bytes) : Buffer.alloc(0);
    writeFileSync(join(checkpoints, `${newer}`), Buffer.concat([whole.subarray(0, bytes), rest]));
    const { status, stderr } = await runTorch(python, {
      bundle: one,
      ranks: 1,
      args: withData(checkpoints, '--resume'),
    });
    const skipped = stderr.includes(`${newer} is incomplete and skipped`);
    const problems = [
      ...(status === 0 && skipped ? [] : [stderr.slice(-400)]),
      ...same(checkpoints, untiled),
    ];
    return { says: `at ${bytes} of ${whole.length} bytes${zeros ? ', zeros after it' : ''}`, problems };
  };
}

const pages = times(Math.ceil(untiled.last.length / 4096), (page) => 4096 * page);

/** A disk with room for so many checkpoints, and then with room enough. */
function full(room: number): () => Promise<Try> {
  return async () => {
    const disk = inFolder('disk');
    mkdirSync(disk, { recursive: true });
    const mount = (size: number, ...how: string[]) =>
      execFileSync('mount', [
        '-t',
        'tmpfs',
        '-o',
        [...how, `size=${Math.ceil(size)}`].join(','),
        'tmpfs',
        disk,
      ]);
    mount(room * tiles.last.length);
    try {
      const ranks = await bare(tiles, withData(disk));
      const ended = await allEnded(ranks);
      const said = /unetc_torch: .*/.exec(at(ended, 0).stderr)?.[0] ?? '';
      mount(9 * tiles.last.length, 'remount');
      const statuses = ended.map(({ status }) => status);
      const well = statuses.every((status) => status === 3) && said.includes('No space left on device');
      const problems = [...(well ? [] : [`ended with ${statuses}: ${at(ended, 0).stderr.slice(-400)}`])];
      const says = `room for ${room}: exit ${statuses}, ${said.replaceAll(disk, 'DISK')}`;
      return { says, problems: [...problems, ...(await resumed(tiles, disk))] };
    } finally {
      execFileSync('umount', [disk]);
    }
  };
}

export async function fileFaults(): Promise<void> {
  await fault(
    'a torn checkpoint',
    pages.flatMap((bytes) => [torn(bytes, false), torn(bytes, true)]),
  );
  await fault('a full disk', [0.4, 1.3, 1.9, 2.5, 3.2].map(full));
}
