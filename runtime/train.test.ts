import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { at } from '../ir/box.ts';
import { type Result, success } from '../ir/diagnostics/diagnostic.ts';
import { type Bundle, openBundle } from './bundle.ts';
import { bestFile, readCheckpoint } from './files/checkpoint.ts';
import { scoreOf } from './metrics.ts';
import { type TinyOptions, tinyOptions, tinyPrediction, tinyTraining } from './tests/tiny-plan.ts';
import { writeTinyBundle } from './tests/tiny-segments.ts';
import { cells, image, land, refusal, tinyFeed, valueIn } from './tests/with-devices.ts';
import { type TrainEvent, type Trained, type TrainOptions, train } from './train.ts';
import type { Weights } from './weights.ts';

const { batch } = tinyOptions;
const feed = tinyFeed();

/** A folder with a bundle of a tiny plan, and room for checkpoints. */
async function withBundle(
  body: (bundle: Bundle, checkpoints: string) => Promise<void>,
  changes: Partial<TinyOptions> = {},
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'unetc-test-'));
  try {
    await body(await bundleIn(folder, changes), join(folder, 'checkpoints'));
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function bundleIn(folder: string, changes: Partial<TinyOptions>): Promise<Bundle> {
  await writeTinyBundle(tinyTraining(changes), folder);
  return valueIn(await openBundle(folder));
}

type Ran = { readonly result: Result<Trained>; readonly events: readonly TrainEvent[] };

async function run(bundle: Bundle, options: Partial<TrainOptions>): Promise<Ran> {
  const events: TrainEvent[] = [];
  const onEvent = (event: TrainEvent) => {
    events.push(event);
    options.onEvent?.(event);
  };
  return { result: await train(bundle, { feed, ...options, onEvent }), events };
}

const lossesOf = ({ events }: Ran): number[] =>
  events.flatMap((event) => (event.kind === 'step' ? [event.loss] : []));

const weightsIn = ({ result }: Ran): number[] => [...(valueIn(result).weights.get('w') ?? [])];

test('each step tells its loss, speed, confusion and memory, and how long it will still take', () =>
  withBundle(
    async (bundle) => {
      const ran = await run(bundle, { steps: 4 });
      const steps = ran.events.flatMap((event) => (event.kind === 'step' ? [event] : []));
      assert.equal(
        steps.map(({ step }) => step),
        [0, 1, 2, 3],
      );
      for (const one of steps) {
        assert.is(one.peakBytes.length, 2);
        assert.ok(one.samplesPerSecond > 0 && one.seconds > 0);
        assert.is(
          scoreOf(one.confusion.land ?? { classes: 0, counts: new Float64Array() }).pixels,
          batch * cells,
        );
        assert.is(one.progress.done, one.step + 1);
      }
      assert.is(at(steps, 3).progress.secondsLeft, 0);
      assert.ok(at(steps, 0).progress.secondsLeft > 0);
      assert.ok(at(lossesOf(ran), 3) < at(lossesOf(ran), 0));
    },
    { cuts: [0, 1, 4] },
  ));

test('a run that stops and resumes is, bit for bit, the run that went through', () =>
  withBundle(
    async (bundle, directory) => {
      const whole = await run(bundle, { steps: 6 });
      const stop = new AbortController();
      const first = await run(bundle, {
        steps: 6,
        stop: stop.signal,
        checkpoints: { directory, every: 100, resume: false },
        onEvent: (event) => event.kind === 'step' && event.step === 2 && stop.abort(),
      });
      const { step, stopped, checkpoint } = valueIn(first.result);
      assert.equal([step, stopped, checkpoint], [3, true, join(directory, 'step-000003.safetensors')]);
      const second = await run(bundle, { steps: 6, checkpoints: { directory, every: 100, resume: true } });
      assert.equal(second.events[0], { kind: 'resumed', step: 3, file: checkpoint });
      assert.equal([...lossesOf(first), ...lossesOf(second)], lossesOf(whole));
      assert.equal(weightsIn(second), weightsIn(whole));
    },
    { replicas: 2 },
  ));

test('another number of devices goes on as the same training', async () => {
  await withBundle(async (alone, directory) => {
    await run(alone, { steps: 2, checkpoints: { directory, every: 1, resume: false } });
    const whole = await run(alone, { steps: 4 });
    await withBundle(
      async (tiled) => {
        const rest = await run(tiled, { steps: 4, checkpoints: { directory, every: 9, resume: true } });
        lossesOf(rest).forEach((loss, i) => {
          assert.ok(Math.abs(loss - at(lossesOf(whole), i + 2)) < 1e-5);
        });
        assert.is(lossesOf(rest).length, 2);
      },
      { cuts: [0, 1, 4] },
    );
  });
});

test('checkpoints come every so many steps and at the end, and the last ones stay', () =>
  withBundle(async (bundle, directory) => {
    const ran = await run(bundle, { steps: 5, checkpoints: { directory, every: 2, resume: false, keep: 2 } });
    const steps = ran.events.flatMap((event) => (event.kind === 'checkpoint' ? [event.step] : []));
    assert.equal(steps, [2, 4, 5]);
    assert.equal((await readdir(directory)).sort(), ['step-000004.safetensors', 'step-000005.safetensors']);
  }));

test('a new run does not mix with the checkpoints of another', () =>
  withBundle(async (bundle, directory) => {
    const checkpoints = { directory, every: 1, resume: false };
    await run(bundle, { steps: 1, checkpoints });
    const { code, hint } = refusal((await run(bundle, { steps: 2, checkpoints })).result);
    assert.is(code, 'checkpoints-exist');
    assert.match(hint ?? '', '--resume');
  }));

test('a device killed in the middle of a step: named, the checkpoint intact, and the run goes on from it', () =>
  withBundle(
    async (bundle, directory) => {
      const whole = await run(bundle, { steps: 4 });
      const broken = await run(bundle, {
        steps: 4,
        checkpoints: { directory, every: 1, resume: false },
        hold: { rank: 1, step: 2, at: 'run' },
        onEvent(event) {
          if (event.kind !== 'started') return;
          // It stands still in step 2 when the checkpoint of step 2 is there.
          const timer = setInterval(() => {
            if (!existsSync(join(directory, 'step-000002.safetensors'))) return;
            clearInterval(timer);
            setTimeout(() => process.kill(at(event.processes, 1), 'SIGKILL'), 100);
          }, 10);
        },
      });
      const { code, message, hint } = refusal(broken.result);
      assert.is(code, 'device-died');
      assert.match(
        message,
        /device 1 ended \(SIGKILL\) while it was at `step 2, instruction \d+: run step_1/,
      );
      assert.match(hint ?? '', /last good checkpoint is `.*step-000002.safetensors`/);
      const rest = await run(bundle, { steps: 4, checkpoints: { directory, every: 1, resume: true } });
      assert.equal(lossesOf(rest), lossesOf(whole).slice(2));
    },
    { cuts: [0, 2, 4] },
  ));

test('a loss that is not finite stops the run, with step, parameter and the last good checkpoint', () =>
  withBundle(async (bundle, directory) => {
    const checkpoints = { directory, every: 1, resume: false };
    await run(bundle, { steps: 2, checkpoints });
    const spoilt = tinyFeed(land, image.with(7, Number.NaN));
    const resumed = { ...checkpoints, resume: true };
    const ran = await run(bundle, { steps: 20, checkpoints: resumed, feed: spoilt });
    const { code, message, hint } = refusal(ran.result);
    assert.is(code, 'loss-not-finite');
    assert.match(message, /^the loss of step 2 is NaN; the gradient of `w` is not finite/);
    assert.match(hint ?? '', /last good checkpoint is `.*step-000002.safetensors`/);
  }));

// With so high a rate the first update makes the weights infinite, and its loss is fine. That was saved, and
// called the last good checkpoint when the next step found out.
test('weights that an update has spoilt are not saved, at whatever step that shows', async () => {
  const rate = 1e39;
  const score = async () => scored(1);
  for (const [steps, every, validation] of [
    [20, 1, undefined],
    [1, 100, undefined],
    [20, 100, { every: 1, score }],
  ] as const)
    await withBundle(
      async (bundle, directory) => {
        const ran = await run(bundle, {
          steps,
          checkpoints: { directory, every, resume: false },
          ...(validation === undefined ? {} : { validation }),
        });
        const { code, message, hint } = refusal(ran.result);
        assert.is(code, 'state-not-finite');
        assert.is(message, 'after 1 steps the weights of `w` are not finite');
        assert.match(hint ?? '', 'there is no checkpoint yet');
        assert.equal(await readdir(directory), []);
      },
      { rate },
    );
});

test('given weights are the first ones', () =>
  withBundle(async (bundle) => {
    const init = new Map([['w', Float32Array.of(0.5, -0.25)]]);
    assert.equal(weightsIn(await run(bundle, { steps: 0, init })), [0.5, -0.25]);
  }));

/** A score of two classes whose mean is the number. */
const scored = (mean: number) => success({ accuracy: mean, iou: [mean, mean], pixels: cells });

test('weights are scored every so many steps and at the end, and the best ones outlive the others', () =>
  withBundle(async (bundle, directory) => {
    const scores = [0.4, 0.7, 0.6];
    const seen: number[] = [];
    const validation = {
      every: 2,
      score: async (weights: Weights) => {
        seen.push(at([...(weights.get('w') ?? [])], 0));
        return scored(at(scores, seen.length - 1));
      },
    };
    const checkpoints = { directory, every: 1, resume: false, keep: 1 };
    const ran = await run(bundle, { steps: 5, checkpoints, validation });
    const told = ran.events.flatMap((event) => (event.kind === 'validation' ? [event] : []));
    assert.equal(
      told.map(({ step, best }) => [step, best]),
      [
        [2, true],
        [4, true],
        [5, false],
      ],
    );
    assert.is(seen[2], at(weightsIn(ran), 0), 'the weights as they are after the step');
    assert.equal((await readdir(directory)).sort(), ['best.safetensors', 'step-000005.safetensors']);
    const kept = valueIn(readCheckpoint(bestFile(directory)));
    assert.is(kept.step, 4);
    assert.is(at([...(kept.tensors.get('w')?.data ?? [])], 0), seen[1]);
  }));

test('a resumed run knows the score it has to beat', () =>
  withBundle(async (bundle, directory) => {
    const validated = (steps: number, mean: number, resume: boolean) =>
      run(bundle, {
        steps,
        checkpoints: { directory, every: 100, resume },
        validation: { every: 1, score: async () => scored(mean) },
      });
    await validated(1, 0.5, false);
    for (const [steps, mean, best] of [
      [2, 0.5, 1],
      [3, 0.6, 3],
      [4, 0.55, 3],
    ] as const) {
      await validated(steps, mean, true);
      assert.is(valueIn(readCheckpoint(bestFile(directory))).step, best);
    }
    await rm(join(directory, 'step-000004.safetensors'));
    for (const step of [1, 2, 3]) await rm(join(directory, `step-00000${step}.safetensors`), { force: true });
    assert.is(
      refusal((await validated(1, 1, false)).result).code,
      'checkpoints-exist',
      'the best is not lost',
    );
  }));

test('a validation that was stopped scores nothing, and the run ends with its checkpoint', () =>
  withBundle(async (bundle, directory) => {
    const stop = new AbortController();
    const score = async () => {
      stop.abort();
      return success(undefined);
    };
    const checkpoints = { directory, every: 100, resume: false };
    const ran = await run(bundle, {
      steps: 5,
      checkpoints,
      stop: stop.signal,
      validation: { every: 2, score },
    });
    assert.is(valueIn(ran.result).step, 2);
    assert.equal(await readdir(directory), ['step-000002.safetensors']);
    assert.not.ok(ran.events.some(({ kind }) => kind === 'validation'));
  }));

test('a bundle to predict with is not trained', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'unetc-test-'));
  await writeTinyBundle(tinyPrediction(), folder);
  const bundle = valueIn(await openBundle(folder));
  await rm(folder, { recursive: true });
  assert.is(refusal((await run(bundle, {})).result).code, 'bundle-purpose');
});

test.run();
