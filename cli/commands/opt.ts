import type { Command } from 'commander';
import { runPasses } from '../../compiler/pass-manager.ts';
import { diagnose, fault } from '../../ir/diagnostics/diagnostic.ts';
import { readText } from '../../ir/text/cursor.ts';
import { printModule, readModule } from '../../ir/text/module.ts';
import { verifyModule } from '../../ir/verify/module.ts';
import { passes, passNamed } from '../../passes/table.ts';
import { collect, complain, type ExitCode, guarded, print } from '../command.ts';
import { readSource } from '../inputs.ts';

type Options = { readonly pass: readonly string[] };

export function registerOpt(program: Command): void {
  program
    .command('opt')
    .summary('run single passes, text to text')
    .description(
      `Reads a module, runs the passes given, and prints the module. Without a pass it is verified and printed.\n\nPasses:\n${passes.map(({ name, from, to, doc }) => `  ${name.padEnd(10)} ${from} -> ${to}: ${doc}`).join('\n')}`,
    )
    .argument('<file>', 'a module as text (.ir)')
    .option('--pass <name>', 'a pass to run; repeatable', collect, [])
    .action(guarded(runOpt));
}

async function runOpt(file: string, { pass: names }: Options): Promise<ExitCode> {
  const source = readSource(file);
  if (!source.ok) return complain(source.diagnostics);
  const sources = new Map([[file, source.value]]);
  const unknown = names.filter((name) => passNamed(name) === undefined);
  if (unknown.length > 0)
    return complain(
      unknown.map((value) =>
        diagnose(
          fault('wrong-option', {
            option: '--pass',
            value,
            expected: passes.map(({ name }) => name).join(', '),
          }),
        ),
      ),
      sources,
      2,
    );
  const module = readText(source.value, file, readModule);
  if (!module.ok) return complain(module.diagnostics, sources);
  const faults = verifyModule(module.value);
  if (faults.length > 0) return complain(faults, sources);
  const chosen = names.flatMap((name) => passNamed(name) ?? []);
  const mismatch = stageFault(module.value.stage, chosen);
  if (mismatch !== undefined) return complain([mismatch], sources, 2);
  const result = runPasses(chosen, module.value);
  if (!result.ok) return complain(result.diagnostics, sources);
  print(printModule(result.value).trimEnd());
  return 0;
}

const suitable = (stage: string): string => {
  const names = passes.filter(({ from }) => from === stage).map(({ name }) => `\`${name}\``);
  return names.length === 0 ? '; none does' : `: ${names.join(', ')}`;
};

/** A pass that does not work on the stage it would be given. */
function stageFault(stage: string, chosen: readonly { name: string; from: string; to: string }[]) {
  let current = stage;
  for (const { name, from, to } of chosen) {
    if (from !== current)
      return diagnose(
        fault('wrong-option', {
          option: '--pass',
          value: name,
          expected: `a pass that works on a ${current} module${suitable(current)}`,
        }),
      );
    current = to;
  }
  return undefined;
}
