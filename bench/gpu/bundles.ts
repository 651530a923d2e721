/**
 * What `measure.py` runs on a GPU: bundles of one device of a machine (an H100, if nothing else is said), and drawn
 * cases. Needs no GPU:
 *
 *   npx tsx bench/gpu/bundles.ts FOLDER [MACHINE] && python bench/gpu/measure.py FOLDER
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { succeeding } from '../../tests/support/command-line.ts';
import { root } from '../turns.ts';

const [folder = '', machine = 'dgx-h100'] = process.argv.slice(2);
if (folder === '') {
  console.error('usage: npx tsx bench/gpu/bundles.ts FOLDER [MACHINE]');
  process.exit(2);
}
mkdirSync(folder, { recursive: true });

/** Scenes of this side are trained as a whole, with this memory. */
const [SIDE, MEMORY] = [10_000, '16GiB'];
/** Sides of tiles of which each is a whole image of its own: no margins. */
const TILES = [512, 768, 1024, 1536];

const compile = (file: string, name: string, pins: string): Promise<string> =>
  succeeding(`compile ${file} --machine ${machine} --devices 1 ${pins} -o ${join(folder, name)}`);

/** The classic network has 64 channels at the top. */
function wideScene(): string {
  const file = join(folder, 'scene.unet');
  const text = readFileSync(join(root, 'bench/networks/scene.unet'), 'utf8');
  writeFileSync(file, text.replace('width(l) = 16', 'width(l) = 64'));
  return file;
}

await compile('examples/coastline.unet', 'coastline.plan', '--pin micro_batches=1 --set side=512');
await compile('bench/networks/classic-same.unet', 'classic.plan', '--pin micro_batches=1 --set side=512');
await compile('examples/residual.unet', 'residual.plan', '--pin micro_batches=1');
const scene = wideScene();
const square = (side: number) => `--set rows=${side} --set columns=${side}`;
await compile(scene, 'scene.plan', `${square(SIDE)} --memory ${MEMORY}`);
for (const side of TILES) await compile(scene, `tile-${side}.plan`, square(side));
execFileSync('npx', ['tsx', 'scripts/torch-executor-check.ts', join(folder, 'cases'), '64'], { cwd: root });
console.log(`bundles and cases in ${folder}`);
