/** The networks of the family, made small and smooth: their gradients are the slopes of their losses. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { compileModel } from '../compiler/front/lower-model.ts';
import { valueIn } from './support/devices.ts';
import { wrongSlope } from './support/finite-differences.ts';

const examples = join(import.meta.dirname, '../examples');

const small: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  attention: { base: '2', poolings: '2', side: '12' },
  diffusion: { base: '2', groups: '2', poolings: '1', side: '4' },
  residual: { base: '2', poolings: '1', side: '8' },
  unet_plus_plus: { base: '2', depth: '2', side: '12' },
};

/** A slope measured across a kink is neither of its two. */
const smooth = (text: string): string => text.replaceAll('relu', 'silu').replaceAll('max_pool', 'avg_pool');

for (const [name, sets] of Object.entries(small))
  test(`${name}: gradients by finite differences`, () => {
    const text = readFileSync(join(examples, `${name}.unet`), 'utf8');
    const model = valueIn(compileModel(smooth(text), `${name}.unet`, { purpose: 'train', sets }));
    for (const seed of [1, 2]) assert.is(wrongSlope(model, seed), undefined);
  });

test.run();
