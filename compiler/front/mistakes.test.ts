/**
 * Ten mistakes that newcomers make, and what they are told: `cases/mistakes/NN-name.unet` with the exact
 * words in `.expected`. `BLESS=1` writes the words anew: read them as a newcomer would before committing.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { renderDiagnostics } from '../../cli/render-diagnostic.ts';
import { plainColours } from '../../cli/terminal.ts';
import { compileModel } from './lower-model.ts';

const folder = fileURLToPath(new URL('./cases/mistakes/', import.meta.url));
const cases = readdirSync(folder).filter((file) => file.endsWith('.unet'));

/** What `unetc check` says about a case. */
function told(file: string): string {
  const text = readFileSync(join(folder, file), 'utf8');
  const result = compileModel(text, file, { purpose: 'train' });
  if (result.ok) return 'nothing is wrong\n';
  return `${renderDiagnostics(result.diagnostics, new Map([[file, text]]), plainColours)}\n`;
}

test('there are ten cases', () => {
  assert.ok(cases.length >= 10);
});

for (const file of cases) {
  test(file, () => {
    const expected = join(folder, file.replace(/\.unet$/, '.expected'));
    const words = told(file);
    if (process.env.BLESS === '1') writeFileSync(expected, words);
    assert.ok(existsSync(expected), `run with BLESS=1 to write ${expected}`);
    assert.fixture(words, readFileSync(expected, 'utf8'));
  });
}

test.run();
