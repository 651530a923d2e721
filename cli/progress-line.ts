/** Progress for people: one line that renews itself on a terminal, one every few seconds elsewhere. */
import type { Progress } from '../runtime/progress.ts';
import { isTerminal } from './terminal.ts';

/** Seconds between two lines where there is no terminal. */
const pause = 10;

export type ProgressLine = {
  show(progress: Progress, words: string): void;
  /** Clears the line, so that something else may be printed. */
  clear(): void;
};

const clock = (seconds: number): string => {
  const whole = Math.ceil(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
};

const bar = (share: number): string => '#'.repeat(Math.round(share * 20)).padEnd(20, '.');

export function lineOf({ done, total, secondsEach, secondsLeft }: Progress, words: string): string {
  const rate =
    secondsEach >= 1 ? `${secondsEach.toFixed(2)} s each` : `${(1 / (secondsEach || 1)).toFixed(1)}/s`;
  return `[${bar(done / total)}] ${done}/${total}  ${words}  ${rate}, ${clock(secondsLeft)} left`;
}

export function createProgressLine(stream: NodeJS.WriteStream = process.stderr): ProgressLine {
  let last = Number.NEGATIVE_INFINITY;
  const terminal = isTerminal(stream);
  return {
    show(progress, words) {
      const now = performance.now() / 1000;
      const due = progress.done === progress.total || now - last >= pause;
      const line = lineOf(progress, words);
      if (terminal) stream.write(`\r\x1b[2K${line.slice(0, (stream.columns ?? 80) - 1)}`);
      else if (due) stream.write(`${line}\n`);
      if (due) last = now;
    },
    clear() {
      if (terminal) stream.write('\r\x1b[2K');
    },
  };
}
