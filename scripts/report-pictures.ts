/**
 * `npx tsx scripts/report-pictures.ts`: the pictures of docs/inspect.md, of a plan for 1536 devices. Needs Chromium
 * (`apt-get install chromium`, or its path in CHROMIUM).
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import sharp from 'sharp';
import { readMachine } from '../cli/inputs-machine.ts';
import { readAssets } from '../cli/report/assets.ts';
import { reportOf } from '../cli/report/report.ts';
import { carryOut, decide, modelOf } from '../compiler/compile.ts';
import { chromiumPath, startChromium } from '../tests/support/chromium.ts';
import { valueIn } from '../tests/support/devices.ts';

const path = chromiumPath();
if (path === undefined) throw new Error('there is no Chromium here');

const root = join(import.meta.dirname, '..');
const file = join(root, 'examples', 'summit10k.unet');
const machine = valueIn(readMachine('summit'));
const model = valueIn(modelOf({ source: readFileSync(file, 'utf8'), file, sets: {}, purpose: 'train' }));
const { schedule, decision } = valueIn(decide(model, { devices: 1536 }, machine));
const plan = valueIn(carryOut(model, schedule));

const folder = mkdtempSync(join(tmpdir(), 'unetc-pictures-'));
const page = join(folder, 'report.html');
writeFileSync(page, reportOf({ plan, machine, decision }, readAssets()));

const browser = await startChromium(path);
for (const [name, scheme, sections] of [
  ['report-network', 'light', ['network']],
  ['report-time', 'dark', ['time']],
  ['report-memory', 'light', ['memory']],
] as const) {
  const tab = await browser.newPage({ viewport: { width: 1200, height: 900 }, colorScheme: scheme });
  await tab.goto(pathToFileURL(page).href);
  // The drawing, without the tables below it.
  await tab.addStyleTag({ content: 'section .wide:has(table), section > .keys, .note { display: none }' });
  const line = tab.locator('#time-line .u-over');
  const { width = 0 } = (await line.boundingBox()) ?? {};
  await line.hover({ position: { x: 0.62 * width, y: 10 } });
  for (const section of sections) {
    const picture = await tab.locator(`#${section}`).screenshot();
    // Few colours: a quarter of the bytes.
    const small = await sharp(picture).png({ palette: true, colours: 48 }).toBuffer();
    writeFileSync(join(root, 'docs', 'pictures', `${name}.png`), small);
    console.log(`docs/pictures/${name}.png: ${small.length} bytes`);
  }
  await tab.close();
}
await browser.close();
rmSync(folder, { recursive: true, force: true });
