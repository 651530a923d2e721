/** The report of a plan: nothing but itself is needed, and every figure is that of `inspect --json`. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { simulate } from '../backends/simulator/simulate.ts';
import type { SimulatedEvent } from '../backends/simulator/simulation.ts';
import { planJson } from '../cli/plan-json.ts';
import { readAssets } from '../cli/report/assets.ts';
import { columnIn } from '../cli/report/curve.ts';
import type { CurveSpec } from '../cli/report/curve-spec.ts';
import { escaped, html, lookUp, type Show, shows } from '../cli/report/markup.ts';
import { reportOf } from '../cli/report/report.ts';
import type { TimeData } from '../cli/report/time-spec.ts';
import { at } from '../ir/box.ts';
import type { Profile } from '../ir/profile.ts';
import { roleIndexAt, seatOf } from '../ir/ranks.ts';
import { type Inspected, inStages, onGrid, withCurves } from './support/inspected.ts';

const assets = readAssets();

const { plan: withoutMachine } = onGrid();

/** As if every instruction had taken a millisecond. */
function measured({ plan, machine }: Inspected) {
  const devices = Array.from({ length: plan.schedule.devices }, (_, rank) => {
    const { instructions } = at(plan.roles, roleIndexAt(plan, seatOf(plan, rank)));
    const from = instructions.map((_, index) => index / 1000);
    return { rank, from, to: from.map((begin) => begin + 0.001), peakBytes: 2 ** 20 + rank };
  });
  const profile: Profile = {
    ...{ format: 1, plan: '', step: 3, steps: 5, seconds: 0.5, devices },
    curves: [
      { name: 'loss', every: 1, steps: [11, 12, 13], values: [0.7, 0.5, 0.4] },
      { name: 'mean IoU: test', every: 1, steps: [12], values: [0.8] },
    ],
  };
  return { plan, machine, profile };
}

const reports = Object.entries({
  grid: onGrid(),
  stages: inStages(),
  measured: measured(inStages()),
  curves: withCurves(),
  'no machine': { plan: withoutMachine },
}).map(([name, shown]) => ({
  name,
  shown,
  page: reportOf(shown, assets),
  // As the command line prints it.
  json: JSON.parse(JSON.stringify(planJson(shown))),
}));

const unescaped = (text: string): string =>
  text.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)));

const dataOf = (page: string, id: string): unknown => {
  const [, text] =
    new RegExp(`<script type="application/json" id="${id}-data">(.*?)</script>`, 's').exec(page) ?? [];
  return text === undefined ? undefined : JSON.parse(text);
};

const figure = /<(span|tspan) data-key="([^"]+)" data-show="([^"]+)" data-value="([^"]+)">([^<]*)<\/\1>/g;

const isShow = (word: string): word is Show => word in shows;

test('every figure is that of --json at its key, and written as it says', () => {
  for (const { name, page, json } of reports) {
    let count = 0;
    for (const [, , key = '', show = '', value = '', text = ''] of page.matchAll(figure)) {
      assert.equal(JSON.parse(unescaped(value)), lookUp(json, key), `${name}: ${key}`);
      if (!isShow(show)) throw new Error(`${show} is no way to write a figure`);
      assert.is(unescaped(text), shows[show](lookUp(json, key)), `${name}: ${key}`);
      count += 1;
    }
    assert.ok(count > 100, `${name}: ${count}`);
  }
});

test('there are no other figures in what is read', () => {
  for (const { name, page } of reports) {
    const text = page
      .replace(/<(script|style|head)\b.*?<\/\1>/gs, '')
      .replace(figure, '')
      .replace(/<code>.*?<\/code>/gs, '')
      .replace(/<(\w+)[^>]*data-plain=""[^>]*>.*?<\/\1>/gs, '')
      .replace(/<h1>.*?<\/h1>/s, '')
      .replace(/<[^>]*>/g, ' ')
      .replace(/&#\d+;/g, '');
    assert.not.match(text, /.{0,40}\d.{0,20}/, name);
  }
});

test('a curve is drawn of figures of --json alone', () => {
  for (const { name, page, json } of reports) {
    const specs = [...page.matchAll(/ data-curve="([^"]+)"/g)].map(
      ([, text = '']): CurveSpec => JSON.parse(unescaped(text)),
    );
    assert.ok(specs.length >= ({ measured: 2, curves: 3 }[name] ?? 0), name);
    for (const { series } of specs)
      for (const { x, y } of series) {
        const columns = [columnIn(json, x), columnIn(json, y)];
        for (const column of columns)
          assert.ok(
            Array.isArray(column) && column.length > 0 && column.every(Number.isFinite),
            `${x}, ${y}`,
          );
        assert.is(...(columns.map((column) => (column as number[]).length) as [number, number]));
      }
  }
});

test('the data in the page are those of --json', () => {
  for (const { page, json } of reports) assert.equal(dataOf(page, 'plan'), json);
});

test('the time line has the events of the simulation, to the nanosecond', () => {
  for (const { page, shown } of reports) {
    const time = dataOf(page, 'time') as TimeData | undefined;
    if (!('machine' in shown)) {
      assert.is(time, undefined);
      continue;
    }
    assert.ok(time !== undefined);
    const { roles, stepSeconds } = simulate(shown.plan, shown.machine);
    const longest = Math.max(stepSeconds, 'profile' in shown ? shown.profile.seconds : 0);
    assert.is(time.step, Math.round(longest * 1e9));
    for (const drawn of time.roles.filter((one) => !one.name.startsWith('measured'))) {
      const role = at(
        roles,
        roles.findIndex((one) => one.role === drawn.name),
      );
      assert.is(drawn.events.length, role.events.length);
      for (const [index, [, from, to, came, activity, instruction]] of drawn.events.entries()) {
        const event: SimulatedEvent = at(role.events, index);
        const near = (a: number, b: number) => Math.abs(a - b * 1e9) <= 0.5 + 1e-6;
        assert.ok(near(from, event.from) && near(to, event.to));
        assert.ok(near(came, event.meeting?.came ?? event.from) && came <= from);
        assert.equal([activity, instruction], [event.activity, event.instruction]);
      }
      assert.is(Math.max(...drawn.held), role.peakBytes);
    }
  }
});

test('behind each kind of device stands the first of it as it was measured', () => {
  const { page, shown } = at(
    reports,
    reports.findIndex(({ name }) => name === 'measured'),
  );
  const { roles } = dataOf(page, 'time') as TimeData;
  assert.equal(
    roles.map(({ name }) => name),
    shown.plan.roles.flatMap(({ name }, index) => {
      const rank = Array.from({ length: shown.plan.schedule.devices }, (_, one) => one).find(
        (one) => roleIndexAt(shown.plan, seatOf(shown.plan, one)) === index,
      );
      return [name, `measured, rank ${rank}`];
    }),
  );
});

test('it needs nothing from outside, and is small', () => {
  for (const { name, page } of reports) {
    assert.ok(Buffer.byteLength(page) < 2e6, name);
    const markup = page.replace(/<script>.*?<\/script>/gs, '');
    assert.not.match(markup, /\b(src|href)="(?!data:,|#)/, name);
    assert.not.match(markup, /@import|url\((?!#|['"]?data:)/, name);
    assert.not.match(
      page.replace(/\/\*\*.*?\*\//gs, ''),
      /\bfetch\(|XMLHttpRequest|import\(|navigator\.sendBeacon/,
      name,
    );
  }
});

test('each section and drawing has a name for those who do not see it', () => {
  for (const { page } of reports) {
    const markup = page.replace(/<script>.*?<\/script>/gs, '');
    for (const [tag] of markup.matchAll(/<(?:section|svg)\b[^>]*>/g))
      assert.match(tag, /aria-label(?:ledby)?="[^"]+"/, tag);
    const ids = [...markup.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
    assert.equal(ids, [...new Set(ids)]);
    for (const [, id = ''] of markup.matchAll(/aria-(?:labelledby|describedby)="([^"]+)"/g))
      assert.ok(markup.includes(`id="${id}"`), id);
    assert.match(page, /^<!doctype html>\n<html lang="en">/);
  }
});

test('what is put into a page cannot break it', () => {
  const hostile = '</script><img src=x onerror=alert(1)>&"\'';
  assert.is(html`<b title="${hostile}">${hostile}</b>`.html.match(/</g)?.length, 2);
  assert.is(unescaped(escaped(hostile)), hostile);
  const { plan, machine } = onGrid();
  const page = reportOf({ plan: { ...plan, model: { ...plan.model, name: hostile } }, machine }, assets);
  assert.not.match(page, /<img/);
  assert.is((dataOf(page, 'plan') as { model: { name: string } }).model.name, hostile);
});

test.run();
