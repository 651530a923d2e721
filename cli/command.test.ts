/** The guard around every command: what the system refuses is told apart from our own bugs. */
import { mkdtempSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type ExitCode, guarded } from './command.ts';

/** The exit code of an action, and what was written to stderr. */
async function outcome(action: () => Promise<ExitCode>) {
  const { write } = process.stderr;
  let said = '';
  process.stderr.write = (words: string | Uint8Array) => {
    said += words;
    return true;
  };
  try {
    await guarded(action)();
    return { code: process.exitCode, said };
  } finally {
    process.stderr.write = write;
    process.exitCode = 0;
  }
}

// A TMPDIR that is not there was reported as a bug of ours, with a stack.
test('what the system refuses ends with 3, and says what and why', async () => {
  const { code, said } = await outcome(async () => {
    mkdtempSync('/no/such/folder/unetc-');
    return 0;
  });
  assert.is(code, 3);
  assert.match(
    said,
    /^error\[system-refused\]: .*`mkdtemp` of `\/no\/such\/folder\/unetc-\w*`: there is no such/,
  );
  assert.match(said, /hint: .*TMPDIR/);
});

test('anything else that is thrown is a bug of ours, and ends with 70', async () => {
  const { code, said } = await outcome(async () => {
    throw new Error('two and two are five');
  });
  assert.is(code, 70);
  assert.match(said, /This is a bug in unetc[^\n]*\n[^\n]*\n.*\nError: two and two are five\n +at /s);
});

test.run();
