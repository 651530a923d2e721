/** Colours: on a terminal, and nowhere else. */
import { spawnSync } from 'node:child_process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { program, root } from '../tests/support/command-line.ts';
import { coloursOf, isTerminal } from './terminal.ts';

const painted = (isTTY: boolean, env: Readonly<Record<string, string>>): boolean =>
  coloursOf({ isTTY }, env).bold('word') !== 'word';

test('a terminal has colours, unless NO_COLOR says otherwise', () => {
  assert.ok(painted(true, { TERM: 'xterm' }));
  assert.ok(painted(true, { NO_COLOR: '' }), 'an empty NO_COLOR says nothing');
  assert.not.ok(painted(true, { NO_COLOR: '1' }));
  assert.not.ok(painted(true, { TERM: 'dumb' }));
  assert.not.ok(isTerminal({ isTTY: true }, { TERM: 'dumb' }));
});

test('a pipe has none', () => {
  for (const name of ['CI', 'FORCE_COLOR', 'GITHUB_ACTIONS']) assert.not.ok(painted(false, { [name]: '1' }));
});

// CI sets `CI`, and tables in pipes and in golden files came out with bold headings.
test('tables and diagnostics in a pipe are plain text, whatever the environment says', () => {
  const env = { ...process.env, CI: 'true', FORCE_COLOR: '1', NO_COLOR: undefined };
  for (const words of [
    'check examples/coastline.unet',
    'check nowhere.unet',
    'doctor',
    'explain',
    'frobnicate',
  ]) {
    const args = [...program, ...words.split(' ')];
    const { output } = spawnSync(process.execPath, args, { cwd: root, env, encoding: 'utf8' });
    assert.not.ok(output.join('').includes('\x1b'), words);
  }
});

test.run();
