/**
 * The PyTorch executor against the processes of this machine, on the same bundles: loss curves, checkpoints both
 * ways, and ranks that die. `scripts/torch-executor-check.ts` compares ops and gradients on drawn plans.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { measuredOf } from '../backends/simulator/measured.ts';
import { measuredTrace } from '../backends/simulator/measured-trace.ts';
import { openBundle } from '../runtime/bundle.ts';
import { readProfile } from '../runtime/profile.ts';
import { pythonTest } from '../runtime/tests/python.ts';
import { succeeding } from './support/command-line.ts';
import { valueIn } from './support/devices.ts';
import {
  brightData,
  compiled,
  lossesOf,
  ranksOf,
  runTorch,
  smoothNetwork,
  startTorch,
} from './support/torch-runs.ts';

const folder = mkdtempSync(join(tmpdir(), 'unetc-test-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const inFolder = (name: string): string => join(folder, name);

const network = smoothNetwork(folder);
const [one, two] = [
  await compiled(network, '--devices 1', inFolder('one.plan')),
  await compiled(network, '--devices 2 --pin tiles=1x2', inFolder('two.plan')),
];
const raw = await brightData();
const data = inFolder('data');
await succeeding(`stage ${two} --data ${raw} -o ${data}`);

/** What nobody disturbs, and where it ends. */
const STEPS = 60;
const calm = inFolder('calm');

const withData = (...more: string[]): string[] => ['--data', data, '--timeout', '20', ...more];

/** Losses of a run on processes of this machine. */
const lossesHere = async (words: string): Promise<number[]> =>
  (await succeeding(`run ${words} --data ${raw} --json`))
    .split('\n')
    .filter((line) => line.startsWith('{"step"'))
    .map((line) => JSON.parse(line).loss);

function expectClose(found: readonly number[], right: readonly number[]): void {
  assert.is(found.length, right.length);
  for (const [step, loss] of right.entries())
    assert.ok(Math.abs((found[step] ?? 0) - loss) < 1e-4, `step ${step}: ${found[step]}, not ${loss}`);
}

/** A line for each of the last steps, in the words of the simulator; the lane that computes does one thing after another. */
function expectTimeLines(text: string, steps: number): void {
  const lines = text
    .trim()
    .split('\n')
    .filter((line) => line.startsWith('{"rank"'))
    .map((line) => JSON.parse(line));
  assert.equal(
    lines.map(({ step }) => step),
    Array.from({ length: 26 }, (_, index) => steps - 26 + index),
  );
  for (const { stepSeconds, events } of lines) {
    const computed: { from: number; to: number; activity: string }[] = events.filter(
      ({ lane }: { lane: string }) => lane === 'compute',
    );
    assert.ok(computed.some(({ activity }) => activity === 'step'));
    assert.ok(computed.every(({ from, to }, i) => from >= (computed[i - 1]?.to ?? 0) && to <= stepSeconds));
  }
}

/** What `inspect` makes of it: of each rank every instruction, what they took, and the losses of the run. */
async function expectProfile(file: string, folder: string, losses: readonly number[]): Promise<void> {
  const { plan, manifest } = valueIn(await openBundle(folder));
  const profile = valueIn(readProfile(file, plan, manifest.plan));
  assert.is(profile.devices.length, plan.schedule.devices);
  assert.is(profile.steps, 25);
  assert.equal(profile.curves[0]?.values, losses);
  for (const { role, seconds, peakBytes } of measuredOf(plan, profile).roles) {
    const { idle, ...busy } = seconds;
    const sum = Object.values(busy).reduce((all, one) => all + one, 0);
    assert.ok(
      sum > 0.5 * profile.seconds && sum <= profile.seconds + 1e-9,
      `${role}: ${sum} of ${profile.seconds}`,
    );
    assert.ok(
      seconds.step > 0 && seconds.update > 0 && (seconds.all_reduce > 0 || profile.devices.length === 1),
    );
    assert.ok(peakBytes > 0 && idle >= 0);
  }
  const { traceEvents } = measuredTrace(plan, profile);
  const slices = traceEvents.flatMap((one) => (one.ph === 'X' ? [one] : []));
  const ends = new Map<string, number>();
  for (const { pid, tid, ts, dur } of slices) {
    assert.ok(ts >= (ends.get(`${pid} ${tid}`) ?? 0) - 1e-3, 'slices of a thread overlap');
    ends.set(`${pid} ${tid}`, ts + dur);
  }
  assert.is(
    slices.length,
    profile.devices.reduce((all, { from }) => all + from.length, 0),
  );
}

const last = (checkpoints: string): Buffer => {
  const name = readdirSync(checkpoints).sort().at(-1) ?? '';
  return readFileSync(join(checkpoints, name));
};

pythonTest('torch', 'two ranks, one rank, and processes of this machine train alike', async (python) => {
  const steps = ['--steps', `${STEPS}`];
  const ofTwo = await lossesHere(
    `${two} ${steps.join(' ')} --launcher torchrun --python ${python} --checkpoint ${calm} --profile ${inFolder('two.jsonl')}`,
  );
  const profile = inFolder('profile.jsonl');
  const args = withData(...steps, '--profile', profile);
  const ofOne = lossesOf(await runTorch(python, { bundle: one, ranks: 1, args }));
  const here = await lossesHere(`${two} --steps ${STEPS} --checkpoint ${inFolder('alike')}`);
  expectClose(ofTwo, here);
  expectClose(ofOne, here);
  assert.ok((here.at(-1) ?? 1) < (here[0] ?? 0));
  expectTimeLines(readFileSync(profile, 'utf8'), STEPS);
  await expectProfile(profile, one, ofOne);
  await expectProfile(inFolder('two.jsonl'), two, ofTwo);
});

pythonTest(
  'torch',
  'each executor goes on from checkpoints of the other, past a torn one',
  async (python) => {
    const checkpoints = inFolder('both');
    const right = await lossesHere(`${two} --steps 9 --checkpoint ${inFolder('whole')}`);
    const first = await lossesHere(`${two} --steps 3 --checkpoint ${checkpoints}`);
    const refused = await runTorch(python, {
      bundle: one,
      ranks: 1,
      args: withData('--checkpoint', checkpoints),
    });
    assert.is(refused.status, 1);
    assert.match(refused.stderr, /already holds checkpoints .*--resume/);
    const args = withData('--steps', '7', '--checkpoint', checkpoints, '--checkpoint-every', '1', '--resume');
    const second = await runTorch(python, { bundle: one, ranks: 1, args });
    truncateSync(join(checkpoints, 'step-000007.safetensors'), 8192);
    const third = await runTorch(python, { bundle: one, ranks: 1, args });
    assert.match(third.stderr, /step-000007.safetensors is incomplete and skipped/);
    assert.equal(lossesOf(third), lossesOf(second).slice(-1));
    const fourth = await lossesHere(`${two} --steps 9 --checkpoint ${checkpoints} --resume`);
    expectClose([...first, ...lossesOf(second), ...fourth], right);
  },
);

pythonTest('torch', 'a rank that is killed costs nothing but time', async (python) => {
  const disturbed = inFolder('disturbed');
  const args = withData('--steps', `${STEPS}`, '--checkpoint', disturbed, '--checkpoint-every', '7');
  const launcher = ['--max-restarts=1', '--monitor-interval=0.1'];
  const run = startTorch(python, { bundle: two, ranks: 2, args, launcher });
  let victim = 0;
  let killed = false;
  run.onRecord(({ step }) => {
    if (victim === 0 && step === 2) victim = ranksOf(run)[1] ?? 0;
    // The step comes again after the restart.
    if (step === 30 && !killed) killed = process.kill(victim, 'SIGKILL');
  });
  const ended = await run.ended;
  assert.ok(killed);
  assert.is(ended.status, 0, ended.stderr);
  assert.match(ended.stderr, /going on from step (28|35|42)/);
  assert.is(Buffer.compare(last(disturbed), last(calm)), 0);
});

pythonTest('torch', 'SIGTERM ends after the step with a checkpoint', async (python) => {
  const checkpoints = inFolder('stopped');
  const args = withData('--steps', '500', '--checkpoint', checkpoints);
  const run = startTorch(python, { bundle: one, ranks: 1, args });
  run.onRecord(({ step }) => step === 4 && run.process.kill('SIGTERM'));
  const { status, records } = await run.ended;
  assert.is(status, 0);
  const [before, end] = records.slice(-2);
  assert.equal(end, {
    done: false,
    checkpoint: join(checkpoints, `step-00000${(before?.step ?? 0) + 1}.safetensors`),
  });
});

pythonTest('torch', 'a loss that is not finite stops the run and names what it spoilt', async (python) => {
  const text = readFileSync(network, 'utf8').replace('cosine(0.05)', 'constant(1e15)');
  const wild = inFolder('wild.unet');
  writeFileSync(wild, text);
  const bundle = await compiled(wild, '--devices 1', inFolder('wild.plan'));
  const { status, stderr } = await runTorch(python, { bundle, ranks: 1, args: withData() });
  assert.is(status, 3);
  assert.match(
    stderr,
    /the loss of step \d+ is not finite; .*conv.* is not finite after it; there is no checkpoint/,
  );
});

test.run();
