import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openData } from '../data/open-data.ts';
import { scoreOf } from '../metrics.ts';
import { dataDirectory, good } from '../tests/test-data.ts';
import { evaluateColourTable, fitColourTable } from './colour-table.ts';

const coastline = fileURLToPath(new URL('../../examples/coastline', import.meta.url));

test('majority of each colour, overall majority for colours that do not occur', async () => {
  // Columns 0..5 train: dark is class 1 in two rows of three, bright is 0. Columns 6..8 test: a third colour too.
  const directory = await dataDirectory(
    {
      'a.png': { height: 3, width: 9, paint: (_, x) => [10, 10, 200, 200, 200, 200, 10, 200, 99][x] ?? 0 },
      'm.png': { height: 3, width: 9, channels: 1, paint: (y, x) => (x % 6 < 2 && y < 2 ? 1 : 0) },
    },
    {
      pairs: [{ image: 'a.png', label: 'm.png' }],
      splits: { train: [{ pair: 'a', columns: [0, 6] }], test: [{ pair: 'a', columns: [6, 9] }] },
    },
  );
  const data = good(await openData(directory));
  const table = await fitColourTable(data, 'train', 2);
  assert.equal([...(await evaluateColourTable(table, data, 'test', 2)).counts], [4, 1, 2, 2]);
});

test('coastline: fitted on the western half, measured on the eastern', async () => {
  const data = good(await openData(coastline));
  const score = scoreOf(await evaluateColourTable(await fitColourTable(data, 'train', 2), data, 'test', 2));
  assert.is(score.pixels, 2048 * 2048);
  assert.is(score.accuracy.toFixed(4), '0.9842');
  assert.is(score.iou.map((share) => share.toFixed(4)).join(' '), '0.9735 0.9623');
});

test.run();
