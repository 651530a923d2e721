/**
 * Training that survives: a run is killed (`kill -9`) at random moments, its parent or one of its devices, and
 * goes on with `--resume`; the weights at its end must be those of an undisturbed run, bit for bit.
 *
 *   npx tsx scripts/kill-and-resume.ts [KILLS] [SEED]
 *
 * KILLS (20) moments in turn: during the start, between steps, inside a step, while a checkpoint is written
 * (on a disk that is made slow), during a validation. Prints a line for each and a summary; ends with 1 if
 * anything differed or was left over.
 */
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { at } from '../ir/box.ts';
import { philox } from '../ir/philox.ts';
import {
  type Kill,
  killAndResume,
  moments,
  prepareTraining,
  trainingFolder,
} from '../tests/support/killing.ts';

const [kills = 20, seed = 1] = process.argv.slice(2).map(Number);
const STEPS = 12;

const folder = trainingFolder(tmpdir());
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const training = await prepareTraining(folder, STEPS, 2);
console.log(
  `Undisturbed: first step after ${training.startTime.toFixed(0)} ms, ${training.stepTime.toFixed(0)} ms a step.`,
);

const words = new Uint32Array(4);
/** From 0 to 1, by (seed, kill, which of the two). */
function draw(kill: number, what: number): number {
  philox(words, kill, what, 0, 0, seed, 0);
  return at([...words], 0) / 2 ** 32;
}

/** The moments take turns, so that each is hit; all else is drawn. */
function drawKill(index: number): Kill {
  const moment = at(moments, index % moments.length);
  const victim = at(['parent', 0, 1] as const, Math.floor(draw(index, 0) * 3));
  const most = {
    start: 1,
    'between steps': STEPS - 1,
    'inside a step': STEPS - 1,
    checkpoint: 5,
    validation: 3,
  };
  return { moment, victim, which: Math.floor(draw(index, 1) * most[moment]), share: draw(index, 2) };
}

let failed = 0;
for (let index = 0; index < kills; index++) {
  const kill = drawKill(index);
  const { ended, problems } = await killAndResume(training, kill, `killed-${index}`);
  const who = kill.victim === 'parent' ? 'the parent' : `device ${kill.victim}`;
  const where = `${kill.moment} ${kill.which}, ${(100 * kill.share).toFixed(0)} %`;
  console.log(`${problems.length === 0 ? 'equal ' : 'FAILED'} ${who} at ${where}: ${ended}`);
  for (const problem of problems) console.log(`       ${problem}`);
  if (problems.length > 0) failed++;
}
console.log(
  `\n${kills} kills, seed ${seed}: ${kills - failed} runs bit-equal to the undisturbed one, ${failed} not.`,
);
process.exitCode = failed === 0 ? 0 : 1;
