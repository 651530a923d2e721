/** Functions with curly brackets: `unet` goes down and up again, `fold` repeats. */
import { builtin } from './builtin.ts';
import type { Site } from './context.ts';
import { anything, items, whole } from './readers.ts';
import { number, unknown, type Value } from './value.ts';

const call = (site: Site, arm: string, values: readonly Value[], path: string): Value =>
  site.arms.get(arm)?.(values, path) ?? unknown;

/**
 * Levels 0 (finest) to `levels` (the bottom): on each level but the last the result of `encode` is kept as
 * skip and goes `down`; the bottom is `bottom(x)`, or `encode(levels, x)`; then `decode` from the lowest
 * level to 0, each with its skip and the result of the level below (Ronneberger et al. 2015).
 */
function unet(site: Site, image: Value, levels: number): Value {
  const scope = site.context.network.scope(site.env.path, 'unet');
  const at = (arm: string, level: number): string => `${scope}.${arm}[${level}]`;
  const skips: Value[] = [];
  let x = image;
  for (let level = 0; level < levels; level++) {
    if (!site.context.spend(1, site.at)) return unknown;
    const skip = call(site, 'encode', [number(level), x], at('encode', level));
    skips.push(skip);
    x = call(site, 'down', [number(level), skip], at('down', level));
  }
  x = site.arms.has('bottom')
    ? call(site, 'bottom', [x], `${scope}.bottom`)
    : call(site, 'encode', [number(levels), x], at('encode', levels));
  for (let level = levels - 1; level >= 0; level--)
    x = call(site, 'decode', [number(level), skips[level] ?? unknown, x], at('decode', level));
  return x;
}

function fold(site: Site, start: Value, list: readonly Value[]): Value {
  let x = start;
  for (const item of list) {
    if (!site.context.spend(1, site.at)) return unknown;
    x = call(site, 'step', [item, x], site.env.path);
  }
  return x;
}

export const combinatorBuiltins = [
  builtin('unet', {
    doc: 'goes down `levels` times, keeps a skip on each level, and comes up again',
    parameters: { x: anything, levels: whole(0) },
    arms: {
      encode: { parameters: ['l', 'x'] },
      down: { parameters: ['l', 'x'] },
      decode: { parameters: ['l', 'skip', 'x'] },
      bottom: { parameters: ['x'], optional: true },
    },
    run: ({ x, levels }, site): Value => unet(site, x, levels),
  }),
  builtin('fold', {
    doc: 'goes through a list: `step(item, x)` makes the next x from the one before',
    parameters: { x: anything, list: items },
    arms: { step: { parameters: ['item', 'x'] } },
    run: ({ x, list }, site): Value => fold(site, x, list),
  }),
];
