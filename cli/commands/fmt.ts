import type { Command } from 'commander';
import { formatModel } from '../../compiler/front/format-model.ts';
import { writeSafely } from '../../runtime/files/write-safely.ts';
import { complain, type ExitCode, guarded, note } from '../command.ts';
import { readSource } from '../inputs.ts';

type Options = { readonly check?: true };

export function registerFmt(program: Command): void {
  program
    .command('fmt')
    .summary('format models in place')
    .description(
      'Formats models in place: spaces, indentation, alignment. Line breaks and comments stay as they are. With --check nothing is written, and the exit code is 1 if a file is not formatted.',
    )
    .argument('<files...>', 'models, such as examples/*.unet')
    .option('--check', 'only say which files would change')
    .action(guarded(runFmt));
}

async function runFmt(files: readonly string[], { check }: Options): Promise<ExitCode> {
  const codes = files.map((file) => formatFile(file, check === true));
  return codes.reduce((most, code) => (code > most ? code : most), 0);
}

function formatFile(file: string, checkOnly: boolean): ExitCode {
  const source = readSource(file);
  if (!source.ok) return complain(source.diagnostics);
  const formatted = formatModel(source.value, file);
  if (!formatted.ok) return complain(formatted.diagnostics, new Map([[file, source.value]]));
  if (formatted.value === source.value) return 0;
  if (checkOnly) {
    note(`${file}: is not formatted`);
    return 1;
  }
  const written = writeSafely(file, [Buffer.from(formatted.value)]);
  if (!written.ok) return complain(written.diagnostics, new Map(), 3);
  note(`${file}: formatted`);
  return 0;
}
