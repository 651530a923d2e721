import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeFolder } from './make-folder.ts';

const folder = mkdtempSync(join(tmpdir(), 'unetc-folders-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

test('folders and those above them, again too', () => {
  for (const _ of [1, 2]) makeFolder(join(folder, 'a', 'b'), 0o700);
  assert.is(statSync(join(folder, 'a', 'b')).mode & 0o777, 0o700);
});

test('a file in the way', () => {
  writeFileSync(join(folder, 'file'), '');
  for (const path of [join(folder, 'file'), join(folder, 'file', 'below')])
    assert.throws(() => makeFolder(path), /EEXIST|ENOTDIR/);
});

// `compile -o /proc/x` did not return.
test('where none can be made, that ends', () => {
  if (existsSync('/proc/self')) assert.throws(() => makeFolder('/proc/x/y'), /ENOENT/);
});

test.run();
