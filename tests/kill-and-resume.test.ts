/**
 * A run that is killed and goes on with `--resume` ends with the weights of one that nobody disturbed, bit for
 * bit, and leaves nothing behind. `scripts/kill-and-resume.ts` does that at random moments, as often as wanted.
 */
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Kill, killAndResume, prepareTraining, trainingFolder } from './support/killing.ts';

const folder = trainingFolder(tmpdir());
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const training = await prepareTraining(folder, 5, 1);

const kills: Readonly<Record<string, Kill>> = {
  'the parent, while it writes a checkpoint': {
    moment: 'checkpoint',
    victim: 'parent',
    which: 0,
    share: 0.4,
  },
  'a device that scores, during a validation': { moment: 'validation', victim: 0, which: 0, share: 0.2 },
};

for (const [index, [name, kill]] of Object.entries(kills).entries())
  test(`killed and resumed: ${name}`, async () => {
    assert.equal((await killAndResume(training, kill, `killed-${index}`)).problems, []);
  });

test.run();
