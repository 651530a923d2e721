/**
 * `npx tsx scripts/report-pictures.ts`: the pictures of docs/inspect.md, of plans for 1536 and 96 devices, and of one
 * in stages. Needs Chromium (`apt-get install chromium`, or its path in CHROMIUM).
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import sharp from 'sharp';
import { scalingRows } from '../cli/commands/scale.ts';
import { readMachine } from '../cli/inputs-machine.ts';
import type { ShownPlan } from '../cli/plan-json.ts';
import { readAssets } from '../cli/report/assets.ts';
import { reportOf } from '../cli/report/report.ts';
import { readScaling } from '../cli/scaling.ts';
import { carryOut, decide, modelOf } from '../compiler/compile.ts';
import type { Model } from '../ir/model.ts';
import type { Pins } from '../ir/schedule.ts';
import { chromiumPath, startChromium } from '../tests/support/chromium.ts';
import { valueIn } from '../tests/support/devices.ts';

const path = chromiumPath();
if (path === undefined) throw new Error('there is no Chromium here');

const root = join(import.meta.dirname, '..');
const machine = valueIn(readMachine('summit'));
const folder = mkdtempSync(join(tmpdir(), 'unetc-pictures-'));

function modelFrom(example: string): Model {
  const file = join(root, 'examples', `${example}.unet`);
  return valueIn(modelOf({ source: readFileSync(file, 'utf8'), file, sets: {}, purpose: 'train' }));
}

function planned(model: Model, pins: Pins, memoryCurve = false): ShownPlan {
  const { schedule, decision } = valueIn(decide(model, pins, machine, { memoryCurve }));
  return { plan: valueIn(carryOut(model, schedule, machine)), machine, decision };
}

/** As `scale --json` prints it and `inspect --scaling` reads it. */
function scaled(model: Model, shown: ShownPlan): ShownPlan {
  const file = join(folder, 'scale.json');
  const rows = valueIn(scalingRows(model, machine, {}, [6, 24, 96, 384, 1536], 'overlap'));
  writeFileSync(file, JSON.stringify(rows));
  return { ...shown, scaling: valueIn(readScaling(file, shown.plan)) };
}

const scene = modelFrom('summit10k');
const reports = {
  scene: scaled(scene, planned(scene, { devices: 1536 })),
  budget: planned(scene, { devices: 96 }, true),
  stages: planned(modelFrom('torchgpipe'), { devices: 6, stages: 6 }),
};
for (const [name, shown] of Object.entries(reports))
  writeFileSync(join(folder, `${name}.html`), reportOf(shown, readAssets()));

const browser = await startChromium(path);
for (const [report, name, scheme, section] of [
  ['scene', 'report-network', 'light', 'network'],
  ['stages', 'report-stages', 'light', 'network'],
  ['scene', 'report-time', 'dark', 'time'],
  ['scene', 'report-memory', 'light', 'memory'],
  ['scene', 'report-communication', 'dark', 'communication'],
  ['budget', 'report-memory-curve', 'light', 'memory-against-time'],
  ['scene', 'report-scaling', 'light', 'scaling'],
] as const) {
  const tab = await browser.newPage({ viewport: { width: 1200, height: 900 }, colorScheme: scheme });
  await tab.goto(pathToFileURL(join(folder, `${report}.html`)).href);
  // The drawing, without the tables below it.
  await tab.addStyleTag({
    content: 'section .wide:has(table), section > .keys, .note, details { display: none }',
  });
  const line = tab.locator('#time-line .u-over');
  const { width = 0 } = (await line.boundingBox()) ?? {};
  await line.hover({ position: { x: 0.62 * width, y: 10 } });
  const picture = await tab.locator(`#${section}`).screenshot();
  // Few colours: a quarter of the bytes.
  const small = await sharp(picture).png({ palette: true, colours: 48 }).toBuffer();
  writeFileSync(join(root, 'docs', 'pictures', `${name}.png`), small);
  console.log(`docs/pictures/${name}.png: ${small.length} bytes`);
  await tab.close();
}
await browser.close();
rmSync(folder, { recursive: true, force: true });
