/** Hosts that lose their cable or their power; the namespaces of `hosts.sh`. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { at } from '../../ir/box.ts';
import { type Host, hosts, startOnHost, startOnHosts } from '../../tests/support/torch-hosts.ts';
import { lossesOf, runTorch } from '../../tests/support/torch-runs.ts';
import { fault, inFolder, NAMED, one, python, same, TIMEOUT, type Try, tiles, withData } from './setup.ts';

let runs = 0;
const across = (checkpoints: string, timeout: number, restarts: number, ...more: string[]) => ({
  ...{ id: `fault${runs++}`, python, hosts: 2, perNode: 1, restarts },
  words: [
    join(tiles.bundle, 'torch/run.py'),
    ...withData(checkpoints, '--timeout', String(timeout), ...more),
  ],
});

/** Does something once, when a step is done. */
function whenAt(running: readonly Host[], step: number, act: () => Promise<void> | void): Promise<number> {
  return new Promise((done) => {
    let began = false;
    for (const host of running)
      host.onStep(async (found) => {
        if (found !== step || began) return;
        began = true;
        const since = performance.now();
        await act();
        done(since);
      });
  });
}

const statusesOf = async (running: readonly Host[]): Promise<(number | null)[]> =>
  (await Promise.all(running.map(({ ended }) => ended))).map(({ status }) => status);

async function shortCut(): Promise<Try> {
  const running = startOnHosts(across(inFolder('short'), 60, 0));
  const since = await whenAt(running, 25, async () => {
    hosts('cut', 2);
    await sleep(10_000);
    hosts('mend', 2);
  });
  const statuses = await statusesOf(running);
  const seconds = (performance.now() - since) / 1000;
  const problems = statuses.every((status) => status === 0) ? [] : [`torchrun ended with ${statuses}`];
  return {
    says: `the run was done ${seconds.toFixed(1)} s later`,
    problems: [...problems, ...same(inFolder('short'), tiles)],
  };
}

async function longCut(): Promise<Try> {
  const running = startOnHosts(across(inFolder('long'), TIMEOUT, 0));
  const since = await whenAt(running, 25, () => void hosts('cut', 2));
  for (let i = 0; i < 20 * TIMEOUT && running.some(({ said }) => said.length === 0); i++) await sleep(200);
  const seconds = (Math.max(...running.flatMap(({ said }) => said.map((one) => one.at))) - since) / 1000;
  const silent = running.filter(({ said }) => !said.some(({ line }) => NAMED.test(line)));
  for (const { said } of running)
    console.log(`       ${said.find(({ line }) => NAMED.test(line))?.line.slice(0, 200)}`);
  for (const host of [1, 2]) hosts('fell', host);
  await statusesOf(running);
  mkdirSync(inFolder('survivor'));
  execFileSync('cp', ['-r', `${inFolder('long')}/.`, inFolder('survivor')]);
  const alone = await runTorch(python, {
    bundle: one,
    ranks: 1,
    args: withData(inFolder('survivor'), '--resume'),
  });
  hosts('mend', 2);
  const again = await statusesOf(startOnHosts(across(inFolder('long'), TIMEOUT, 0, '--resume')));
  const right = lossesOf(
    await runTorch(python, { bundle: one, ranks: 1, args: withData(inFolder('right')) }),
  );
  const off = Math.max(
    ...alone.records.flatMap(({ step, loss }) =>
      step === undefined ? [] : [Math.abs((loss ?? 9) - at(right, step))],
    ),
  );
  return {
    says: `ranks ended within ${seconds.toFixed(1)} s; repaired, the run went on; on the surviving host, with a plan for one device, losses are at most ${off.toExponential(1)} off`,
    seconds,
    problems: [
      ...silent.map(({ said }) => `names no instruction: ${said.map(({ line }) => line).join(' ')}`),
      ...(seconds < 2 * TIMEOUT ? [] : ['too late']),
      ...(again.every((status) => status === 0) ? [] : [`after the repair: ${again}`]),
      ...(alone.status === 0 && off < 1e-4 ? [] : [`the survivor: ${alone.stderr.slice(-400)}`]),
      ...same(inFolder('long'), tiles),
    ],
  };
}

/** A host loses its power, and comes back: its torchrun is started again, and joins. */
async function fallen(): Promise<Try> {
  const run = across(inFolder('fallen'), TIMEOUT, 3, '--resume');
  const running = startOnHosts(run);
  let back: Host | undefined;
  const since = await whenAt(running, 25, async () => {
    hosts('fell', 2);
    await sleep(3000);
    back = startOnHost(run, 2);
  });
  const statuses = await statusesOf([at(running, 0), ...(back === undefined ? [] : [back])]);
  const seconds = (performance.now() - since) / 1000;
  const problems =
    statuses.length === 2 && statuses.every((status) => status === 0)
      ? []
      : [`torchrun ended with ${statuses}`];
  return {
    says: `done ${seconds.toFixed(1)} s later`,
    problems: [...problems, ...same(inFolder('fallen'), tiles)],
  };
}

export async function hostFaults(): Promise<void> {
  hosts('up', 2);
  try {
    await fault('a cable out for 10 s', [shortCut]);
    await fault('a cable out for good', [longCut]);
    await fault('a host that falls and comes back', [fallen]);
  } finally {
    hosts('down');
  }
}
