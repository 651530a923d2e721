/**
 * What device processes with ONNX Runtime compute in fp32, under drawn networks and schedules, against the
 * plain network in float64. `npx tsx scripts/law.ts` repeats this on as many cases as wanted.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isExactInFp32 } from './support/exact-in-fp32.ts';
import { drawnWeights } from './support/exactness.ts';
import { exactCases, scheduleInWords, smoothCases } from './support/law-cases.ts';
import { errorsOf, firstDifference, onRealDevices } from './support/laws.ts';

/** Of each kind; to start a device takes the better part of a second. */
const CASES = 12;

let number = 0;
for (const one of smoothCases(CASES, 11))
  test(`smooth network ${++number} on ${scheduleInWords(one.plan)}: within 1e-4`, async () => {
    const { loss, gradient, worst } = errorsOf(await onRealDevices(one));
    assert.ok(loss <= 1e-4, `loss off by ${loss}`);
    assert.ok(gradient <= 1e-4, `gradient of ${worst} off by ${gradient}`);
  });

// Every sum in these networks is of terms that fp32 holds without rounding, in whatever order and parts they
// are added (`support/exact-in-fp32.ts` proves it for each case). So ReLU, max pooling with its ties and the
// owners of every cell can be told from rounding: one share counted twice, or missing, is not equal.
number = 0;
for (const one of exactCases(CASES, 1))
  test(`exact network ${++number} on ${scheduleInWords(one.plan)}: bit-equal`, async () => {
    assert.is(firstDifference(await onRealDevices(one)), undefined);
  });

test('the proof of exactness refuses numbers that round, and sums that are too long', () => {
  const [one] = exactCases(1, 1);
  if (one === undefined) throw new Error('no case');
  const { model } = one.plan;
  const times = (factor: number) =>
    new Map([...one.weights].map(([name, values]) => [name, values.map((value) => value * factor)]));
  assert.ok(isExactInFp32(model, one.feeds, one.weights));
  assert.not.ok(isExactInFp32(model, one.feeds, times(1 + 2 ** -20)));
  assert.not.ok(isExactInFp32(model, one.feeds, drawnWeights(model)));
  const [name = ''] = one.weights.keys();
  const mixed = new Map(one.weights).set(name, times(1 + 2 ** -9).get(name) ?? new Float64Array());
  assert.not.ok(isExactInFp32(model, one.feeds, mixed));
});

test.run();
