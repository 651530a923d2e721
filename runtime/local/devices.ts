/**
 * The parent's side of a run: starts the device processes, gives them work, and ends them all as soon as one
 * of them fails. Whatever happens, nothing is left running and nothing waits for ever.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { at } from '../../ir/box.ts';
import {
  type Diagnostic,
  diagnose,
  type Fault,
  failure,
  fault,
  type Result,
  success,
} from '../../ir/diagnostics/diagnostic.ts';
import type { Plan } from '../../ir/plan.ts';
import { type Board, openBoard } from './board.ts';
import { deviceArguments, deviceEnvironment } from './device-environment.ts';
import { DeviceFault } from './fault.ts';
import type { FeedSpec } from './feeds.ts';
import { boardPath, makePrivateFolder } from './folder.ts';
import type { Job } from './interpreter.ts';
import { awaitPeer, startSeconds } from './patience.ts';
import { piecesOf, putPiece, takePiece } from './pieces.ts';
import { placeText } from './place-text.ts';
import { isStopped } from './process-state.ts';
import type { Done, Hold, Order, Report, StateValues } from './protocol.ts';

export type DevicesOptions = {
  readonly plan: Plan;
  /** The ONNX file of each segment. */
  readonly segments: Readonly<Record<string, string>>;
  /** Threads of each device. */
  readonly threads: number;
  readonly feed: FeedSpec;
  /** Given states; weights that are not given are drawn, other slots begin at 0. */
  readonly states?: readonly StateValues[];
  /** Seconds that a device may stand still while another waits for it. */
  readonly timeoutSeconds?: number;
  readonly hold?: Hold;
};

/** The device processes of one run. After the first failure every call gives that failure. */
export type Devices = {
  readonly size: number;
  /** Process ids by rank. */
  readonly processes: readonly number[];
  work(rank: number, job: Job): Promise<Result<Done>>;
  states(rank: number): Promise<Result<readonly StateValues[]>>;
  /** What a device is at, for people. */
  whereIs(rank: number): string;
  close(): Promise<void>;
};

const defaultTimeoutSeconds = 300;

/** Seconds in which the end of a device may still explain why another one lost it. */
const graceSeconds = 1.5;

/**
 * Starts `plan.schedule.devices` devices, connected and with their weights in place. Errors: `write-failed` (no
 * room for the folder of the run), `device-*`.
 */
export async function startDevices(options: DevicesOptions): Promise<Result<Devices>> {
  const { plan, timeoutSeconds = defaultTimeoutSeconds } = options;
  const size = plan.schedule.devices;
  const made = await makePrivateFolder();
  if (!made.ok) return made;
  const folder = made.value.path;
  const board = openBoard(boardPath(folder), 0);
  const crew = new Crew({ plan, folder, board, seconds: timeoutSeconds });
  const close = async () => {
    await crew.end();
    board.close();
    made.value.remove();
  };
  const ranks = Array.from({ length: size }, (_, rank) => rank);
  const begun = await Promise.all(ranks.map((rank) => begin(crew, rank, { ...options, folder })));
  const refused =
    begun.find((answer) => !answer.ok) ??
    (await Promise.all(ranks.map((rank) => crew.ask(rank, { kind: 'connect' })))).find(({ ok }) => !ok);
  if (refused?.ok === false) {
    await close();
    return refused;
  }
  return success({
    size,
    processes: crew.processes,
    async work(rank, job) {
      const answer = await crew.ask(rank, { kind: 'work', job });
      return answer.ok ? success(expect(answer.value, 'done').done) : answer;
    },
    states: (rank) => fetchStates(crew, rank),
    whereIs: (rank) => crew.whereIs(rank),
    close,
  });
}

/** Starts a device and gives it its states. */
async function begin(
  crew: Crew,
  rank: number,
  { folder, ...options }: DevicesOptions & { readonly folder: string },
): Promise<Result<unknown>> {
  const { plan, segments, threads, feed, states = [], hold } = options;
  const { timeoutSeconds = defaultTimeoutSeconds } = options;
  const given = states.map(({ values, ...state }) => ({ ...state, length: values.length }));
  const started = await crew.ask(rank, {
    ...{ kind: 'start', rank, size: plan.schedule.devices, plan, folder, segments, threads, feed, given },
    timeoutSeconds,
    ...(hold === undefined ? {} : { hold }),
  });
  if (!started.ok) return started;
  const arrays = states.map(({ values }) => values);
  for (const piece of piecesOf(arrays)) {
    const taken = await crew.ask(rank, { kind: 'give', piece, values: takePiece(arrays, piece) });
    if (!taken.ok) return taken;
  }
  return started;
}

/** All states that a device has, as they are now. */
async function fetchStates(crew: Crew, rank: number): Promise<Result<StateValues[]>> {
  const held = await crew.ask(rank, { kind: 'holdings' });
  if (!held.ok) return held;
  const states = expect(held.value, 'holdings').states.map(({ length, ...state }) => ({
    ...state,
    values: new Float32Array(length),
  }));
  const arrays = states.map(({ values }) => values);
  for (const piece of piecesOf(arrays)) {
    const answer = await crew.ask(rank, { kind: 'states', piece });
    if (!answer.ok) return answer;
    putPiece(arrays, piece, expect(answer.value, 'states').values);
  }
  return success(states);
}

function expect<K extends Report['kind']>(report: Report, kind: K): Extract<Report, { kind: K }> {
  if (isKind(report, kind)) return report;
  throw new Error(`a device answered ${report.kind}, not ${kind}`);
}

const isKind = <K extends Report['kind']>(report: Report, kind: K): report is Extract<Report, { kind: K }> =>
  report.kind === kind;

type Member = {
  readonly process: ChildProcess;
  /** Takes the answer to the order that is being carried out. */
  answer: ((report: Report) => void) | undefined;
  /** The end of what it wrote to stderr: native libraries say there why they abort. */
  lastWords: string;
  ended: boolean;
};

type RunOfDevices = {
  readonly plan: Plan;
  readonly folder: string;
  readonly board: Board;
  /** That a device may stand still. */
  readonly seconds: number;
};

/** The processes, and the first thing that went wrong with any of them. */
class Crew {
  private readonly run: RunOfDevices;
  private readonly members: readonly Member[];
  private readonly failed: Promise<Diagnostic>;
  private fail: (diagnostic: Diagnostic) => void = () => undefined;
  private closing = false;
  private readonly timers: NodeJS.Timeout[] = [];

  constructor(run: RunOfDevices) {
    this.run = run;
    this.failed = new Promise((resolve) => {
      this.fail = (diagnostic) => {
        resolve(diagnostic);
        this.kill();
      };
    });
    const size = run.plan.schedule.devices;
    this.members = Array.from({ length: size }, (_, rank) => this.hire(rank));
  }

  get processes(): number[] {
    return this.members.map(({ process }) => process.pid ?? 0);
  }

  whereIs(rank: number): string {
    return placeText(this.run.plan, this.run.board.read(rank));
  }

  /** Sends an order and waits for its report, or for the failure of any device. */
  async ask(rank: number, order: Order): Promise<Result<Report>> {
    const member = at(this.members, rank);
    const answer = new Promise<Report>((resolve) => {
      member.answer = resolve;
    });
    if (!member.ended) member.process.send(order, () => undefined);
    // A device may rightly wait for others, so only when none of them moves has it stopped.
    const allowed = order.kind === 'start' || order.kind === 'connect' ? startSeconds : 0;
    const patience = {
      seconds: Math.max(allowed, 2 * this.run.seconds),
      progressOf: () => this.members.reduce((sum, _, one) => sum + this.run.board.read(one).count, 0),
      whereIs: (one: number) => this.whereIs(one),
    };
    const ends = [answer.then(success), this.failed.then((diagnostic) => failure(diagnostic))];
    try {
      return await awaitPeer(Promise.race(ends), rank, `the end of \`${order.kind}\``, patience);
    } catch (reason) {
      if (!(reason instanceof DeviceFault)) throw reason;
      this.fail(diagnose(this.blame(reason.fault)));
      return failure(await this.failed);
    }
  }

  /** Lets all devices go; returns when none is left. */
  async end(): Promise<void> {
    this.closing = true;
    for (const timer of this.timers) clearTimeout(timer);
    this.kill();
    await Promise.all(this.members.map(({ process, ended }) => ended || once(process, 'exit')));
  }

  private kill(): void {
    for (const { process, ended } of this.members) if (!ended) process.kill('SIGKILL');
  }

  /**
   * Starts one device. It has a session of its own, so that a Ctrl-C in the terminal reaches only the parent,
   * which then ends the run in order.
   */
  private hire(rank: number): Member {
    const child = fork(devicePath(), [this.run.folder], {
      serialization: 'advanced',
      detached: true,
      execArgv: deviceArguments(),
      env: deviceEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    const member: Member = { process: child, answer: undefined, lastWords: '', ended: false };
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => {
        member.lastWords = `${member.lastWords}${chunk}`.slice(-2000);
      });
    child.on('message', (report: Report) => this.hear(rank, member, report));
    child.on('error', (error) => this.mourn(rank, member, error.message));
    child.on('exit', (code, signal) => this.mourn(rank, member, signal ?? `exit code ${code}`));
    return member;
  }

  private hear(rank: number, member: Member, report: Report): void {
    if (report.kind !== 'failed') {
      member.answer?.(report);
      return;
    }
    if (report.peer !== undefined) {
      const seconds = report.fault.code === 'device-lost' ? graceSeconds : 0;
      this.failIn(seconds, diagnose(this.blame(report.fault)));
      return;
    }
    const place = { rank, instruction: this.whereIs(rank) };
    this.fail(diagnose({ ...report.fault, args: { ...report.fault.args, ...place } }));
  }

  /** Whoever waited knows only for whom; if another device was stopped, that one waited for it in turn. */
  private blame(silence: Fault): Fault {
    if (silence.code !== 'device-silent') return silence;
    const peer = this.processes.findIndex(isStopped);
    if (peer < 0) return silence;
    return fault('device-stopped', { peer, instruction: this.whereIs(peer), seconds: this.run.seconds });
  }

  /** A device that reported why it ends has said it better than its exit code does. */
  private mourn(rank: number, member: Member, how: string): void {
    member.ended = true;
    if (this.closing) return;
    const reason = [how, lastLine(member.lastWords)].filter((words) => words !== '').join(': ');
    const died = diagnose(fault('device-died', { rank, reason, instruction: this.whereIs(rank) }));
    this.failIn(how === 'exit code 1' ? 2 * graceSeconds : 0, died);
  }

  private failIn(seconds: number, diagnostic: Diagnostic): void {
    this.timers.push(setTimeout(() => this.fail(diagnostic), seconds * 1000));
  }
}

const lastLine = (words: string): string => words.trim().split('\n').at(-1) ?? '';

/** The device's program beside this file: TypeScript in development, JavaScript when built. */
const devicePath = (): string =>
  fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './device.ts' : './device.js', import.meta.url));
