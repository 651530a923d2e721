/**
 * Kills a training at a chosen moment and lets it go on with `--resume`: what came of it must be, bit for bit,
 * what comes of a training that nobody disturbs, and nothing may be left over.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { dataDirectory } from '../../runtime/tests/test-data.ts';
import { devicesOf, type Ended, type Running, root, start, succeeding } from './command-line.ts';

export const moments = ['start', 'between steps', 'inside a step', 'checkpoint', 'validation'] as const;
export type Moment = (typeof moments)[number];

export type Kill = {
  readonly moment: Moment;
  /** The command itself, or one of its devices by rank; in a validation one of those that score. */
  readonly victim: 'parent' | number;
  /** Which of the steps, checkpoints or validations it hits; counted from 0. */
  readonly which: number;
  /** How far into the moment, 0 to 1. */
  readonly share: number;
};

/** A training that is disturbed again and again. */
export type Training = {
  readonly folder: string;
  readonly devices: number;
  /** Where its programs keep what is temporary: what is left over shows. */
  readonly temporary: string;
  readonly command: string;
  readonly steps: number;
  /** Milliseconds: from the beginning to the first step, and of one step. */
  readonly startTime: number;
  readonly stepTime: number;
};

const every = { checkpoint: 3, validation: 4 } as const;
const milliseconds = { slowDisk: 40, write: 250, validation: 500, grace: 5000, hanging: 60_000 } as const;

/** Compiles the network for `devices` tiles, makes its data, and trains it once without a disturbance. */
export async function prepareTraining(folder: string, steps: number, devices: number): Promise<Training> {
  const bundle = join(folder, 'small.plan');
  const sets = '--set side=32 --set poolings=1 --pin tiles=1x';
  await succeeding(
    `compile examples/coastline.unet ${sets}${devices} --devices ${devices} --threads 1 -o ${bundle}`,
  );
  const temporary = join(folder, 'tmp');
  mkdirSync(temporary);

  const options = `--checkpoint-every ${every.checkpoint} --validation held --validate-every ${every.validation}`;
  const command = `run ${bundle} --data ${await smallData()} --json --steps ${steps} ${options}`;
  const training = { folder, temporary, command, steps, devices, startTime: 0, stepTime: 0 };
  const began = performance.now();
  const running = startTraining(training, 'undisturbed');
  await running.line((line) => line.startsWith('{"step":0,'));
  const startTime = performance.now() - began;
  const times = (await expectDone(running)).stdout.matchAll(/^\{"step":\d+,.*"seconds":([\d.e-]+)/gm);
  const seconds = [...times].map(([, text]) => Number(text)).sort((a, b) => a - b);
  return { ...training, startTime, stepTime: 1000 * (seconds[seconds.length >> 1] ?? 0) };
}

/** Class 1 where the first channel is bright. */
function smallData(): Promise<string> {
  const bright = (y: number, x: number, channel: number) => (channel === 0 ? (y * 9 + x * 5) % 256 : y % 256);
  const land = (y: number, x: number) => Number(bright(y, x, 0) > 127);
  const size = { height: 96, width: 128 };
  return dataDirectory(
    { 'a.png': { ...size, paint: bright }, 'a-land.png': { ...size, channels: 1, paint: land } },
    { pairs: [{ image: 'a.png', label: 'a-land.png' }], splits: { train: ['a'], held: ['a'] } },
  );
}

const startTraining = ({ command, temporary, folder }: Training, name: string, more = ''): Running =>
  start(`${command} --checkpoint ${join(folder, name)}${more}`, {
    environment: {
      TMPDIR: temporary,
      SLOW_DISK: String(milliseconds.slowDisk),
      NODE_OPTIONS: `--import ${pathToFileURL(join(root, 'tests/support/slow-disk.mjs'))}`,
    },
  });

async function expectDone(running: Running): Promise<Ended> {
  const ended = await running.ended;
  if (ended.status !== 0) throw new Error(`ended with ${ended.status}:\n${ended.stderr}`);
  return ended;
}

export type Killed = {
  /** How the disturbed run ended, for people. */
  readonly ended: string;
  /** What was wrong; nothing, if all is well. */
  readonly problems: readonly string[];
};

/** Kills a fresh run as told, goes on with it to its end, and compares. */
export async function killAndResume(training: Training, kill: Kill, name: string): Promise<Killed> {
  const running = startTraining(training, name);
  const watch = watchDevices(running);
  const hit = await moment[kill.moment](training, running, kill)
    .then(() => shoot(training, running, kill))
    .catch((error: Error) => `missed: ${error.message.split('\n')[0]}`);
  const began = performance.now();
  const { status, signal, stderr } = await running.ended;
  const took = performance.now() - began;
  const devices = watch.stop();
  const left = await survivors(devices);
  const again = await startTraining(training, name, ' --resume').ended;
  const problems = [
    ...(kill.victim !== 'parent' && hit === '' && status !== 3
      ? [`exit code ${status}, not 3: ${stderr}`]
      : []),
    ...(hit === '' && took > milliseconds.hanging ? ['it hung for a minute'] : []),
    ...left.map((pid) => `device process ${pid} is still there`),
    ...(again.status === 0 ? [] : [`--resume ended with ${again.status}: ${again.stderr}`]),
    ...differences(training, name),
    ...leftovers(training),
  ];
  const said = /^.*error\[.*$/m.exec(stderr)?.[0] ?? '';
  const after = `${signal ?? `exit code ${status}`} after ${(took / 1000).toFixed(1)} s`;
  return { ended: [hit, after, said].filter(Boolean).join(', '), problems };
}

type Wait = (training: Training, running: Running, kill: Kill) => Promise<unknown>;

/** Waits for a moment, and then for its share of it. */
const moment: Readonly<Record<Moment, Wait>> = {
  start: ({ startTime }, _, { share }) => sleep(startTime * share),
  'between steps': (_, running, { which }) => running.line((line) => line.startsWith(`{"step":${which},`)),
  async 'inside a step'({ stepTime }, running, { which, share }) {
    await running.line((line) => line.startsWith(`{"step":${which},`));
    await sleep(stepTime * share);
  },
  async checkpoint(_, running, { which, share }) {
    await running.remark((line) => line.startsWith(`@writing ${which} `));
    await sleep(milliseconds.write * share);
  },
  async validation(_, running, { which, share }) {
    const step = every.validation * (which + 1) - 1;
    await running.line((line) => line.startsWith(`{"step":${step},`));
    await sleep(milliseconds.validation * share);
  },
};

/** Kills the victim as soon as it is there. Gives what went wrong, '' if nothing. */
async function shoot({ devices }: Training, running: Running, kill: Kill): Promise<string> {
  while (running.process.exitCode === null) {
    const pid = victimOf(running, kill, devices);
    if (pid !== undefined) {
      process.kill(pid, 'SIGKILL');
      return '';
    }
    await sleep(20);
  }
  return 'missed: the run was over';
}

function victimOf(
  running: Running,
  { moment: when, victim, share }: Kill,
  training: number,
): number | undefined {
  if (victim === 'parent') return running.process.pid;
  const devices = devicesOf(running);
  // The devices of the training rest during a validation: half of the time one of those that score.
  return (when === 'validation' && share < 0.5 ? devices.slice(training) : devices)[victim];
}

/** All device processes that a run ever had. */
function watchDevices(running: Running): { stop(): number[] } {
  const seen = new Set<number>();
  const look = () => {
    for (const pid of devicesOf(running)) seen.add(pid);
  };
  const timer = setInterval(look, 60);
  return {
    stop() {
      clearInterval(timer);
      return [...seen];
    },
  };
}

/** Those that are still there after a moment in which they may notice the end of their parent. */
async function survivors(processes: readonly number[]): Promise<readonly number[]> {
  const until = performance.now() + milliseconds.grace;
  let alive = processes.filter(isAlive);
  while (alive.length > 0 && performance.now() < until) {
    await sleep(50);
    alive = alive.filter(isAlive);
  }
  return alive;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** What programs left in the temporary folder; the cache of `tsx` is not ours. */
const leftovers = ({ temporary }: Training): string[] =>
  readdirSync(temporary)
    .filter((file) => !file.startsWith('tsx-'))
    .map((file) => `${file} is left in the temporary folder`);

/** The checkpoints of a run against those of the undisturbed one. */
function differences({ folder, steps }: Training, name: string): string[] {
  const last = `step-${String(steps).padStart(6, '0')}.safetensors`;
  const files = (of: string) => readdirSync(join(folder, of)).sort().join(' ');
  const bytes = (of: string, file: string) =>
    existsSync(join(folder, of, file)) ? readFileSync(join(folder, of, file)) : Buffer.alloc(0);
  return [
    ...(files(name) === files('undisturbed') ? [] : [`files differ: ${files(name)}`]),
    ...[last, 'best.safetensors']
      .filter((file) => !bytes(name, file).equals(bytes('undisturbed', file)))
      .map((file) => `${file} differs from that of the undisturbed run`),
  ];
}

/** A folder for `prepareTraining`. */
export const trainingFolder = (base: string): string => mkdtempSync(join(base, 'unetc-test-'));
