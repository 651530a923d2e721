/** The pass manager: nothing unsound gets past it, and what it runs is the same each time. */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { ModuleAt } from '../ir/module.ts';
import type { Pass } from '../ir/pass.ts';
import { firstFit } from '../passes/decide/first-fit.ts';
import { bundleFiles } from './bundle.ts';
import { compile } from './compile.ts';
import { compileModel } from './front/lower-model.ts';
import { PassError, runPasses } from './pass-manager.ts';

const file = 'coastline.unet';
const source = readFileSync(new URL(`../examples/${file}`, import.meta.url), 'utf8');
const pins = { devices: 4, tiles: [2, 1] };

function moduleOf(): ModuleAt<'model'> {
  const model = compileModel(source, file, { purpose: 'train' });
  if (!model.ok) throw new Error('the example is broken');
  return { stage: 'model', model: model.value, pins };
}

/** Loses the first op, so that what reads its result reads nothing. */
const careless: Pass<'scheduled', 'scheduled'> = {
  name: 'careless',
  doc: 'forgets an op',
  from: 'scheduled',
  to: 'scheduled',
  run: (module) => ({ ...module, model: { ...module.model, ops: module.model.ops.slice(1) } }),
};

test('what a pass leaves unsound stops the run, with its name, the faults and the module', () => {
  const passes = [firstFit, careless] as unknown as readonly Pass[];
  assert.throws(
    () => runPasses(passes, moduleOf()),
    (error: unknown) =>
      error instanceof PassError &&
      /^after careless:\n {2}undefined-value: /.test(error.message) &&
      error.message.includes('\nmodel coastline {'),
  );
});

/** Leaves all as it is, or breaks. */
const following = (run: Pass<'scheduled', 'scheduled'>['run']): Pass<'scheduled', 'scheduled'> => ({
  ...{ name: 'following', doc: 'comes after', from: 'scheduled', to: 'scheduled' },
  run,
});

for (const [what, run] of [
  ['leaves it so', (module: ModuleAt<'scheduled'>) => module],
  [
    'breaks on it',
    (): never => {
      throw new Error('an op is missing');
    },
  ],
] as const)
  test(`a pass that leaves something unsound is named, if another on the same stage ${what}`, () => {
    const passes = [firstFit, careless, following(run)] as unknown as readonly Pass[];
    assert.throws(() => runPasses(passes, moduleOf()), /after careless:/);
  });

test('a pass that is given another stage than its own is a bug', () => {
  assert.throws(() => runPasses([careless] as unknown as readonly Pass[], moduleOf()), /careless works on/);
});

test('the same text and decisions give the same bundle, byte for byte', () => {
  const bytes = () => {
    const compiled = compile({ source, file, sets: {}, purpose: 'train', pins });
    if (!compiled.ok) throw new Error('the example is broken');
    const origin = { source, sets: {}, version: '0', threads: 1 };
    const files = [...bundleFiles(compiled.value.plan, origin)];
    return new Map(files.map(({ path, bytes }) => [path, bytes]));
  };
  const [one, two] = [bytes(), bytes()];
  assert.equal([...one.keys()], [...two.keys()]);
  for (const [path, content] of one)
    assert.is(Buffer.compare(content, two.get(path) ?? Buffer.of()), 0, path);
});

test.run();
