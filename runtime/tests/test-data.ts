/** Small data directories for tests, in a temporary place. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import type { Result } from '../../ir/diagnostics/diagnostic.ts';

/** A number 0..255 for each pixel and channel; distinct enough that a shifted read shows. */
export type Paint = (y: number, x: number, channel: number) => number;

export const smooth: Paint = (y, x, channel) => (y * 31 + x * 7 + channel * 101) % 256;

export type Picture = {
  readonly height: number;
  readonly width: number;
  readonly channels?: 1 | 3 | 4;
  readonly paint?: Paint;
};

/** Of this process; removed with all that is in it when the process ends. */
const root = mkdtempSync(join(tmpdir(), 'unetc-test-'));
process.on('exit', () => rmSync(root, { recursive: true, force: true }));

export const emptyDirectory = (): string => mkdtempSync(join(root, 'case-'));

/** Writes pictures by path, in the format that the extension says, and returns the directory. */
export async function dataDirectory(
  pictures: Readonly<Record<string, Picture>>,
  description?: unknown,
): Promise<string> {
  const directory = emptyDirectory();
  for (const [path, picture] of Object.entries(pictures)) await writePicture(join(directory, path), picture);
  if (description !== undefined) writeFileSync(join(directory, 'data.json'), JSON.stringify(description));
  return directory;
}

export async function writePicture(path: string, picture: Picture): Promise<void> {
  const { height, width, channels = 3, paint = smooth } = picture;
  const pixels = Buffer.alloc(height * width * channels);
  for (let i = 0; i < pixels.length; i++) {
    const pixel = Math.floor(i / channels);
    pixels[i] = paint(Math.floor(pixel / width), pixel % width, i % channels);
  }
  mkdirSync(dirname(path), { recursive: true });
  const image = sharp(pixels, { raw: { height, width, channels } });
  const plain = channels === 1 ? image.toColourspace('b-w') : image;
  // TIFF is written with lossy compression unless told otherwise.
  await (/\.tiff?$/.test(path) ? plain.tiff({ compression: 'lzw' }) : plain).toFile(path);
}

/** The value of a result that has to be good. */
export function good<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  throw new Error(result.diagnostics.map(({ code, message }) => `${code}: ${message}`).join('\n'));
}

/** A value that has to be there. */
export function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('missing');
  return value;
}

/** The codes of a result that has to be bad. */
export const codesOf = (result: Result<unknown>): string[] =>
  result.ok ? [] : result.diagnostics.map(({ code }) => code);

export const messagesOf = (result: Result<unknown>): string =>
  result.ok ? '' : result.diagnostics.map(({ message }) => message).join('\n');
