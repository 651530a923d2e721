/** How devices end: killed, standing still, failing, left alone. Each is named, and nothing stays running. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { at } from '../../ir/box.ts';
import type { Instruction, Plan } from '../../ir/plan.ts';
import { tinyTraining } from '../tests/tiny-plan.ts';
import { refusal, stepOn, tinyFeed, valueIn, withDevices } from '../tests/with-devices.ts';
import { type DevicesOptions, startDevices } from './devices.ts';
import { awaitPeer } from './patience.ts';
import type { Hold } from './protocol.ts';

const kinds: readonly Instruction['do'][] = [
  'load',
  'count',
  'all_reduce',
  'run',
  'metric',
  'accumulate',
  'clip',
  'rate',
  'report',
  'free',
];

/** Where the others wait for the one that dies; elsewhere it is alone, which is quicker to test. */
const together: readonly string[] = ['all_reduce', 'run'];

for (const kind of kinds)
  test(`a device killed at ${kind} is named, and nothing is left running`, async () => {
    const [plan, rank] = together.includes(kind)
      ? [tinyTraining({ cuts: [0, 2, 4] }), 1]
      : [tinyTraining(), 0];
    const hold: Hold = { rank, step: 1, at: kind };
    const { code, message } = await withDevices(
      plan,
      async (devices) => {
        (await stepOn(plan, devices, 0)).map(valueIn);
        const second = stepOn(plan, devices, 1);
        await until(() => devices.whereIs(rank).includes(`: ${kind}`));
        process.kill(at(devices.processes, rank), 'SIGKILL');
        const result = (await second)[rank];
        await until(() => devices.processes.every((pid) => !isAlive(pid)));
        return refusal(result);
      },
      { hold },
    );
    assert.is(code, 'device-died');
    assert.ok(
      message.startsWith(`device ${rank} ended (SIGKILL) while it was at \`step 1, instruction `),
      message,
    );
    assert.ok(message.includes(`: ${kind} `), message);
  });

/** The diagnostic of the first step of a plan, as device 0 reports it. */
const firstStep = (plan: Plan, options: Partial<DevicesOptions>) =>
  withDevices(plan, async (devices) => refusal((await stepOn(plan, devices, 0))[0]), options);

test('a device that stands still is named after the time allowed, with what was waited for', async () => {
  const options = { hold: { rank: 0, step: 0, at: 'run' }, timeoutSeconds: 0.5 } as const;
  const { code, message } = await firstStep(tinyTraining({ cuts: [0, 2, 4] }), options);
  assert.is(code, 'device-silent');
  assert.match(
    message,
    /^waited 0.5 s for .*: device 0 stands still at `step 0, instruction \d+: run step_0/,
  );
});

// Device 0 waits for device 1, which waits for device 2: whoever is at fault is named, not who waits for it.
for (const [victim, kind] of [
  [1, 'all_reduce'],
  [2, 'all_reduce'],
  [2, 'run'],
] as const)
  test(`device ${victim}, stopped at ${kind} for longer than the patience, is named, and nothing is left`, async () => {
    const plan = tinyTraining({ cuts: [0, 1, 2, 4] });
    const [refused, processes] = await withDevices(
      plan,
      async (devices) => {
        const step = stepOn(plan, devices, 0);
        await until(() => devices.whereIs(victim).includes(`: ${kind}`));
        process.kill(at(devices.processes, victim), 'SIGSTOP');
        return [refusal((await step)[0]), devices.processes] as const;
      },
      { hold: { rank: victim, step: 0, at: kind }, timeoutSeconds: 0.5 },
    );
    assert.is(refused.code, 'device-stopped');
    assert.match(
      refused.message,
      new RegExp(`^device ${victim} was stopped .* at \`step 0, instruction \\d+: ${kind} .*within 0.5 s$`),
    );
    await until(() => processes.every((pid) => !isAlive(pid)));
  });

// A batch system suspends a job for hours and resumes it: the first to look at the clock gave up on the others.
test('a run that is suspended as a whole, and resumed, goes on', async () => {
  const patience = { seconds: 1, progressOf: () => 0, whereIs: () => '' };
  const blocked = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2000);
  // Nothing of this process runs for two seconds; the peer, suspended too, answers a little later.
  setTimeout(blocked, 10);
  const peer = new Promise((resolve) => setTimeout(() => setTimeout(resolve, 200), 20));
  await awaitPeer(peer, 1, 'a message', patience);
});

test('a lone device that stands still ends the run too', async () => {
  const options = { hold: { rank: 0, step: 0, at: 'run' }, timeoutSeconds: 0.3 } as const;
  const { message } = await firstStep(tinyTraining(), options);
  assert.match(message, /for the end of `work`: device 0 stands still at/);
});

test('a loss that is not finite stops the step before the update, naming the parameter', async () => {
  const states = [{ parameter: 'w', slot: 'weight', values: Float32Array.of(Number.NaN, 1) }] as const;
  const { code, message } = await firstStep(tinyTraining(), { states });
  assert.is(code, 'loss-not-finite');
  assert.match(message, /step 0 is NaN; the weights of `w` are not finite/);
});

test('a segment that cannot be loaded is a diagnostic in the words of the runtime', async () => {
  const plan = tinyTraining();
  const segments = Object.fromEntries(plan.segments.map(({ name }) => [name, '/no/such/segment.onnx']));
  const started = await startDevices({ plan, segments, threads: 1, feed: tinyFeed() });
  const { code, message } = refusal(started);
  assert.is(code, 'device-failed');
  assert.match(message, /device 0 failed at `.*`: ENOENT/);
});

test('devices end when their parent does, however it ends', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'unetc-test-'));
  const program = fileURLToPath(new URL('../tests/lone-parent.ts', import.meta.url));
  const parent = fork(program, [folder], { execArgv: ['--import', import.meta.resolve('tsx')] });
  const [processes] = await once(parent, 'message');
  assert.ok(Array.isArray(processes) && processes.length === 2 && processes.every(isAlive));
  parent.kill('SIGKILL');
  await until(() => !processes.some(isAlive));
  await rm(folder, { recursive: true });
});

test('a device that is told to end by a plain kill is named as well', async () => {
  const message = await withDevices(tinyTraining(), async (devices) => {
    process.kill(at(devices.processes, 0), 'SIGTERM');
    return refusal(await devices.work(0, { step: 0, tile: 0 })).message;
  });
  assert.match(message, /^device 0 ended \(SIGTERM\) while it was at `the beginning of step 0`/);
});

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test.run();
