/** The documentation: reference pages are what the tables say, and what the other pages show is true. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { localMachine } from '../cli/local-machine.ts';
import { summarizeNetwork } from '../cli/network-summary.ts';
import { networkTable } from '../cli/network-table.ts';
import { planTables } from '../cli/plan-tables.ts';
import { createProgram } from '../cli/program.ts';
import { compile } from '../compiler/compile.ts';
import { formatModel } from '../compiler/front/format-model.ts';
import { limits } from '../compiler/front/limits.ts';
import { compileModel } from '../compiler/front/lower-model.ts';
import { type Code, codes } from '../ir/diagnostics/table.ts';
import { readText } from '../ir/text/cursor.ts';
import { readMachine } from '../ir/text/machine.ts';
import { readSchedule } from '../ir/text/schedule.ts';
import { readDataFile } from '../runtime/data/data-file.ts';
import { referencePages } from '../scripts/reference-pages.ts';

const root = join(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

const byHand = [
  'README.md',
  'ARCHITECTURE.md',
  'CONTRIBUTING.md',
  ...readdirSync(join(root, 'docs'))
    .filter((file) => file.endsWith('.md'))
    .map((file) => join('docs', file)),
];

type Block = { readonly page: string; readonly language: string; readonly text: string };

const blocks: readonly Block[] = byHand.flatMap((page) =>
  [...read(page).matchAll(/^```(\w*)\n(.*?)^```/gms)].map(([, language = '', text = '']) => ({
    page,
    language,
    text,
  })),
);

const blocksIn = (language: string): readonly Block[] => {
  const found = blocks.filter((block) => block.language === language);
  assert.ok(found.length > 0, `no block of ${language}`);
  return found;
};

test('reference pages are those of the tables', () => {
  for (const [path, text] of referencePages())
    assert.is(existsSync(join(root, path)) && read(path), text, `${path}: \`npm run docs\` writes it anew`);
});

/** What GitHub makes of a heading. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');

const anchorsOf = (page: string): string[] =>
  [...read(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => anchorOf(heading));

test('links lead somewhere', () => {
  for (const page of byHand)
    for (const [, link = ''] of read(page).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(link)) continue;
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? page : join(dirname(page), path);
      assert.ok(existsSync(join(root, target)), `${page} links to ${link}`);
      if (anchor !== undefined) assert.ok(anchorsOf(target).includes(anchor), `${page} links to ${link}`);
    }
});

const rooms = [
  'ir',
  'passes',
  'backends',
  'compiler',
  'runtime',
  'cli',
  'tests',
  'scripts',
  'bench',
  'docs',
  'machines',
];

/** Every file and folder of ours, from the root; folders end with a slash. */
const ours = rooms.flatMap((room) =>
  readdirSync(join(root, room), { recursive: true, withFileTypes: true }).map(
    (entry) =>
      `/${join(entry.parentPath, entry.name).slice(root.length + 1)}${entry.isDirectory() ? '/' : ''}`,
  ),
);

test('files and folders that the pages name are there', () => {
  for (const page of ['ARCHITECTURE.md', 'CONTRIBUTING.md'])
    for (const [, path = ''] of read(page).matchAll(/`([\w./-]+(?:\.(?:ts|mjs|py)|\/))`/g)) {
      if (/[A-Z]{3}/.test(path)) continue;
      const known = existsSync(join(root, path)) || ours.some((own) => own.endsWith(`/${path}`));
      assert.ok(known, `${page} names ${path}`);
    }
});

test('commands that the pages show exist, with their options', async () => {
  const program = await createProgram();
  const commands = new Map(program.commands.map((command) => [command.name(), command]));
  const options = (name: string) =>
    commands.get(name)?.options.flatMap(({ long, short }) => [long, short]) ?? [];
  let shown = 0;
  for (const { page, text } of blocks)
    for (const [line, name = '', rest = ''] of text.matchAll(/^(?:\$ )?(?:npx )?unetc ([a-z]\w*)(.*)$/gm)) {
      shown += 1;
      assert.ok(commands.has(name), `${page}: ${line}`);
      for (const option of rest.replace(/#.*/, '').match(/(?<= )--?[a-z][\w-]*/g) ?? [])
        assert.ok(options(name).includes(option), `${page}: ${line}: ${option}`);
    }
  assert.ok(shown > 15);
});

test('npm commands that the pages show exist', () => {
  const { scripts } = JSON.parse(read('package.json'));
  for (const page of byHand)
    for (const [, name = ''] of read(page).matchAll(/npm run (\w+)/g))
      assert.ok(name in scripts, `${page}: npm run ${name}`);
});

test('models that the pages show compile and are formatted', () => {
  for (const { page, text } of blocksIn('unet')) {
    const model = compileModel(text, page, { purpose: 'train' });
    assert.equal(model.ok ? model.warnings : model.diagnostics, [], page);
    const formatted = formatModel(text, page);
    assert.fixture(formatted.ok ? formatted.value : '', text, page);
  }
});

test('schedules and data files that the pages show are read', () => {
  for (const { page, text } of blocksIn('schedule')) assert.ok(readText(text, page, readSchedule).ok, page);
  for (const { page, text } of blocksIn('json')) {
    const data = readDataFile(text, page);
    assert.equal(data.ok ? [] : data.diagnostics.map(({ message }) => message), [], page);
  }
});

test('machines that the pages show are read', () => {
  for (const { page, text } of blocksIn('machine')) {
    const machine = readMachine(text, page);
    assert.equal(machine.ok ? [] : machine.diagnostics, [], page);
  }
});

test('the language page has the limits as they are', () => {
  const page = read('docs/language.md');
  for (const [name, most] of Object.entries(limits))
    if (name !== 'integer' && name !== 'diagnostics')
      assert.match(page, new RegExp(`\\| ${most.toLocaleString('en-US')} \\|`), name);
});

test('the example of the language page is the one of the quickstart', () => {
  const [example] = blocksIn('unet').filter(({ page }) => page === 'docs/language.md');
  const withoutComments = (text: string) => text.replace(/ *\/\/.*/g, '');
  assert.is(withoutComments(example?.text ?? ''), withoutComments(read('examples/coastline.unet')));
});

test('the README shows what check and compile print', () => {
  const page = read('README.md');
  const [tutorial] = blocksIn('unet').filter((block) => block.page === 'README.md');
  const shown = [
    [read('examples/coastline.unet'), { devices: 2 }],
    [tutorial?.text ?? '', { devices: 2, tiles: [1, 2] }],
  ] as const;
  for (const [source, pins] of shown) {
    const machine = localMachine({ ...pins, memory: 2 ** 32 }, 2);
    assert.ok(machine.ok);
    const asked = { source, file: 'README.md', sets: {}, purpose: 'train', pins } as const;
    const compiled = compile({ ...asked, ...(machine.ok ? { machine: machine.value } : {}) });
    assert.ok(compiled.ok && page.includes(planTables(compiled.value.plan)), JSON.stringify(pins));
  }
  const model = compileModel(tutorial?.text ?? '', 'README.md', { purpose: 'train' });
  assert.ok(model.ok && page.includes(networkTable(summarizeNetwork(model.value))), 'check fields.unet');
});

test('diagnostics that the pages name exist', () => {
  const known = (code: string): code is Code => codes.some((one) => one === code);
  for (const page of byHand)
    for (const [, code = ''] of read(page).matchAll(/\(`([a-z]+(?:-[a-z]+)+)`[,)]|error\[([a-z-]+)\]/g))
      if (code !== '') assert.ok(known(code), `${page} names ${code}`);
});

test.run();
