/** The command line as a user runs it: a process of its own, its words and its exit code. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Readable } from 'node:stream';

export const root = join(import.meta.dirname, '../..');

/**
 * How Node.js runs the command line: as it was built if the tests were started by `npm test`, which has just done so (it
 * begins in half the time), and from its sources if a test file is run by itself.
 */
export const program: readonly string[] = process.env.UNETC_BUILT
  ? [join(root, 'dist/cli/unetc.js')]
  : ['--import', import.meta.resolve('tsx'), join(root, 'cli/unetc.ts')];

export type Ended = {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
};

export type Running = {
  readonly process: ChildProcess;
  /** Resolves with the line of stdout that `wanted` accepts first; rejects if the process ends before it. */
  line(wanted: (line: string) => boolean): Promise<string>;
  /** The same for stderr. */
  remark(wanted: (line: string) => boolean): Promise<string>;
  readonly ended: Promise<Ended>;
};

export type Surroundings = {
  readonly environment?: Readonly<Record<string, string>>;
  /** Largest file that it may write, in KiB: as if the disk were full from there on. */
  readonly largestFile?: number;
  /** A file that its stdout goes to; `Ended` and `line` have nothing then. */
  readonly stdout?: string;
};

/** Starts `unetc` with the arguments in `words`, separated by blanks. */
export function start(
  words: string,
  { environment, largestFile, stdout: target }: Surroundings = {},
): Running {
  const limit = largestFile === undefined ? [] : [`ulimit -f ${largestFile}`];
  const command = [...limit, `exec "$0" "$@"${target === undefined ? '' : ` > ${target}`}`].join('; ');
  const args = [...program, ...words.split(' ')];
  const env = { ...process.env, NO_COLOR: '1', ...environment };
  const child = spawn('bash', ['-c', command, process.execPath, ...args], {
    cwd: root,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data) => {
    stdout += data;
  });
  child.stderr.on('data', (data) => {
    stderr += data;
  });
  const ended = once(child, 'close').then(([status, signal]): Ended => ({ status, signal, stdout, stderr }));
  const firstLine = (stream: Readable, text: () => string, wanted: (line: string) => boolean) =>
    new Promise<string>((resolve, reject) => {
      const look = () => {
        const found = text().split('\n').slice(0, -1).find(wanted);
        if (found !== undefined) resolve(found);
      };
      stream.on('data', look);
      look();
      void ended.then(({ stderr: said }) => reject(new Error(`unetc ${words} ended: ${said}`)));
    });
  return {
    process: child,
    ended,
    line: (wanted) => firstLine(child.stdout, () => stdout, wanted),
    remark: (wanted) => firstLine(child.stderr, () => stderr, wanted),
  };
}

/** Runs `unetc` to its end. */
export const unetc = (words: string, surroundings?: Surroundings): Promise<Ended> =>
  start(words, surroundings).ended;

/** Runs it and expects that all goes well; gives what it wrote to stdout. */
export async function succeeding(words: string): Promise<string> {
  const { status, stdout, stderr } = await unetc(words);
  if (status !== 0) throw new Error(`unetc ${words} ended with ${status}:\n${stderr}`);
  return stdout;
}

/** Process ids of the devices that a running command has started. */
export function devicesOf(running: Running): number[] {
  const parent = running.process.pid;
  const processes = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,args='], { encoding: 'utf8' });
  return processes.split('\n').flatMap((line) => {
    const [pid, ppid, ...args] = line.trim().split(/\s+/);
    return Number(ppid) === parent && /device\.[tj]s( |$)/.test(args.join(' ')) ? [Number(pid)] : [];
  });
}
