/**
 * Text in, text out: each file of `cases/<pass>/` is a module, and beside it stands what the pass makes of
 * it (or why it refuses). `npm run bless` rewrites the results.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { diagnose, isFault } from '../ir/diagnostics/diagnostic.ts';
import type { Pass } from '../ir/pass.ts';
import { readText } from '../ir/text/cursor.ts';
import { printModule, readModule } from '../ir/text/module.ts';
import { verifyModule } from '../ir/verify/module.ts';
import { passes, passNamed } from './table.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), 'cases');

/** The leading comment of a case tells its story and is kept in the result. */
const storyOf = (text: string): string => /^(?:\/\/[^\n]*\n)*/.exec(text)?.[0] ?? '';

function resultOf(pass: Pass, file: string): string {
  const text = readFileSync(file, 'utf8');
  const module = readText(text, file, readModule);
  assert.ok(module.ok, module.ok ? '' : JSON.stringify(module.diagnostics));
  if (!module.ok) return '';
  assert.equal(verifyModule(module.value), []);
  assert.is(module.value.stage, pass.from);
  const result = pass.run(module.value as never);
  if (isFault(result)) {
    const { code, message, hint = '' } = diagnose(result);
    return `${storyOf(text)}${code}: ${message}\n${hint}\n`;
  }
  assert.equal(verifyModule(result), []);
  return `${storyOf(text)}${printModule(result)}`;
}

for (const { name } of passes) {
  const pass = passNamed(name);
  const files = readdirSync(join(root, name)).filter((file) => file.endsWith('.ir'));
  test(`${name} has cases`, () => assert.ok(pass !== undefined && files.length > 0));
  for (const file of files)
    test(`${name}: ${file}`, () => {
      const path = join(root, name, file);
      const expected = path.replace(/\.ir$/, '.expected');
      const found = resultOf(pass as Pass, path);
      if (process.env.BLESS) writeFileSync(expected, found);
      assert.fixture(found, readFileSync(expected, 'utf8'), `${expected}: \`npm run bless\` rewrites it`);
    });
}

test.run();
