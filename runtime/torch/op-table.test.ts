/** The tables of the PyTorch executor name what the compiler can put into a plan. Neither Python nor torch is needed. */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { localKinds } from '../../ir/ops/table.ts';
import type { Instruction } from '../../ir/plan.ts';

const folder = new URL('unetc_torch/', import.meta.url);

/** The keys of the tables that a Python file declares at its top level. */
const keysOf = (file: string): string[] =>
  [...readFileSync(new URL(file, folder), 'utf8').matchAll(/^ {4}"(\w+)": /gm)].map(
    (match) => match[1] ?? '',
  );

/** Total: the type checker asks for every instruction. */
const instructions: { readonly [K in Instruction['do']]: true } = {
  load: true,
  draw: true,
  count: true,
  run: true,
  accumulate: true,
  all_reduce: true,
  all_gather: true,
  reduce_scatter: true,
  exchange: true,
  send: true,
  receive: true,
  paste: true,
  clip: true,
  rate: true,
  metric: true,
  store: true,
  report: true,
  free: true,
};

test('every op that a segment may hold is in the Python table, and no other', () => {
  assert.equal(keysOf('ops/table.py').sort(), [...localKinds].sort());
});

test('every instruction of a plan is in the Python tables, and no other', () => {
  const known = [...keysOf('instructions.py'), ...keysOf('meetings.py')];
  assert.equal(known.sort(), Object.keys(instructions).sort());
});

test.run();
