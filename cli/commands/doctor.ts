import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { availableParallelism, cpus, totalmem } from 'node:os';
import type { Command } from 'commander';
import { showBytes } from '../../ir/units.ts';
import { type ExitCode, guarded, print, printJson } from '../command.ts';
import { table } from '../table.ts';
import { widePageOf } from '../terminal.ts';
import { version } from '../version.ts';

type Finding = {
  readonly name: string;
  readonly ok: boolean;
  readonly found: string;
  /** How to get it, where it is missing. */
  readonly remedy?: string;
  /** Nothing else works without it. */
  readonly needed: boolean;
};

export function registerDoctor(program: Command): void {
  program
    .command('doctor')
    .summary('what works on this machine')
    .description('Shows what works on this machine, and how to get the rest.')
    .option('--json', 'print the findings as JSON')
    .action(guarded(runDoctor));
}

async function runDoctor(options: { readonly json?: true }): Promise<ExitCode> {
  const findings = [node(), machine(), await onnxRuntime(), sharp(), ...optional.map(tool)];
  if (options.json) printJson({ version: version(), findings });
  else {
    const rows = findings.map(({ name, ok, found, remedy = '' }) => [
      ok ? 'ok' : '--',
      name,
      found,
      ok ? '' : remedy,
    ]);
    const columns = [{ title: '' }, { title: 'what' }, { title: 'found' }, { title: 'how to get it' }];
    print(table(columns, rows, widePageOf(process.stdout)));
  }
  return findings.every(({ ok, needed }) => ok || !needed) ? 0 : 3;
}

function node(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const ok = major > 20 || (major === 20 && minor >= 19);
  return { name: 'Node.js', ok, found: process.version, remedy: 'install Node 20.19 or later', needed: true };
}

const machine = (): Finding => ({
  name: 'this machine',
  ok: true,
  found: `${availableParallelism()} cores (${cpus()[0]?.model ?? 'unknown'}), ${showBytes(totalmem())}`,
  needed: true,
});

/** Not the version alone: the native library must load and compute. */
async function onnxRuntime(): Promise<Finding> {
  const name = 'ONNX Runtime';
  const remedy = 'npm ci --ignore-scripts (the CPU library is inside the package)';
  try {
    // Else it would report to its makers, over the network.
    process.env.ORT_DISABLE_TELEMETRY ??= '1';
    const runtime = await import('onnxruntime-node');
    const backends = runtime.listSupportedBackends().map((backend) => backend.name);
    const versions = runtime.env.versions.node ?? 'unknown version';
    return {
      name,
      ok: backends.includes('cpu'),
      found: `${versions}, computing on the CPU`,
      remedy,
      needed: true,
    };
  } catch (error) {
    const found = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    return { name, ok: false, found, remedy, needed: true };
  }
}

function sharp(): Finding {
  const name = 'sharp (pictures)';
  const remedy = 'npm ci --ignore-scripts';
  try {
    const { versions } = createRequire(import.meta.url)('sharp') as { versions: Record<string, string> };
    return {
      name,
      ok: true,
      found: `${versions.sharp ?? ''}, libvips ${versions.vips ?? ''}`,
      remedy,
      needed: true,
    };
  } catch (error) {
    const found = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    return { name, ok: false, found, remedy, needed: true };
  }
}

type Tool = {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly remedy: string;
};

/** For clusters; nothing on this machine needs them. */
const optional: readonly Tool[] = [
  {
    name: 'GPU (NVIDIA)',
    command: 'nvidia-smi',
    args: ['--query-gpu=name,memory.total', '--format=csv,noheader'],
    remedy: 'not needed here: this machine computes on its cores',
  },
  {
    name: 'Python',
    command: 'python3',
    args: ['--version'],
    remedy: 'install Python 3.9 or later, for clusters',
  },
  {
    name: 'PyTorch',
    command: 'python3',
    args: ['-c', 'import torch; print(torch.__version__)'],
    remedy: 'pip install torch numpy, for clusters',
  },
  { name: 'torchrun', command: 'torchrun', args: ['--help'], remedy: 'comes with PyTorch' },
  { name: 'Slurm', command: 'srun', args: ['--version'], remedy: 'on the login node of a Slurm cluster' },
  { name: 'LSF', command: 'jsrun', args: ['--version'], remedy: 'on the login node of an LSF machine' },
];

function tool({ name, command, args, remedy }: Tool): Finding {
  const { status, stdout } = spawnSync(command, [...args], { encoding: 'utf8', timeout: 20_000 });
  const ok = status === 0;
  const found = ok ? (stdout.trim().split('\n')[0] ?? '').slice(0, 60) : 'not found';
  return { name, ok, found, remedy, needed: false };
}
