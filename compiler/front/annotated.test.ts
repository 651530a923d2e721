/**
 * Texts with the diagnostics they give written under the lines:
 *
 *   let a = 16 / 0
 *   //! no-number :: / :: it has no value
 *
 * is the code, the underlined text, and words of the message, the label or the hint. Nothing else may be said.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Diagnostic } from '../../ir/diagnostics/diagnostic.ts';
import { compileModel } from './lower-model.ts';

const folder = fileURLToPath(new URL('./cases/annotated/', import.meta.url));

type Expected = {
  readonly line: number;
  readonly code: string;
  readonly place: string;
  readonly words: string;
};

function expectedIn(lines: readonly string[]): Expected[] {
  let above = 0;
  return lines.flatMap((line, i) => {
    if (!line.startsWith('//!')) {
      above = i + 1;
      return [];
    }
    const [code = '', place = '', words = ''] = line
      .slice(3)
      .split('::')
      .map((part) => part.trim());
    return [{ line: above, code, place, words }];
  });
}

/** What was said, in the form of an expectation: with its words where they occur, else with all words. */
function saidAs(
  { span, code, message, label, hint }: Diagnostic,
  lines: readonly string[],
  words: string,
): Expected {
  const line = lines[(span?.line ?? 1) - 1] ?? '';
  const place = line.slice((span?.column ?? 1) - 1, (span?.column ?? 1) - 1 + (span?.length ?? 0)).trim();
  const all = [message, label, hint].join(' | ');
  return { line: span?.line ?? 0, code, place, words: all.includes(words) ? words : all };
}

const show = ({ line, code, place, words }: Expected): string => `${line}: ${code} :: ${place} :: ${words}`;

for (const file of readdirSync(folder)) {
  test(file, () => {
    const lines = readFileSync(join(folder, file), 'utf8').split('\n');
    const expected = expectedIn(lines);
    const result = compileModel(lines.join('\n'), file, { purpose: 'train' });
    const diagnostics = result.ok ? result.warnings : result.diagnostics;
    const said = diagnostics.map((diagnostic, i) => saidAs(diagnostic, lines, expected[i]?.words ?? ''));
    assert.fixture(said.map(show).join('\n'), expected.map(show).join('\n'));
  });
}

test.run();
