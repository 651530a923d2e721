/**
 * Eight small pictures to try unetc on: `node scripts/make-blobs.mjs FOLDER` writes images/ (bright discs on a
 * dark ground, under heavy noise), labels/ (255 inside a disc, 0 outside) and a data.json. Always the same.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';

const [folder] = process.argv.slice(2);
if (folder === undefined) {
  console.error('usage: node scripts/make-blobs.mjs FOLDER');
  process.exit(2);
}
const [width, height] = [300, 200];
const names = Array.from({ length: 8 }, (_, i) => `field${i + 1}`);

let state = 1;
/** From 0 to 1 (Park & Miller 1988). */
function random() {
  state = (state * 16807) % 2147483647;
  return state / 2147483647;
}

for (const kind of ['images', 'labels']) mkdirSync(join(folder, kind), { recursive: true });
for (const name of names) await writePair(name);
const description = {
  pairs: names.map((name) => ({ image: `images/${name}.png`, label: `labels/${name}.png` })),
  labels: { 0: 0, 255: 1 },
  splits: { train: names.slice(0, 6), test: names.slice(6) },
  augment: { flips: true, brightness: 0.1, contrast: 0.1 },
};
writeFileSync(join(folder, 'data.json'), `${JSON.stringify(description, null, 2)}\n`);

async function writePair(name) {
  const discs = Array.from({ length: 6 }, () => [random() * width, random() * height, 10 + random() * 25]);
  const image = Buffer.alloc(width * height * 3);
  const label = Buffer.alloc(width * height);
  for (let i = 0; i < label.length; i++) {
    const [x, y] = [i % width, Math.floor(i / width)];
    const inside = discs.some(([cx, cy, radius]) => (x - cx) ** 2 + (y - cy) ** 2 < radius ** 2);
    label[i] = inside ? 255 : 0;
    for (let channel = 0; channel < 3; channel++)
      image[3 * i + channel] = Math.min(255, Math.max(0, (inside ? 150 : 70) + (random() - 0.5) * 140));
  }
  await sharp(image, { raw: { width, height, channels: 3 } })
    .png()
    .toFile(join(folder, 'images', `${name}.png`));
  await sharp(label, { raw: { width, height, channels: 1 } })
    .toColourspace('b-w')
    .png()
    .toFile(join(folder, 'labels', `${name}.png`));
}
