/** Ranks wait long for one that works, and not for one that stands still. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { freePort } from '../../tests/support/torch-runs.ts';
import { pythonTest, torchFolder } from '../tests/python.ts';

const timeout = 2;

/** Rank 0 waits for rank 1; how rank 0 ends, or `killed` if it does not within nine timeouts, beginning included. */
async function waiting(python: string, how: 'long' | 'still') {
  const port = await freePort();
  const script = join(torchFolder, 'tests/stand_still.py');
  const env = { ...process.env, PYTHONPATH: torchFolder, GLOO_SOCKET_IFNAME: 'lo' };
  const [first, second] = [0, 1].map((rank) =>
    spawn(python, [script, String(rank), String(port), String(timeout), how], { env }),
  );
  if (first === undefined || second === undefined) throw new Error('two ranks were started');
  let said = '';
  for (const stream of [first.stdout, first.stderr])
    stream.on('data', (data) => {
      said += data;
    });
  const late = setTimeout(() => first.kill('SIGKILL'), 9 * timeout * 1000);
  const [status] = await once(first, 'close');
  clearTimeout(late);
  second.kill('SIGKILL');
  return { status, said };
}

// A rank that was stopped while another waited for a checkpoint held it up for ten timeouts.
pythonTest('torch, numpy', 'a rank that stands still ends a patient wait, and is named', async (python) => {
  const { status, said } = await waiting(python, 'still');
  assert.is(status, 3, said);
  assert.match(said, /rank 0, between two steps, sum: rank 1 has given no sign of life for 2 s/);
});

pythonTest('torch, numpy', 'a rank that works for longer than a timeout is waited for', async (python) => {
  const { status, said } = await waiting(python, 'long');
  assert.is(status, 0, said);
  assert.match(said, /\[2\.0\]/);
});

test.run();
