/** Machines by name or file. Built-in ones are the files of `machines/`, beside the program. */
import { existsSync, readdirSync } from 'node:fs';
import { join, parse } from 'node:path';
import { diagnose, failure, fault, type Result, success } from '../ir/diagnostics/diagnostic.ts';
import type { Machine } from '../ir/machine.ts';
import { nearestWord } from '../ir/suggest.ts';
import { readMachine as readMachineText } from '../ir/text/machine.ts';
import { readSource } from './inputs.ts';
import { shipped } from './shipped.ts';

const extension = '.machine';

const machinesFolder = (): string => shipped('machines');

/** Names of the machines that come with the program. */
export const builtinMachines = (): readonly string[] =>
  readdirSync(machinesFolder())
    .filter((file) => file.endsWith(extension))
    .map((file) => parse(file).name)
    .sort();

/** A path, or the name of a machine that comes with the program. */
const isPath = (nameOrFile: string): boolean => nameOrFile.endsWith(extension) || /[/\\]/.test(nameOrFile);

/** What people call the machine that they sit at. */
const thisMachine = ['localhost', 'this', 'here', 'cpu', 'default'];

/** The file of a machine: what `--machine` was given, or the built-in of that name. */
export function machineFile(nameOrFile: string): Result<string> {
  if (isPath(nameOrFile) || existsSync(nameOrFile)) return success(nameOrFile);
  const known = builtinMachines();
  if (known.includes(nameOrFile)) return success(join(machinesFolder(), `${nameOrFile}${extension}`));
  const near = nearestWord(nameOrFile, known);
  const hint = thisMachine.includes(nameOrFile.toLowerCase())
    ? 'write `--machine local`, or `--machine mine.machine` after `unetc calibrate -o mine.machine`, which measures this one'
    : near && `did you mean \`${near}\`?`;
  return failure(diagnose(fault('unknown-machine', { name: nameOrFile, known: known.join(', ') }), { hint }));
}

/** Reads the machine that `--machine` names. Errors: `unknown-machine`, `file-*`, those of the text. */
export function readMachine(nameOrFile: string): Result<Machine> {
  const file = machineFile(nameOrFile);
  if (!file.ok) return file;
  const source = readSource(file.value);
  return source.ok ? readMachineText(source.value, file.value) : source;
}

/** The text of a machine that was given as a file, for diagnostics that point into it. */
export function machineText(nameOrFile: string | undefined): [string, string][] {
  const file = nameOrFile === undefined ? undefined : machineFile(nameOrFile);
  const text = file?.ok ? readSource(file.value) : undefined;
  return file?.ok && text?.ok ? [[file.value, text.value]] : [];
}
