/** What `scale --json` prints, read again. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { onGrid, withCurves } from '../tests/support/inspected.ts';
import { planJson } from './plan-json.ts';
import { readScaling } from './scaling.ts';

const folder = mkdtempSync(join(tmpdir(), 'unetc-scaling-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const { plan } = onGrid();
const row = planJson(onGrid());
const written = (value: unknown): string => {
  const file = join(folder, 'scale.json');
  writeFileSync(file, typeof value === 'string' ? value : JSON.stringify(value));
  return file;
};

test('rows by devices, each with the figures of its plan', () => {
  const against = { strategy: 'overlap', stepSeconds: 0.01 };
  const other = { ...row, machine: { ...row.machine, devices: 4 }, decision: undefined, against };
  const read = readScaling(written([{ ...row, against }, other]), plan);
  if (!read.ok) throw new Error(read.diagnostics.map(({ message }) => message).join());
  const { machine, rows } = read.value;
  assert.equal([machine, read.value.against], ['round', 'overlap']);
  assert.equal(
    rows.map(({ devices }) => devices),
    [4, 16],
  );
  const [without, chosen] = rows;
  assert.is(without?.chosen, undefined);
  assert.is(chosen?.chosen, '1 replica, 4 x 4 tiles, 1 value computed again');
  assert.equal(
    [chosen?.stepSeconds, chosen?.efficiency, chosen?.gap, chosen?.bound, chosen?.againstSeconds],
    [row.predicted.stepSeconds, row.predicted.efficiency, row.bound?.gap, row.bound?.any, 0.01],
  );
});

test('what is none is refused', () => {
  for (const wrong of [
    '{',
    '[]',
    '{}',
    [{ ...row, bound: undefined }],
    [{ ...row, model: { ...row.model, parameters: 1 } }],
  ]) {
    const read = readScaling(written(wrong), plan);
    assert.equal(read.ok ? [] : read.diagnostics.map(({ code }) => code), ['scaling-invalid']);
  }
  assert.not.ok(readScaling(join(folder, 'nowhere'), withCurves().plan).ok);
});

test.run();
