/** Private folders: there while they are used, gone afterwards, whatever became of the process. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { codesOf, emptyDirectory, good } from '../tests/test-data.ts';
import { makePrivateFolder } from './folder.ts';

/** Makes a folder in a process of its own that then waits; gives its path. */
async function elsewhere(temporary: string) {
  const module = fileURLToPath(new URL('./folder.ts', import.meta.url));
  const script = join(temporary, 'wait.mts');
  writeFileSync(
    script,
    `import { makePrivateFolder } from ${JSON.stringify(module)};
    const made = await makePrivateFolder();
    process.stdout.write(made.ok ? made.value.path : 'failed');
    setInterval(() => undefined, 1000);`,
  );
  const child = spawn(process.execPath, ['--import', 'tsx', script], {
    cwd: fileURLToPath(new URL('.', import.meta.url)),
    env: { ...process.env, TMPDIR: temporary },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [path] = await once(child.stdout, 'data');
  return { child, path: String(path) };
}

/** Makes one in this process, with its temporary folder there. */
async function here(temporary: string) {
  const before = process.env.TMPDIR;
  process.env.TMPDIR = temporary;
  const made = await makePrivateFolder();
  if (before === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = before;
  return made;
}

test('the folder of a process that was killed is cleared away by the next one, and with it who still lives in it', async () => {
  const temporary = emptyDirectory();
  const { child, path } = await elsewhere(temporary);
  // As a device that was stopped before its parent died.
  const device = spawn('sleep', ['60'], { argv0: path, stdio: 'ignore' });
  const gone = once(device, 'exit');
  device.kill('SIGSTOP');
  good(await here(temporary)).remove();
  assert.ok(existsSync(join(path, 'alive')), 'that of a process that lives stays');
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.ok(existsSync(path), 'it could not clear up itself');
  const made = good(await here(temporary));
  assert.not.ok(existsSync(path));
  assert.equal(await gone, [null, 'SIGKILL']);
  assert.ok(existsSync(made.path));
  made.remove();
  assert.not.ok(existsSync(made.path));
});

test('what is no folder of ours stays, and so does one that is being made', async () => {
  const temporary = emptyDirectory();
  for (const name of ['unetc-test-1', 'unetc-run-new', 'unetc-run-old', 'other'])
    mkdirSync(join(temporary, name));
  utimesSync(join(temporary, 'unetc-run-old'), 0, 0);
  good(await here(temporary)).remove();
  assert.equal(readdirSync(temporary).sort(), ['other', 'unetc-run-new', 'unetc-test-1']);
});

test('many folders, one after another, leave nothing', async () => {
  const warnings: Error[] = [];
  process.on('warning', (warning) => warnings.push(warning));
  const temporary = emptyDirectory();
  for (let i = 0; i < 30; i++) good(await here(temporary)).remove();
  const kept = await Promise.all(Array.from({ length: 15 }, () => here(temporary)));
  for (const made of kept) good(made).remove();
  assert.equal(readdirSync(temporary), []);
  assert.equal(warnings, []);
});

test('no room for it is a diagnostic', async () => {
  assert.equal(codesOf(await here('/dev/null')), ['write-failed']);
});

test.run();
