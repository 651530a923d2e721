/** What every command shares: exit codes, how results and diagnostics leave, and the guard around actions. */
import { type Diagnostic, diagnose, type Fault, fault } from '../ir/diagnostics/diagnostic.ts';
import { table } from '../ir/diagnostics/table.ts';
import { systemReason } from '../runtime/files/reason.ts';
import { renderDiagnostics } from './render-diagnostic.ts';

/** 0 done; 1 the input is wrong; 2 wrong usage; 3 the run failed; 70 a bug of ours. */
export type ExitCode = 0 | 1 | 2 | 3 | 70;

/** Results go to stdout, everything else to stderr. */
export const print = (text: string): void => void process.stdout.write(`${text}\n`);

export const note = (text: string): void => void process.stderr.write(`${text}\n`);

export const printJson = (data: unknown): void => print(JSON.stringify(data, null, 2));

/**
 * Shows diagnostics and gives the exit code that they mean: the one their entries say, else `code`.
 * `sources`: text of each file they point into.
 */
export function complain(
  diagnostics: readonly Diagnostic[],
  sources: ReadonlyMap<string, string> = new Map(),
  code: ExitCode = 1,
): ExitCode {
  if (diagnostics.length === 0) return 0;
  note(renderDiagnostics(diagnostics, sources));
  const errors = diagnostics.filter(({ severity }) => severity === 'error');
  if (errors.length === 0) return 0;
  const said = errors.map(({ code: what }) => table[what].exit ?? code);
  return said.reduce<ExitCode>((most, one) => (one > most ? one : most), 1);
}

/** What the system refused where nobody expected it, such as a temporary folder on a full disk. */
function systemFault(error: unknown): Fault | undefined {
  const reason = systemReason(error);
  if (reason === undefined) return undefined;
  const { syscall: call = 'a call', path = '' } = error as NodeJS.ErrnoException;
  return fault('system-refused', { call, path, reason });
}

/** Runs an action and sets the exit code. What else an action throws is our own bug, and says so. */
export const guarded =
  <A extends readonly unknown[]>(action: (...args: A) => Promise<ExitCode>) =>
  async (...args: A): Promise<void> => {
    try {
      process.exitCode = await action(...args);
    } catch (error) {
      const refused = systemFault(error);
      if (refused !== undefined) {
        process.exitCode = complain([diagnose(refused)]);
        return;
      }
      note(`This is a bug in unetc, not a mistake of yours. Please report it with these lines:\n`);
      note(`unetc ${process.argv.slice(2).join(' ')}  (Node ${process.version}, ${process.platform})`);
      note(error instanceof Error ? (error.stack ?? error.message) : String(error));
      process.exitCode = 70;
    }
  };

/** An option that may be given several times: `--set a=1 --set b=2`. */
export const collect = (value: string, before: readonly string[]): string[] => [...before, value];
