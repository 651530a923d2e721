/** Ranks that are killed, stand still, or are told to end. */
import { setTimeout as sleep } from 'node:timers/promises';
import { at } from '../../ir/box.ts';
import { ranksOf, startTorch, type TorchRun } from '../../tests/support/torch-runs.ts';
import {
  allEnded,
  bare,
  draw,
  fault,
  inFolder,
  kills,
  NAMED,
  type Plan,
  plans,
  python,
  resumed,
  STEPS,
  same,
  TIMEOUT,
  type Try,
  times,
  withData,
} from './setup.ts';

/** Survivors of a fault: when the last of them ended, and what is wrong about it. */
async function survivors(
  ranks: readonly TorchRun[],
  since: number,
): Promise<{ seconds: number; problems: string[] }> {
  const ends = await Promise.all(
    ranks.map(async ({ ended }) => ({ ...(await ended), seconds: (performance.now() - since) / 1000 })),
  );
  const seconds = Math.max(...ends.map((one) => one.seconds));
  const silent = ends.filter(({ status, stderr }) => status !== 0 && !NAMED.test(stderr));
  return {
    seconds,
    problems: [
      ...(seconds < 2 * TIMEOUT ? [] : [`ended after ${seconds.toFixed(1)} s`]),
      ...silent.map(({ stderr }) => `names no instruction: ${stderr.slice(-400)}`),
    ],
  };
}

const planFor = (attempt: number): Plan => at(plans, attempt % plans.length);

/**
 * When a rank is disturbed: every fifth time during the start, else within or after a drawn step. `says` tells which;
 * `come` ends at that moment.
 */
function momentOf(plan: Plan, attempt: number): { says: string; come: (first: TorchRun) => Promise<void> } {
  const share = draw(0, attempt, 1);
  if (attempt % 5 === 0) {
    const seconds = share * plan.seconds;
    return { says: `after ${seconds.toFixed(1)} s`, come: () => sleep(1000 * seconds) };
  }
  const step = Math.floor(share * (STEPS - 1));
  const delay = 40 * draw(0, attempt, 2);
  const come = (first: TorchRun): Promise<void> =>
    new Promise((done) => {
      first.onRecord((record) => record.step === step && setTimeout(done, delay));
      first.ended.then(() => done());
    });
  return { says: `${delay.toFixed(0)} ms after step ${step}`, come };
}

const victimOf = (plan: Plan, attempt: number): number => Math.floor(draw(0, attempt, 0) * plan.ranks);

/** Disturbs one of ranks that nobody starts again; the others have to end by themselves, and the run goes on by hand. */
async function disturbed(attempt: number, signal: NodeJS.Signals): Promise<Try> {
  const plan = planFor(attempt);
  const [victim, moment] = [victimOf(plan, attempt), momentOf(plan, attempt)];
  const checkpoints = inFolder(`${signal}-${attempt}`);
  const ranks = await bare(plan, withData(checkpoints));
  await moment.come(at(ranks, 0));
  const since = performance.now();
  at(ranks, victim).process.kill(signal);
  const others = ranks.filter((_, rank) => rank !== victim);
  const { seconds, problems } = await survivors(others, since);
  at(ranks, victim).process.kill('SIGKILL');
  await allEnded(ranks);
  const says = `${plan.name}, rank ${victim} ${moment.says}; the others ended after ${seconds.toFixed(1)} s`;
  return { says, seconds, problems: [...problems, ...(await resumed(plan, checkpoints))] };
}

/** Kills one of ranks that torchrun starts again. */
async function restarted(attempt: number): Promise<Try> {
  const plan = planFor(attempt);
  const [victim, moment] = [victimOf(plan, attempt), momentOf(plan, attempt)];
  const checkpoints = inFolder(`restarted-${attempt}`);
  const launcher = ['--max-restarts=1', '--monitor-interval=0.1'];
  const run = startTorch(python, { ...plan, args: withData(checkpoints), launcher });
  await moment.come(run);
  const pid = ranksOf(run)[victim];
  const since = performance.now();
  if (pid !== undefined) process.kill(pid, 'SIGKILL');
  const { status, stderr } = await run.ended;
  const seconds = (performance.now() - since) / 1000;
  const from = /going on from step \d+/.exec(stderr)?.[0] ?? 'from the beginning';
  const hit = pid === undefined ? 'not there yet' : `killed, ${from}`;
  const says = `${plan.name} under torchrun, rank ${victim} ${moment.says}: ${hit}, done ${seconds.toFixed(1)} s later`;
  return { says, problems: [...(status === 0 ? [] : [stderr.slice(-400)]), ...same(checkpoints, plan)] };
}

/** Told to end, the run ends after its step on all ranks, with a checkpoint. */
async function told(attempt: number): Promise<Try> {
  const plan = planFor(attempt);
  const checkpoints = inFolder(`told-${attempt}`);
  const ranks = await bare(plan, withData(checkpoints));
  const victim = Math.floor(draw(1, attempt, 0) * plan.ranks);
  const step = 1 + Math.floor(draw(1, attempt, 1) * (STEPS - 2));
  let since = 0;
  at(ranks, 0).onRecord((record) => {
    if (record.step !== step) return;
    since = performance.now();
    at(ranks, victim).process.kill('SIGTERM');
  });
  const ended = await allEnded(ranks);
  const seconds = (performance.now() - since) / 1000;
  const bad = ended.filter(({ status }) => status !== 0).map(({ stderr }) => stderr.slice(-400));
  const kept = at(ended, 0).records.at(-1)?.checkpoint ?? 'nothing';
  const says = `${plan.name}, rank ${victim} at step ${step}: ${kept.slice(kept.lastIndexOf('/') + 1)}`;
  return { says, seconds, problems: [...bad, ...(await resumed(plan, checkpoints))] };
}

export async function processFaults(): Promise<void> {
  await fault(
    'kill -9',
    times(
      Number(kills),
      (attempt) => () => (attempt % 2 === 0 ? disturbed(attempt, 'SIGKILL') : restarted(attempt)),
    ),
  );
  await fault(
    'a rank that stands still (SIGSTOP)',
    times(3, (attempt) => () => disturbed(100 + attempt, 'SIGSTOP')),
  );
  await fault(
    'SIGTERM',
    times(6, (attempt) => () => told(attempt)),
  );
}
