/**
 * The quickstart: from a text to a mask of a real scene, through the same commands that a user types. Each
 * is shown before it runs. Everything it makes is in out/quickstart.
 */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const out = 'out/quickstart';
const plan = `${out}/coastline.plan`;
const pictures = { mask: `${out}/mask.png`, overlay: `${out}/overlay.png`, curve: `${out}/loss.png` };
const began = performance.now();

rmSync(join(root, out), { recursive: true, force: true });

say('The network: a U-Net of 3 poolings, as text.');
unetc('check examples/coastline.unet');
say('A plan for two devices: how they share the work is decided, and why is said.');
unetc(`compile examples/coastline.unet --devices 2 -o ${plan}`);
unetc(`verify ${plan}`);
say('Training on windows of the western half of a real satellite scene of 4096 x 2048 pixels.');
unetc(`run ${plan} --data examples/coastline --split train --curve ${pictures.curve}`);
say('Scoring on the whole eastern half, which it never saw, beside a per-pixel colour table.');
unetc(
  `evaluate ${plan} --weights ${plan}/checkpoints --data examples/coastline --split test --baseline train --mask ${pictures.mask} --overlay ${pictures.overlay}`,
);
say(`Done in ${((performance.now() - began) / 60_000).toFixed(1)} minutes. Look at:`);
for (const path of Object.values(pictures)) console.log(join(root, path));

function say(words) {
  console.log(`\n${words}`);
}

function unetc(line) {
  console.log(`\n$ unetc ${line}`);
  const args = [join(root, 'dist/cli/unetc.js'), ...line.split(' ')];
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
