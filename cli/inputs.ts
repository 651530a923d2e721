/** What commands are given: texts, decisions, sizes. Each reader gives a value or diagnostics. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { join, parse } from 'node:path';
import { bundlePaths } from '../ir/bundle.ts';
import { diagnose, failure, fault, type Result, success } from '../ir/diagnostics/diagnostic.ts';
import { axisWords, type Pins } from '../ir/schedule.ts';
import { nearestWord } from '../ir/suggest.ts';
import { readText } from '../ir/text/cursor.ts';
import { decisionWords, readSchedule } from '../ir/text/schedule.ts';
import { parseBytes } from '../ir/units.ts';
import { reasonOf } from '../runtime/files/reason.ts';

const wrongOption = (option: string, value: string, expected: string, near?: string): Result<never> =>
  failure(
    diagnose(fault('wrong-option', { option, value, expected }), {
      hint: near && `did you mean \`${near}\`?`,
    }),
  );

/** One value of each decision, as `--pin` takes it. */
const decisionExamples: Readonly<Record<string, string>> = {
  devices: '6',
  memory: '4294967296, in bytes, or rather --memory 4GiB',
  replicas: '2',
  micro_batches: '4',
  order: '1f1b',
  tiles: '2x3',
  stream: '2x2',
  slices: '0,16,32',
  rows: '0,104,256',
  columns: '0,128,256',
  halo: 'overlap, or "exchange 2 before unet.encode[2].conv[0]"',
  coarsen: '"2 x 2 from level 3"',
  stages: '2',
  buckets: '4',
  drop: 'unet.encode[0].relu[0]',
  lean: 'unet.down[0].max_pool[0]',
  strips: '"4 of columns from unet.decode[0].concat[0] to unet.decode[0].relu[1]"',
};

export function readSource(file: string): Result<string> {
  try {
    const text = readFileSync(file, 'utf8');
    return text.includes('\0')
      ? failure(diagnose(fault('file-unreadable', { file, reason: 'it is no text' })))
      : success(text);
  } catch (error) {
    const missing = !existsSync(file);
    const near = missing ? nearestFile(file) : undefined;
    return failure(
      diagnose(
        missing
          ? fault('file-missing', { file })
          : fault('file-unreadable', { file, reason: reasonOf(error) }),
        existsSync(join(file, bundlePaths.manifest))
          ? { hint: `it is a bundle: \`unetc inspect ${file}\` shows what is in it` }
          : { hint: near && `did you mean \`${near}\`?` },
      ),
    );
  }
}

/** The file of the same folder that was probably meant. */
function nearestFile(file: string): string | undefined {
  try {
    const { dir, base } = parse(file);
    const near = nearestWord(base, readdirSync(dir === '' ? '.' : dir));
    return near && join(dir, near);
  } catch {
    // No such folder: nothing is near.
    return undefined;
  }
}

/** `--set a=1 --set b=2` */
export function readSets(given: readonly string[]): Result<Record<string, string>> {
  const wrong = given.find((one) => !/^[^=]+=./.test(one));
  if (wrong !== undefined) return wrongOption('--set', wrong, 'NAME=EXPRESSION, such as side=512');
  return success(
    Object.fromEntries(given.map((one) => [one.slice(0, one.indexOf('=')), one.slice(one.indexOf('=') + 1)])),
  );
}

export type PinOptions = {
  readonly devices?: string;
  readonly memory?: string;
  readonly schedule?: string;
  readonly pin: readonly string[];
};

/** All decisions that are given: the schedule file first, then each `--pin`, then devices and memory. */
export function readPins({ devices, memory, schedule, pin }: PinOptions): Result<Pins> {
  let pins: Pins = {};
  if (schedule !== undefined) {
    const source = readSource(schedule);
    if (!source.ok) return source;
    const read = readText(source.value, schedule, readSchedule);
    if (!read.ok) return read;
    const { name: _, ...decisions } = read.value;
    pins = decisions;
  }
  const pinned = readPinned(pin);
  if (!pinned.ok) return pinned;
  pins = { ...withoutGrid(pins, pinned.value), ...pinned.value };
  const count = devices === undefined ? undefined : wholeNumber('--devices', devices);
  if (count?.ok === false) return count;
  const bytes = memory === undefined ? undefined : readMemory(memory);
  if (bytes?.ok === false) return bytes;
  return success({
    ...pins,
    ...(count === undefined ? {} : { devices: count.value }),
    ...(bytes === undefined ? {} : { memory: bytes.value }),
  });
}

/** All `--pin`s as one schedule, so that `rows` and `columns` come together. */
function readPinned(pin: readonly string[]): Result<Pins> {
  const lines: string[] = [];
  for (const one of pin) {
    const line = readPin(one);
    if (!line.ok) return line;
    lines.push(line.value);
  }
  const read = readText(['schedule pinned', ...lines].join('\n'), '--pin', readSchedule);
  if (!read.ok) return read;
  const { name: _, ...pins } = read.value;
  return success(pins);
}

/** `tiles=2x3`, `rows=0,104,256`: one line of a schedule. */
function readPin(given: string): Result<string> {
  const [key = '', ...rest] = given.split('=');
  if (!decisionWords.includes(key) || rest.length !== 1)
    return wrongOption(
      '--pin',
      given,
      `KEY=VALUE, KEY one of ${decisionWords.join(', ')}`,
      rest.length === 1 ? nearestWord(key, decisionWords) : undefined,
    );
  const value = rest.join('');
  // Cuts are numbers that follow one another in a schedule; other lists have commas there, too.
  const line = `${key} ${axisWords.some((word) => word === key) ? value.replaceAll(',', ' ') : value}`;
  const read = readText(`schedule pinned\n${line}`, `--pin ${given}`, readSchedule);
  if (read.ok) return success(line);
  const said = read.diagnostics.map(({ message }) => message).join('; ');
  const example = decisionExamples[key];
  return wrongOption(
    '--pin',
    given,
    `${example === undefined ? 'a decision of a schedule' : `something like ${key}=${example}`} (${said})`,
  );
}

/** A grid that is pinned leaves the cuts of a schedule open again, and the other way round. */
function withoutGrid(schedule: Pins, { tiles, cuts }: Pins): Pins {
  if (tiles === undefined && cuts === undefined) return schedule;
  const { tiles: _tiles, cuts: _cuts, ...others } = schedule;
  return others;
}

export function wholeNumber(option: string, given: string, least = 1): Result<number> {
  const value = Number(given);
  return Number.isSafeInteger(value) && value >= least
    ? success(value)
    : wrongOption(option, given, `a whole number from ${least}`);
}

export function readMemory(given: string): Result<number> {
  const bytes = parseBytes(given);
  return bytes === undefined || bytes < 1
    ? wrongOption('--memory', given, 'a size with its unit, such as 4GiB')
    : success(bytes);
}

/** What a device of this machine may use where nobody says: three quarters of its memory, shared out. */
export const memoryOfThisMachine = (devices: number): number => Math.floor((totalmem() * 0.75) / devices);

/** Compute threads for each of `devices` processes on this machine. */
export const threadsEach = (devices: number): number =>
  Math.max(1, Math.floor(availableParallelism() / devices));
