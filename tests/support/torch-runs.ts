/** Trainings by the PyTorch executor of a bundle, as processes under torchrun or alone. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { dataDirectory } from '../../runtime/tests/test-data.ts';
import type { Told } from '../../runtime/told.ts';
import { root, succeeding } from './command-line.ts';

/** A network without kinks, so that rounding stays rounding; a step takes some milliseconds. */
export function smoothNetwork(folder: string): string {
  const text = readFileSync(join(root, 'examples/coastline.unet'), 'utf8')
    .replaceAll('|> relu', '|> silu')
    .replace('max_pool', 'avg_pool')
    .replace('width(l) = 16', 'width(l) = 8')
    .replace('adam(cosine(3e-3))', 'sgd(cosine(0.05), momentum = 0.9)');
  const file = join(folder, 'smooth.unet');
  writeFileSync(file, text);
  return file;
}

/** Class 1 where the first channel is bright. */
export function brightData(): Promise<string> {
  const bright = (y: number, x: number, channel: number) => (channel === 0 ? (y * 9 + x * 5) % 256 : y % 256);
  const size = { height: 96, width: 128 };
  return dataDirectory(
    {
      'a.png': { ...size, paint: bright },
      'a-land.png': { ...size, channels: 1, paint: (y, x) => Number(bright(y, x, 0) > 127) },
    },
    { pairs: [{ image: 'a.png', label: 'a-land.png' }], augment: { flips: true, brightness: 0.1 } },
  );
}

/** Compiles into `bundle`. */
export async function compiled(network: string, pins: string, bundle: string): Promise<string> {
  await succeeding(`compile ${network} --set side=32 --set poolings=1 ${pins} --threads 1 -o ${bundle}`);
  return bundle;
}

export type TorchRun = {
  readonly process: ChildProcess;
  /** Calls `visit` with each record that it prints. */
  onRecord(visit: (record: Told) => void): void;
  readonly ended: Promise<TorchEnded>;
};

export type TorchEnded = {
  readonly status: number | null;
  readonly records: readonly Told[];
  readonly stderr: string;
};

export type TorchOptions = {
  readonly bundle: string;
  readonly ranks: number;
  /** What Python runs, if not the executor of the bundle. */
  readonly program?: readonly string[];
  /** Of the executor. */
  readonly args: readonly string[];
  /** Of torchrun. */
  readonly launcher?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
};

const recordOf = (line: string): Told[] => (line.startsWith('{') ? [JSON.parse(line)] : []);

/** Starts a training; one rank needs no launcher. */
export function startTorch(python: string, options: TorchOptions): TorchRun {
  const { bundle, ranks, args, launcher = [], environment = {} } = options;
  const { program = [join(bundle, 'torch/run.py')] } = options;
  const many = ['-m', 'torch.distributed.run', '--standalone', `--nproc-per-node=${ranks}`, ...launcher];
  const command = [...(ranks > 1 ? many : []), ...program, ...args];
  const env = { ...process.env, OMP_NUM_THREADS: '1', ...environment };
  const child = spawn(python, command, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, stderr] = ['', ''];
  const visitors: ((record: Told) => void)[] = [];
  child.stdout.on('data', (data) => {
    const before = out.lastIndexOf('\n') + 1;
    out += data;
    const lines = out.slice(before, out.lastIndexOf('\n') + 1).split('\n');
    for (const record of lines.flatMap(recordOf)) for (const visit of visitors) visit(record);
  });
  child.stderr.on('data', (data) => {
    stderr += data;
  });
  const ended = once(child, 'close').then(
    ([status]): TorchEnded => ({ status, stderr, records: out.split('\n').flatMap(recordOf) }),
  );
  return { process: child, ended, onRecord: (visit) => void visitors.push(visit) };
}

export const runTorch = (python: string, options: TorchOptions): Promise<TorchEnded> =>
  startTorch(python, options).ended;

/** Losses by step; throws where the run ended badly. */
export function lossesOf({ status, records, stderr }: TorchEnded): number[] {
  if (status !== 0) throw new Error(`ended with ${status}:\n${stderr}`);
  return records.flatMap(({ loss }) => (loss === undefined ? [] : [loss ?? Number.NaN]));
}

/** Process ids of the ranks of a run under torchrun. */
export function ranksOf({ process: parent }: TorchRun): number[] {
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,args='], { encoding: 'utf8' }).split('\n');
  return lines.flatMap((line) => {
    const [pid, ppid, ...args] = line.trim().split(/\s+/);
    return Number(ppid) === parent.pid && args.join(' ').includes('torch/run.py') ? [Number(pid)] : [];
  });
}

/** Where ranks meet, if no launcher says so. */
export type Meeting = { readonly address: string; readonly port: number };

/** A port that nobody listens at. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  await new Promise((closed) => server.close(closed));
  if (address === null || typeof address === 'string') throw new Error('a server without a port');
  return address.port;
}

/** Starts the ranks of a run one by one, as a launcher does that starts none of them again. */
export const startRanks = (python: string, options: TorchOptions, { address, port }: Meeting): TorchRun[] =>
  Array.from({ length: options.ranks }, (_, rank) => {
    const places = { RANK: `${rank}`, LOCAL_RANK: `${rank}`, WORLD_SIZE: `${options.ranks}` };
    const environment = { ...places, MASTER_ADDR: address, MASTER_PORT: `${port}`, ...options.environment };
    return startTorch(python, { ...options, ranks: 1, environment });
  });
