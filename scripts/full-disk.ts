/**
 * A disk that fills up: checkpoints go to a small file system (tmpfs, so this runs as root on Linux), whose size
 * grows from one try to the next, so that writing stops at another point each time: in the first checkpoint, in
 * the second, in the best one. After each failure the newest checkpoint must be whole, and with more room
 * `--resume` must end, bit for bit, where an undisturbed run does.
 *
 *   npx tsx scripts/full-disk.ts [TRIES]
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCheckpoint } from '../runtime/files/checkpoint.ts';
import { unetc } from '../tests/support/command-line.ts';
import { prepareTraining, trainingFolder } from '../tests/support/killing.ts';

const [tries = 10] = process.argv.slice(2).map(Number);
const STEPS = 9;
const LAST = `step-00000${STEPS}.safetensors`;

const folder = trainingFolder(tmpdir());
const disk = join(folder, 'disk');
const mount = (...args: readonly string[]) => execFileSync('mount', ['-t', 'tmpfs', ...args, 'tmpfs', disk]);
const unmount = () => execFileSync('umount', [disk]);
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const { command } = await prepareTraining(folder, STEPS, 1);
mkdirSync(disk);
const expected = join(folder, 'undisturbed');
const one = statSync(join(expected, LAST)).size;
/** Room for all checkpoints that are kept, the best one, and one that is being written. */
const enough = 5 * one;

/** What is wrong after a run on a disk of so many bytes, and how that ended. */
async function attempt(bytes: number): Promise<{ ended: string; problems: string[] }> {
  mount('-o', `size=${bytes}`);
  try {
    const full = await unetc(`${command} --checkpoint ${disk}`);
    const torn = readdirSync(disk).filter((name) => !readCheckpoint(join(disk, name)).ok);
    execFileSync('mount', ['-o', `remount,size=${2 * enough}`, disk]);
    const again = await unetc(`${command} --checkpoint ${disk} --resume`);
    const said = /^error\[.*$/m.exec(full.stderr)?.[0] ?? '';
    const differing = [LAST, 'best.safetensors'].filter(
      (name) => !readFileSync(join(disk, name)).equals(readFileSync(join(expected, name))),
    );
    return {
      ended: `exit code ${full.status} ${said.replaceAll(disk, 'DISK')}`,
      problems: [
        ...(full.status === 0 || (full.status === 3 && /the disk is full/.test(said)) ? [] : [full.stderr]),
        ...torn.map((name) => `${name} is not whole`),
        ...(again.status === 0 ? [] : [`--resume ended with ${again.status}: ${again.stderr}`]),
        ...differing.map((name) => `${name} differs`),
      ],
    };
  } finally {
    unmount();
  }
}

let failed = 0;
for (let i = 0; i < tries; i++) {
  const bytes = Math.round(((i + 0.5) / tries) * enough);
  const { ended, problems } = await attempt(bytes);
  console.log(
    `${problems.length === 0 ? 'well  ' : 'FAILED'} room for ${(bytes / one).toFixed(2)}: ${ended}`,
  );
  for (const problem of problems) console.log(`       ${problem}`);
  if (problems.length > 0) failed++;
}
console.log(
  `\n${tries} disks that fill up: ${tries - failed} runs went on as if nothing had been, ${failed} did not.`,
);
process.exitCode = failed === 0 ? 0 : 1;
