/** Whatever happens to the cache or its sources, nothing wrong is read: the right pixels come, or an error. */
import { spawn } from 'node:child_process';
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { range } from '../../ir/box.ts';
import { npyFile } from '../tests/npy-file.ts';
import {
  codesOf,
  emptyDirectory,
  good,
  messagesOf,
  type Paint,
  smooth,
  writePicture,
} from '../tests/test-data.ts';
import { decode } from './decode.ts';
import { type Raster, readRectangle } from './raster.ts';

const [height, width] = [70, 300];
const other: Paint = (y, x, channel) => 255 - smooth(y, x, channel);

async function scene(name = 'scene.png') {
  const folder = emptyDirectory();
  const source = join(folder, name);
  await writePicture(source, { height, width });
  const cache = emptyDirectory();
  return { source, cache, open: () => decode(source, { cache }) };
}

async function shows(raster: Raster, paint: Paint): Promise<boolean> {
  const pixels = await readRectangle(raster, range(0, height), range(0, width));
  return pixels.every((value, i) => {
    const cell = Math.floor(i / 3);
    return value === paint(Math.floor(cell / width), cell % width, i % 3);
  });
}

const fails = (work: Promise<unknown>, says: RegExp): Promise<void> =>
  work.then(
    () => assert.unreachable(),
    (error) => assert.match(String(error), says),
  );

test('a decoded file that was torn or written to is made again', async () => {
  const { open } = await scene();
  const { path } = good(await open());
  const whole = readFileSync(path);
  for (let length = 0; length < whole.length; length += 4096 * 3) {
    truncateSync(path, length);
    assert.ok(await shows(good(await open()), smooth), `cut after ${length} bytes`);
  }
  for (let start = 0; start < whole.length; start += 40_000) {
    const descriptor = openSync(path, 'r+');
    writeSync(descriptor, Buffer.alloc(5000), 0, 5000, start);
    closeSync(descriptor);
    assert.ok(await shows(good(await open()), smooth), `zeros from byte ${start} on`);
  }
});

test('a source that was changed is decoded again, even where its size and time are those of before', async () => {
  const { source, open } = await scene();
  const write = async (paint: Paint): Promise<number> => {
    await writePicture(source, { height, width, paint });
    // Not compressed, so that other pixels take as many bytes.
    writeFileSync(source, await sharp(source).png({ compressionLevel: 0 }).toBuffer());
    utimesSync(source, 1000, 1000);
    return statSync(source).size;
  };
  const size = await write(smooth);
  assert.ok(await shows(good(await open()), smooth));
  assert.is(await write(other), size);
  assert.ok(await shows(good(await open()), other));
});

test('a source that changes while it is decoded is refused', async () => {
  const { source, cache } = await scene();
  const changing = await decode(source, {
    cache,
    onDecode: () => writeFileSync(source, Buffer.concat([readFileSync(source), Buffer.alloc(1)])),
  });
  assert.equal(codesOf(changing), ['image-unreadable']);
  assert.match(messagesOf(changing), /changed while it was decoded/);
  assert.equal(readdirSync(cache), []);
});

test('files that change after they were opened are not read', async () => {
  const { source, cache, open } = await scene();
  const decoded = good(await open());
  truncateSync(decoded.path, statSync(decoded.path).size - 1);
  await fails(readRectangle(decoded, range(0, 1), range(0, 1)), /was changed while in use/);
  const array = `${source}.npy`;
  writeFileSync(array, npyFile('|u1', [height, width, 3], new Uint8Array(height * width * 3)));
  const tiles = `${source}.tif`;
  await sharp(source).tiff({ tile: true, compression: 'deflate' }).toFile(tiles);
  for (const file of [array, tiles]) {
    const raster = good(await decode(file, { cache }));
    assert.is(raster.path, file);
    utimesSync(file, 1, 1);
    await fails(readRectangle(raster, range(0, 1), range(0, 1)), /was changed while in use/);
  }
});

test('a source that changes does not take the decoded form from who reads it, and is decoded anew', async () => {
  const { source, open } = await scene();
  const first = good(await open());
  await writePicture(source, { height, width, paint: other });
  const second = good(await open());
  assert.ok(await shows(second, other));
  // The first one is gone or right, never the second.
  await shows(first, smooth).then(
    (right) => assert.ok(right),
    (error) => assert.match(String(error), /no such file/),
  );
});

test('what ended processes left is removed after some minutes, what others are writing is not', async () => {
  const { cache, open } = await scene();
  const { path } = good(await open());
  const [old, fresh] = [`${path}.1.tmp.tif`, `${path}.2.tmp.tif`];
  for (const file of [old, fresh]) writeFileSync(file, 'x');
  utimesSync(old, 1, 1);
  truncateSync(path, 1);
  good(await open());
  assert.equal(readdirSync(cache).sort(), [path, fresh].map((file) => file.slice(cache.length + 1)).sort());
});

/** Decodes in a process of its own, in files of at most `most` blocks of 1 KiB. */
function decodeElsewhere(source: string, cache: string, most = 'unlimited'): Promise<string> {
  const module = fileURLToPath(new URL('./decode.ts', import.meta.url));
  const script = `const { decode } = await import(${JSON.stringify(module)});
    const result = await decode(${JSON.stringify(source)}, { cache: ${JSON.stringify(cache)} });
    console.log(result.ok ? result.value.path : result.diagnostics[0].message);`;
  const command = `ulimit -f ${most} && exec "$0" --import tsx --input-type=module -e "$1"`;
  const child = spawn('bash', ['-c', command, process.execPath, script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return new Promise((resolve) => {
    let said = '';
    child.stdout.on('data', (bytes) => {
      said += String(bytes);
    });
    child.on('close', () => resolve(said));
  });
}

test('two runs at once: both get the whole image, and one file stays', async () => {
  const { source, cache, open } = await scene();
  const said = await Promise.all([decodeElsewhere(source, cache), decodeElsewhere(source, cache)]);
  assert.is(said[0], said[1]);
  assert.is(readdirSync(cache).length, 1);
  const raster = good(await open());
  assert.is(`${raster.path}\n`, said[0]);
  assert.ok(await shows(raster, smooth));
});

test('no room for the decoded form: said so, and nothing is left', async () => {
  const { source, cache } = await scene();
  // A file may have 16 KiB here; the system says "file too large" where a full disk says "no space".
  assert.match(await decodeElsewhere(source, cache, '16'), /cannot write .*scene\.png-.*\.tif`: /);
  assert.equal(readdirSync(cache), []);
});

test.run();
