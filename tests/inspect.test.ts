/** What `inspect` and `compile` show of a plan: in a pipe, in a narrow terminal, and as JSON. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { compactInspection, inspection } from '../cli/inspection.ts';
import { planJson } from '../cli/plan-json.ts';
import { pageOf, wholePage, wrap } from '../cli/terminal.ts';
import { inStages, onGrid, withCurves } from './support/inspected.ts';

const plans = { grid: planJson(onGrid()), stages: planJson(inStages()) };

const curves = planJson(withCurves());

const pipe = pageOf({ isTTY: false, columns: 60 }, {});
const narrow = pageOf({ isTTY: true, columns: 60 }, { NO_COLOR: '1', TERM: 'xterm' });

const golden = (name: string): string => join(import.meta.dirname, 'golden', 'inspect', `${name}.txt`);

function isGolden(name: string, text: string): void {
  const file = golden(name);
  if (process.env.BLESS) writeFileSync(file, `${text}\n`);
  assert.ok(existsSync(file), `${file} is missing: \`npm run bless\` writes it`);
  assert.fixture(`${text}\n`, readFileSync(file, 'utf8'), `${file} differs: \`npm run bless\` rewrites it`);
}

for (const [name, figures] of Object.entries(plans)) {
  test(`${name}: in a pipe`, () => isGolden(`${name}-pipe`, inspection(figures, { page: pipe })));
  test(`${name}: in a terminal of 60 columns`, () =>
    isGolden(`${name}-60-columns`, inspection(figures, { page: narrow })));
  test(`${name}: what compile shows`, () =>
    isGolden(`${name}-compact`, compactInspection(figures, { page: pipe })));
}

/** What stands behind everything else. */
const endOf = (text: string): string => text.slice(text.indexOf('Memory against time'));

test('curves, where they were computed', () => {
  isGolden('curves-pipe', endOf(inspection(curves, { page: pipe })));
  isGolden('curves-60-columns', endOf(inspection(curves, { page: narrow })));
  isGolden('curves-compact', endOf(compactInspection(curves, { page: pipe })));
});

test('no line is wider than the page, but for words and tables of two columns', () => {
  for (const figures of [...Object.values(plans), curves])
    for (const columns of [60, 80, 100]) {
      const page = { ...wholePage, width: columns };
      const wide = inspection(figures, { page })
        .split('\n')
        .filter((line) => line.length > columns);
      assert.equal(wide, [], `${columns}`);
    }
});

test('every figure of a table is shown whatever the width', () => {
  const words = (columns: number) =>
    new Set(inspection(plans.grid, { page: { ...wholePage, width: columns }, allRoles: true }).split(/\s+/));
  assert.equal([...words(60)].sort(), [...words(100)].sort());
});

test('without a machine there are no times, and everything else', () => {
  const { plan } = onGrid();
  const text = inspection(planJson({ plan }), { page: pipe });
  assert.not.match(text, /Predicted|time of a step/);
  assert.match(text, /What is in memory at the peak\n/);
});

test('kinds of devices that are left out are counted, and `--roles` shows them', () => {
  const { roles } = plans.grid;
  assert.ok(roles.length > 8);
  const counted = (text: string) =>
    [...text.matchAll(/^role_\S+ +(\d+) {2}/gm)].reduce((sum, [, count]) => sum + Number(count), 0);
  const all = inspection(plans.grid, { page: wholePage, allRoles: true });
  const table = (text: string) => text.slice(text.indexOf('What each kind'), text.indexOf('Busiest'));
  assert.is(counted(table(all)), 16);
  const some = table(inspection(plans.grid, { page: wholePage }));
  const [, hidden = '0'] = /more kinds, (\d+) devices/.exec(some) ?? [];
  assert.is(counted(some) + Number(hidden), 16);
});

test('bytes by kind add up to the peak, and seconds to the step', () => {
  for (const { roles, predicted } of Object.values(plans))
    for (const { peak, peakBytes, seconds } of roles) {
      assert.is(
        Object.values(peak.bytes).reduce((sum, one) => sum + one, 0),
        peakBytes,
      );
      const step = Object.values(seconds ?? {}).reduce((sum, one) => sum + one, 0);
      assert.ok(Math.abs(step - (predicted.stepSeconds ?? 0)) < 1e-12);
    }
});

test('what binds the busiest device adds up to its step', () => {
  for (const { predicted } of Object.values(plans)) {
    const step = Object.values(predicted.binding ?? {}).reduce((sum, one) => sum + one, 0);
    assert.ok(Math.abs(step - (predicted.stepSeconds ?? 0)) < 1e-12);
  }
});

test('lines are broken between words, not behind numbers, and colours of a terminal only', () => {
  assert.is(wrap('about 20 % of it', { ...wholePage, width: 10 }, '  '), 'about 20 %\n  of it');
  assert.is(wrap('about 20 %', { ...wholePage, width: 8 }), 'about\n20 %');
  assert.not.ok(inspection(plans.grid, { page: pipe }).includes('\x1b'));
});

test.run();
