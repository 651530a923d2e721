/**
 * The report as people meet it: opened from disk in a real browser. Skipped where there is no Chromium
 * (`apt-get install chromium`, or its path in CHROMIUM).
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readMachine } from '../cli/inputs-machine.ts';
import type { ShownPlan } from '../cli/plan-json.ts';
import { readAssets } from '../cli/report/assets.ts';
import { reportOf } from '../cli/report/report.ts';
import { carryOut, decide, modelOf } from '../compiler/compile.ts';
import { at } from '../ir/box.ts';
import type { Plan } from '../ir/plan.ts';
import { roleIndexAt, seatOf } from '../ir/ranks.ts';
import type { Pins } from '../ir/schedule.ts';
import { chromiumPath, startChromium } from './support/chromium.ts';
import { valueIn } from './support/devices.ts';
import { withCurves } from './support/inspected.ts';

const path = chromiumPath();
if (path === undefined) console.log('skipped: there is no Chromium here');

const folder = mkdtempSync(join(tmpdir(), 'unetc-report-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const summit = valueIn(readMachine('summit'));

function planOf(example: string, pins: Pins): Plan {
  const file = join(import.meta.dirname, '..', 'examples', `${example}.unet`);
  const model = valueIn(modelOf({ source: readFileSync(file, 'utf8'), file, sets: {}, purpose: 'train' }));
  return valueIn(carryOut(model, valueIn(decide(model, pins)).schedule));
}

const quickstart = () => planOf('coastline', { devices: 2, tiles: [1, 2] });

/** A scene of 10,000 x 10,000 pixels, cut as a search for 1536 devices cuts it. */
const large = () =>
  planOf('summit10k', {
    devices: 1485,
    replicas: 1,
    tiles: [33, 45],
    exchanges: [
      { before: 'unet.encode[2].conv[0]', operand: 0, cells: 4 },
      { before: 'unet.decode[1].up_conv[0]', operand: 0, cells: 1 },
    ],
    buckets: 16,
  });

function written(name: string, plan: Plan, timed = true): string {
  const file = join(folder, `${name}.html`);
  writeFileSync(file, reportOf(timed ? { plan, machine: summit } : { plan }, readAssets()));
  return pathToFileURL(file).href;
}

/** All curves that a report can have. */
function withAllCurves(): ShownPlan {
  const { plan, machine, decision, scaling } = withCurves();
  const devices = Array.from({ length: plan.schedule.devices }, (_, rank) => {
    const { instructions } = at(plan.roles, roleIndexAt(plan, seatOf(plan, rank)));
    const from = instructions.map((_, index) => index / 1000);
    return { rank, from, to: from.map((begin) => begin + 0.001), peakBytes: 2 ** 20 };
  });
  const curves = [
    { name: 'loss', every: 1, steps: [1, 2, 3], values: [0.9, 0.3, 0.06] },
    { name: 'accuracy: land', every: 1, steps: [1, 2, 3], values: [0.5, 0.8, 0.9] },
  ];
  const profile = { format: 1, plan: '', step: 3, steps: 3, seconds: 0.3, curves, devices };
  return { plan, machine, decision, scaling, profile };
}

type Context = { browser: Browser; quickstart: string; untimed: string; large: string; curves: string };

const test = suite<Context>('report in Chromium');

test.before(async (context) => {
  if (path === undefined) return;
  context.browser = await startChromium(path);
  context.quickstart = written('quickstart', quickstart());
  context.untimed = written('untimed', quickstart(), false);
  context.large = written('large', large());
  context.curves = join(folder, 'curves.html');
  writeFileSync(context.curves, reportOf(withAllCurves(), readAssets()));
  context.curves = pathToFileURL(context.curves).href;
});

test.after(({ browser }) => browser?.close());

type Options = { readonly scheme?: 'light' | 'dark'; readonly width?: number };

/** Fails on anything that the page complains about, or wants from elsewhere. */
async function onPage(
  { browser }: Context,
  url: string,
  { scheme = 'light', width = 1280 }: Options,
  body: (page: Page) => Promise<void>,
): Promise<void> {
  const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme: scheme });
  const complaints: string[] = [];
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', ({ message }) => complaints.push(message));
  page.on('request', (request) => {
    if (request.url() !== url && !request.url().startsWith('data:')) complaints.push(request.url());
  });
  await page.goto(url);
  await body(page);
  assert.equal(complaints, []);
  await page.close();
}

const words = (page: Page): Promise<string> => page.locator('#time-words').innerText();

/** The range of time that each chart shows, in nanoseconds. */
const ranges = (page: Page): Promise<[number, number][]> =>
  page.evaluate('[...charts].map(({ scales }) => [scales.x.min, scales.x.max])');

const ground = (page: Page): Promise<string> =>
  page.evaluate('getComputedStyle(document.body).backgroundColor');

const check = path === undefined ? test.skip : test;

/** Of work on the first row that are wide enough to be pointed at: the quickstart's step is one segment. */
const pieces = { quickstart: 1, large: 10 } as const;

for (const plan of ['quickstart', 'large'] as const) {
  check(`${plan}: pointing at work names it, and why it waited`, (context) =>
    onPage(context, context[plan], {}, async (page) => {
      const line = page.locator('#time-line .u-over');
      await line.scrollIntoViewIfNeeded();
      const { width = 0 } = (await line.boundingBox()) ?? {};
      const seen: string[] = [];
      for (let part = 0; part < 20; part++) {
        await line.hover({ position: { x: (width * (part + 0.5)) / 20, y: 10 } });
        seen.push(await words(page));
      }
      assert.ok(new Set(seen).size >= pieces[plan], seen.join('\n'));
      assert.ok(seen.some((one) => /run \S+ \(.*instruction \d+ · from .* for .* · .*B/.test(one)));
      assert.ok(seen.some((one) => /waits for/.test(one)));
    }),
  );

  check(`${plan}: dragging looks closer, in all charts, and a double click shows all`, (context) =>
    onPage(context, context[plan], {}, async (page) => {
      const line = page.locator('#time-line .u-over');
      await line.scrollIntoViewIfNeeded();
      const { x = 0, y = 0, width = 0 } = (await line.boundingBox()) ?? {};
      const [whole] = await ranges(page);
      await page.mouse.move(x + 0.4 * width, y + 20);
      await page.mouse.down();
      await page.mouse.move(x + 0.6 * width, y + 20, { steps: 5 });
      await page.mouse.up();
      const closer = await ranges(page);
      assert.is(closer.length, 2);
      for (const [from, to] of closer) {
        assert.ok(Math.abs((to - from) / (whole?.[1] ?? 0) - 0.2) < 0.02, `${from} ${to}`);
        assert.equal([from, to], closer[0]);
      }
      await line.dblclick({ position: { x: 50, y: 10 } });
      assert.equal((await ranges(page))[0], whole);
    }),
  );

  check(`${plan}: the keyboard does the same`, (context) =>
    onPage(context, context[plan], {}, async (page) => {
      const line = page.locator('#time-line');
      await line.focus();
      await page.keyboard.press('ArrowRight');
      const first = await words(page);
      await page.keyboard.press('ArrowRight');
      const second = await words(page);
      assert.match(first, /instruction \d+/);
      assert.is.not(first, second);
      await page.keyboard.press('ArrowDown');
      assert.match(await words(page), /, messages:|, sums:/);
      const [whole] = await ranges(page);
      await page.keyboard.press('+');
      const [closer] = await ranges(page);
      const width = (range: [number, number] = [0, 0]) => range[1] - range[0];
      assert.ok(Math.abs(width(closer) - width(whole) / 2) < 2);
      await page.keyboard.press('Escape');
      assert.equal((await ranges(page))[0], whole);
    }),
  );

  check(`${plan}: light and dark, as the system is or as the button says`, async (context) => {
    const grounds: string[] = [];
    for (const scheme of ['light', 'dark'] as const)
      await onPage(context, context[plan], { scheme }, async (page) => {
        grounds.push(await ground(page));
        await page.getByRole('button', { name: 'Light or dark' }).click();
        grounds.push(await ground(page));
      });
    assert.equal(grounds, ['rgb(255, 255, 255)', 'rgb(20, 23, 27)', 'rgb(20, 23, 27)', 'rgb(255, 255, 255)']);
  });

  check(`${plan}: a narrow window scrolls tables, not the page`, (context) =>
    onPage(context, context[plan], { width: 420 }, async (page) => {
      assert.ok((await page.evaluate<number>('document.scrollingElement.scrollWidth')) <= 420);
    }),
  );
}

check(
  'what a screen reader finds: headings, tables with their names, the time line with its keys',
  (context) =>
    onPage(context, context.quickstart, {}, async (page) => {
      const tree = await page.locator('body').ariaSnapshot();
      for (const found of [
        /heading "coastline on summit" \[level=1\]/,
        /heading "Time line of a step" \[level=2\]/,
        /table "What is in memory at the peak"/,
        /application "Time line: arrow keys read one piece of work after another"/,
        /img "The network: each box is a run of operations/,
        /rowheader "role_0_0"/,
      ])
        assert.match(tree, found);
    }),
);

/** Pixels that are not the ground, in the canvas of each curve. */
const inkOfCurves = (page: Page): Promise<number[]> =>
  page.evaluate(`[...document.querySelectorAll('.curve canvas')].map((canvas) => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return data.filter((_, index) => index % 4 === 3 && data[index] > 0).length;
  })`);

for (const scheme of ['light', 'dark'] as const)
  check(`${scheme}: every curve is drawn, and pointing at it tells its figures`, (context) =>
    onPage(context, context.curves, { scheme }, async (page) => {
      assert.is(await page.locator('.curve').count(), 5);
      for (const ink of await inkOfCurves(page)) assert.ok(ink > 1000, `${ink}`);
      const seen: string[] = [];
      for (const curve of await page.locator('.curve').all()) {
        const over = curve.locator('.u-over');
        await over.scrollIntoViewIfNeeded();
        const { width = 0 } = (await over.boundingBox()) ?? {};
        await over.hover({ position: { x: width - 1, y: 30 } });
        seen.push((await curve.locator('.u-legend').innerText()).replaceAll('\n', ''));
      }
      assert.match(at(seen, 0), /step3loss0\.06/);
      assert.match(at(seen, 1), /accuracy: land90 %/);
      assert.match(at(seen, 2), /memory of the fullest device23\.8 MiBfastest step4\.10 ms/);
      assert.match(at(seen, 3), /devices16step4\.25 ms.*overlap6\.10 ms/);
      assert.match(at(seen, 4), /devices16efficiency50 %/);
    }),
  );

check('on paper: no buttons, everything unfolded, on white', (context) =>
  onPage(context, context.large, { scheme: 'dark' }, async (page) => {
    await page.emulateMedia({ media: 'print' });
    assert.not.ok(await page.locator('#theme').isVisible());
    await page.evaluate("dispatchEvent(new Event('beforeprint'))");
    assert.is(await ground(page), 'rgb(255, 255, 255)');
    assert.ok(await page.getByRole('table', { name: 'The same as a table' }).isVisible());
    const { length } = await page.pdf();
    assert.ok(length > 10_000);
  }),
);

check('without a machine there is no time line, and nothing is missed', (context) =>
  onPage(context, context.untimed, {}, async (page) => {
    assert.is(await page.locator('.uplot').count(), 0);
    assert.match(await page.locator('.note').first().innerText(), /No machine is known/);
  }),
);

test.run();
