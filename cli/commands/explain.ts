import type { Command } from 'commander';
import { nearest } from '../../compiler/front/suggest.ts';
import { type Code, codes, table as diagnostics } from '../../ir/diagnostics/table.ts';
import { type ExitCode, guarded, note, print } from '../command.ts';
import { table } from '../table.ts';
import { widePageOf } from '../terminal.ts';

export function registerExplain(program: Command): void {
  program
    .command('explain')
    .summary('say what a diagnostic means, with an example')
    .description('Says what a diagnostic means, with an example; without a code, lists all of them.')
    .argument('[code]', 'what stands in brackets after `error`, such as sizes-differ')
    .action(guarded(runExplain));
}

const isCode = (word: string): word is Code => codes.some((code) => code === word);

async function runExplain(code: string | undefined): Promise<ExitCode> {
  if (code === undefined)
    print(
      table(
        [{ title: 'code' }, { title: 'says' }],
        codes.map((known) => [known, diagnostics[known].message]),
        widePageOf(process.stdout),
      ),
    );
  else if (isCode(code)) print(explanation(code));
  else if (isCode(code.toLowerCase())) return runExplain(code.toLowerCase());
  else return unknownCode(code);
  return 0;
}

/** The words of the table for one code. `{name}` stands for what the diagnostic fills in. */
export function explanation(code: Code): string {
  const { message, hint, explain, example, severity = 'error' } = diagnostics[code];
  const indented = example.split('\n').map((line) => `    ${line}`);
  const lines = [`${severity}[${code}]: ${message}`, '', explain, '', 'For example:', '', ...indented];
  return (hint === undefined ? lines : [...lines, '', `Hint: ${hint}`]).join('\n');
}

function unknownCode(code: string): ExitCode {
  const near = nearest(code, codes);
  note(`There is no diagnostic \`${code}\`${near === undefined ? '' : `; did you mean \`${near}\`?`}`);
  note('`unetc explain` lists all of them.');
  return 2;
}
