/** Runs of the PyTorch executor on several hosts: the namespaces of `scripts/hosts.sh`, joined by torchrun. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Told } from '../../runtime/told.ts';
import { root } from './command-line.ts';

const script = join(root, 'scripts/hosts.sh');

/** Calls `hosts.sh`, and throws where it fails. */
export function hosts(...words: readonly (string | number)[]): string {
  const { status, stdout, stderr } = spawnSync(script, words.map(String), { encoding: 'utf8' });
  if (status !== 0) throw new Error(`hosts.sh ${words.join(' ')}: ${stderr}`);
  return stdout;
}

export const addressOf = (host: number): string => `10.77.0.${host}`;

export type HostEnded = { readonly status: number | null; readonly records: readonly Told[] };

/** torchrun on one host. */
export type Host = {
  readonly ended: Promise<HostEnded>;
  /** What its ranks said to people, and when, in milliseconds of `performance.now()`. */
  readonly said: { readonly line: string; readonly at: number }[];
  onStep(visit: (step: number) => void): void;
};

export type HostRun = {
  /** Tells runs apart. */
  readonly id: string;
  readonly python: string;
  readonly hosts: number;
  readonly perNode: number;
  /** What Python runs. */
  readonly words: readonly string[];
  readonly restarts?: number;
};

/** Starts torchrun on one of the hosts, counted from 1. */
export function startOnHost(run: HostRun, index: number): Host {
  const { id, hosts: count, perNode, restarts = 0 } = run;
  const places = [`--nnodes=${count}`, `--nproc-per-node=${perNode}`, `--max-restarts=${restarts}`];
  const meeting = [`--rdzv-id=${id}`, '--rdzv-backend=c10d', '--rdzv-endpoint=unetc-host1:29400'];
  const words = [
    '-m',
    'torch.distributed.run',
    ...places,
    ...meeting,
    '--monitor-interval=0.2',
    ...run.words,
  ];
  const env = { ...process.env, OMP_NUM_THREADS: '1', TORCH_DISABLE_SHARE_RDZV_TCP_STORE: '1' };
  const stdio = ['ignore', 'pipe', 'pipe'] as const;
  const child = spawn(script, ['on', String(index), run.python, ...words], { env, stdio: [...stdio] });
  const heard = listener();
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', heard.lines());
  const ended = once(child, 'close').then(([status]) => ({ status, records: heard.records }));
  return { ended, said: heard.said, onStep: (visit) => void heard.visitors.push(visit) };
}

/** Starts a run on all its hosts. */
export const startOnHosts = (run: HostRun): Host[] =>
  Array.from({ length: run.hosts }, (_, i) => startOnHost(run, i + 1));

function listener() {
  const records: Told[] = [];
  const said: { line: string; at: number }[] = [];
  const visitors: ((step: number) => void)[] = [];
  const hear = (line: string): void => {
    if (line.startsWith('unetc_torch')) said.push({ line, at: performance.now() });
    if (!line.startsWith('{"')) return;
    const record: Told = JSON.parse(line);
    records.push(record);
    if (record.step !== undefined) for (const visit of visitors) visit(record.step);
  };
  /** For one stream: a line may come in pieces. */
  const lines = () => {
    let rest = '';
    return (text: string): void => {
      const whole = (rest + text).split('\n');
      rest = whole.pop() ?? '';
      whole.forEach(hear);
    };
  };
  return { records, said, visitors, lines };
}

/** Process ids of the ranks on a host. */
export function ranksOnHost(index: number): number[] {
  const pids = hosts('pids', index).split('\n').filter(Boolean).map(Number);
  const { stdout } = spawnSync('ps', ['-o', 'pid=,args=', '-p', pids.join(',')], { encoding: 'utf8' });
  const lines = stdout.split('\n').filter((line) => !line.includes('torch.distributed.run'));
  return lines.filter((line) => line.includes('torch/run.py')).map((line) => Number.parseInt(line, 10));
}
