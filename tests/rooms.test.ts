/** The house: who may import whom, and who may touch the world outside. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** What the files of a room may import of ours, beside their own room. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  ir: [],
  passes: ['ir'],
  backends: ['ir'],
  runtime: ['ir'],
  compiler: ['ir', 'passes', 'backends'],
  cli: ['ir', 'passes', 'backends', 'compiler', 'runtime'],
};

type Source = { readonly room: string; readonly path: string; readonly text: string };

const sources: Source[] = Object.keys(mayImport).flatMap((room) =>
  readdirSync(join(root, room), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && !file.includes('testing'))
    .map((file) => ({ room, path: join(room, file), text: readFileSync(join(root, room, file), 'utf8') })),
);

const importsOf = ({ text }: Source): string[] =>
  [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1] ?? '');

const roomOf = (from: string, target: string): string =>
  relative(root, join(root, dirname(from), target)).split('/')[0] ?? '';

test('there is something to look at', () => {
  assert.ok(sources.length > 50);
});

test('rooms import only what the house allows', () => {
  const uphill = sources.flatMap((source) =>
    importsOf(source)
      .filter((target) => target.startsWith('.'))
      .map((target) => ({ from: source.path, to: roomOf(source.path, target) }))
      .filter(({ to }) => to !== source.room && !mayImport[source.room]?.includes(to)),
  );
  assert.equal(uphill, []);
});

test('nothing below cli prints', () => {
  const printing = sources.filter(
    ({ room, text }) => room !== 'cli' && /\bconsole\.|process\.std(out|err)/.test(text),
  );
  assert.equal(
    printing.map(({ path }) => path),
    [],
  );
});

test('nothing below runtime and cli touches files, clock, environment, processes or randomness', () => {
  const outside =
    /from 'node:(fs|child_process|net|os|http)|Date\.now|new Date\(|performance\.now|Math\.random|process\.env/;
  const touching = sources.filter(
    ({ room, text }) => !['cli', 'runtime'].includes(room) && outside.test(text),
  );
  assert.equal(
    touching.map(({ path }) => path),
    [],
  );
});

test('no default exports', () => {
  assert.equal(
    sources.filter(({ text }) => /^export default/m.test(text)).map(({ path }) => path),
    [],
  );
});

test.run();
