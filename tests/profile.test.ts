/** What a run measures of itself, and how it is shown beside the prediction. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { measuredOf } from '../backends/simulator/measured.ts';
import type { Trace } from '../backends/simulator/trace.ts';
import { at } from '../ir/box.ts';
import type { Profile } from '../ir/profile.ts';
import { openBundle } from '../runtime/bundle.ts';
import { keepMeasured, type MeasuredStep, profileOf, readProfile } from '../runtime/profile.ts';
import { thinned } from '../runtime/run-curves.ts';
import { succeeding, unetc } from './support/command-line.ts';
import { valueIn } from './support/devices.ts';

const folder = mkdtempSync(join(tmpdir(), 'unetc-profile-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const [bundle, other, file] = ['a.plan', 'b.plan', 'a.profile'].map((name) => join(folder, name)) as [
  string,
  string,
  string,
];

const compile = 'compile examples/coastline.unet --set side=64 --threads 1';
await succeeding(`${compile} --devices 2 --pin tiles=1x2 -o ${bundle}`);
await succeeding(`${compile} --devices 1 -o ${other}`);
const ran = await unetc(
  `run ${bundle} --data examples/coastline --steps 4 --profile ${file} --validation test --validate-every 2`,
);

const { plan } = valueIn(await openBundle(bundle));
const profile: Profile = JSON.parse(readFileSync(file, 'utf8'));

test('a run writes the step of median length, the first apart', () => {
  assert.match(ran.stdout, /Profile: .*a\.profile/);
  assert.is(profile.steps, 3);
  assert.ok(profile.step >= 1 && profile.step <= 3);
  assert.is(profile.devices.length, 2);
  const [loss, ...scores] = profile.curves;
  assert.equal([loss?.name, loss?.every, loss?.steps], ['loss', 1, [1, 2, 3, 4]]);
  assert.ok(loss?.values.every((value) => value > 0));
  for (const { name, values } of scores) {
    assert.match(name, /^(accuracy|mean IoU): /);
    assert.ok(values.every((value) => value >= 0 && value <= 1));
  }
});

test('a run says first what it runs: the compact tables of the plan', () => {
  assert.match(ran.stderr, /^Plan: 2 devices = 1 replica of 1 x 2 tiles each\.\n/);
  assert.match(ran.stderr, /\nrole +devices +owns .*\nrole_0_0 +1 /);
});

test('the scores of a validation are kept where they were taken', () => {
  const { steps, values } = profile.curves.find(({ name }) => name === 'mean IoU: test') ?? {};
  assert.equal(steps, [2, 4]);
  assert.ok(values?.every((value) => value >= 0 && value <= 1));
});

test('of a long run a value of a curve is the mean of some steps', () => {
  const samples = Array.from({ length: 2500 }, (_, index) => ({ step: index + 1, value: index }));
  const { every, steps, values } = thinned('loss', samples);
  assert.is(every, 3);
  assert.equal([steps[0], values[0]], [3, 1]);
  assert.equal([steps.at(-1), values.at(-1)], [2500, 2499]);
  assert.ok(steps.length <= 1000);
  assert.equal(thinned('x', [{ step: 1, value: Number.NaN }]).steps, []);
});

test('instructions follow one another and lie within the step', () => {
  for (const { from, to } of profile.devices)
    for (const [index, begin] of from.entries()) {
      assert.ok(begin >= (to[index - 1] ?? 0) - 1e-9 && at(to, index) >= begin, `${index}`);
      assert.ok(at(to, index) <= profile.seconds + 1e-3);
    }
});

test('who waits in a sum leaves it with the others', () => {
  const sums = plan.roles[0]?.instructions.flatMap((one, index) => (one.do === 'all_reduce' ? [index] : []));
  assert.ok(sums !== undefined && sums.length > 0);
  for (const index of sums) {
    const latest = Math.max(...profile.devices.map(({ from }) => at(from, index)));
    for (const { to } of profile.devices) assert.ok(at(to, index) >= latest - 1e-4);
  }
});

test('the seconds of each kind of work add up to the step', () => {
  for (const { seconds, ranks, role } of measuredOf(plan, profile).roles) {
    const sum = Object.values(seconds).reduce((total, one) => total + one, 0);
    assert.ok(Math.abs(sum - profile.seconds) < 2e-3, `${role}: ${sum} of ${profile.seconds}`);
    assert.is(ranks.length, 1);
    assert.ok(seconds.step + seconds.backward > 0 && seconds.update > 0);
  }
});

test('inspect shows it beside the prediction for the machine of the bundle, or another', async () => {
  const own = await succeeding(`inspect ${bundle} --profile ${file}`);
  assert.match(own, /Measured: .*median\s+of\s+3\s+steps/s);
  assert.match(own, /role_0_1 measured/);
  assert.match(own, /role_0_1 predicted/);
  const [page, trace] = [join(folder, 'a.html'), join(folder, 'trace.json')];
  const json = JSON.parse(
    await succeeding(
      `inspect ${bundle} --profile ${file} --machine summit --json --html ${page} --trace ${trace}`,
    ),
  );
  assert.is(json.measured.stepSeconds, profile.seconds);
  assert.ok(json.predicted.stepSeconds > 0);
  assert.match(readFileSync(page, 'utf8'), /data-key="measured.stepSeconds"/);
  const { traceEvents }: Trace = JSON.parse(readFileSync(trace, 'utf8'));
  for (const { rank, from, to } of profile.devices) {
    const slices = traceEvents.flatMap((one) => (one.ph === 'X' && one.pid === rank + 1 ? [one] : []));
    assert.is(slices.length, from.length);
    const busy = slices.reduce((sum, { dur }) => sum + dur, 0);
    const expected = from.reduce((sum, begin, index) => sum + at(to, index) - begin, 0);
    assert.ok(Math.abs(busy - 1e6 * expected) < 1e-2);
  }
});

test('a profile of another plan, and what is none, is refused', async () => {
  const refused = await unetc(`inspect ${other} --profile ${file}`);
  assert.is(refused.status, 1);
  assert.match(refused.stderr, /profile-of-another-plan/);
  const broken = join(folder, 'broken.profile');
  for (const [text, words] of [
    ['nonsense', /it is not JSON/],
    ['{"format": 99}', /it has format 99/],
    [JSON.stringify({ ...profile, seconds: 'long' }), /profile.seconds is not a number/],
    [JSON.stringify({ ...profile, devices: profile.devices.slice(1) }), /instructions are missing/],
  ] as const) {
    writeFileSync(broken, text);
    const read = readProfile(broken, plan, profile.plan);
    assert.ok(!read.ok && words.test(at(read.diagnostics, 0).message), text.slice(0, 40));
  }
});

test('of many steps the latest are kept', () => {
  const step = (index: number): MeasuredStep => ({
    step: index,
    seconds: 1 + (index % 5),
    times: [Float64Array.of(1000, 2000)],
    peakBytes: [0],
  });
  const all = Array.from({ length: 100 }, (_, index) => step(index)).reduce<MeasuredStep[]>(keepMeasured, []);
  const found = profileOf('', all, []);
  assert.ok(found !== undefined && found.step > 70);
  assert.is(found.steps, 25);
  assert.is(found.seconds, 3);
  assert.equal(found.devices, [{ rank: 0, from: [0], to: [1], peakBytes: 0 }]);
  assert.is(profileOf('', [], []), undefined);
});

test.run();
