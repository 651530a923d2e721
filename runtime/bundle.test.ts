import { appendFile, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { at } from '../ir/box.ts';
import { bundlePaths, rolePath, segmentPath } from '../ir/bundle.ts';
import { openBundle } from './bundle.ts';
import { tinyPrediction, tinyTraining } from './tests/tiny-plan.ts';
import { sha256, writeTinyBundle } from './tests/tiny-segments.ts';

const plan = tinyTraining({ cuts: [0, 1, 4], microBatches: 2 });

/** The message, or `ok`, of opening a bundle after something was done to its folder. */
async function opened(spoil: (folder: string) => Promise<void>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'unetc-test-'));
  try {
    await writeTinyBundle(plan, folder);
    await spoil(folder);
    const result = await openBundle(folder);
    if (result.ok) return 'ok';
    return result.diagnostics
      .map(({ code, message }) => `${code}: ${message.replaceAll(folder, 'B')}`)
      .join('\n');
  } finally {
    await rm(folder, { recursive: true });
  }
}

type Data = Record<string, unknown>;

/** The message for a bundle one file of which says something else, with hashes that are right. */
const withFile = (file: string, change: (content: Data) => unknown): Promise<string> =>
  opened(async (folder) => {
    const content = JSON.parse(await readFile(join(folder, file), 'utf8'));
    await putFile(folder, file, JSON.stringify(change(content)));
  });

async function putFile(folder: string, file: string, text: string): Promise<void> {
  const path = join(folder, bundlePaths.manifest);
  const manifest = JSON.parse(await readFile(path, 'utf8'));
  manifest.files[file] = sha256(new TextEncoder().encode(text));
  await writeFile(path, JSON.stringify(manifest));
  await writeFile(join(folder, file), text);
}

test('a bundle opens as the plan that was written', async () => {
  for (const written of [plan, tinyPrediction({ devices: 3 })]) {
    const folder = await mkdtemp(join(tmpdir(), 'unetc-test-'));
    await writeTinyBundle(written, folder);
    const result = await openBundle(folder);
    await rm(folder, { recursive: true });
    assert.ok(result.ok);
    assert.equal(result.value.plan, written);
    assert.equal(
      Object.keys(result.value.segments),
      written.segments.map(({ name }) => name),
    );
  }
});

test('a folder without a manifest is no bundle', async () => {
  const message = await opened((folder) => rm(join(folder, bundlePaths.manifest)));
  assert.is(message, 'bundle-missing: `B` is not a bundle: it has no manifest.json');
});

test('another format is refused, whatever else the manifest says', async () => {
  for (const format of [3, 99]) {
    const spoil = (folder: string) => writeFile(join(folder, bundlePaths.manifest), `{"format": ${format}}`);
    assert.is(
      await opened(spoil),
      `bundle-version: the bundle \`B\` has format ${format}, and this version reads format 4`,
    );
  }
});

test('a file that changed, is missing, or lies elsewhere is refused', async () => {
  const segment = 'segments/update.onnx';
  assert.is(
    await opened((folder) => appendFile(join(folder, segment), 'x')),
    `bundle-changed: \`${segment}\` of the bundle \`B\` is not the file that was compiled`,
  );
  assert.is(
    await opened((folder) => rm(join(folder, segment))),
    `bundle-changed: \`${segment}\` of the bundle \`B\` is missing`,
  );
  assert.is(
    await opened(async (folder) => {
      await rm(join(folder, segment));
      await symlink('/etc/hostname', join(folder, segment));
    }),
    `bundle-changed: \`${segment}\` of the bundle \`B\` leads outside`,
  );
  assert.is(
    await opened((folder) => appendFile(join(folder, bundlePaths.plan), ' ')),
    'bundle-changed: `plan.json` of the bundle `B` is not the file that was compiled',
  );
});

for (const path of ['../plan.json', '/etc/passwd', 'a/../../b', 'a\\b', 'a//b', '.'])
  test(`the path ${path} in a manifest is refused`, async () => {
    const spoil = (folder: string) =>
      writeTinyBundle(plan, folder, { files: { [path]: sha256(new Uint8Array()) } });
    assert.is(await opened(spoil), `bundle-changed: \`${path}\` of the bundle \`B\` lies outside`);
  });

const [role] = plan.roles;
if (role === undefined) throw new Error('no role');
const program = rolePath(role.name);

/** A change of the first of a list in a file. */
const first =
  (list: string, change: object) =>
  (content: Data): Data => {
    const [item, ...others] = content[list] as Data[];
    return { ...content, [list]: [{ ...item, ...change }, ...others] };
  };

test('a plan of the right hash and the wrong structure is refused with the place', async () => {
  const cases: readonly (readonly [file: string, change: (content: Data) => unknown, reason: string])[] = [
    [bundlePaths.plan, () => ({}), 'plan.roles is not a list'],
    [bundlePaths.plan, (p) => ({ ...p, name: 3 }), 'plan.name is not a text'],
    [bundlePaths.plan, (p) => ({ ...p, samples: -1 }), 'plan.samples is not a count'],
    [
      bundlePaths.plan,
      (p) => ({ ...p, roles: (p.roles as Data[]).slice(0, 1) }),
      'no role has the classes 1, 0',
    ],
    [
      bundlePaths.plan,
      (p) => ({ ...p, schedule: { ...plan.schedule, devices: 3 } }),
      '3 devices for 2 ranks',
    ],
    [
      bundlePaths.plan,
      first('roles', { talks: [] }),
      'what others are told of the role row0 is not what its program says',
    ],
    [program, first('buffers', { element: 'f16' }), 'plan.roles[0].buffers[0].element is not f32 or u8'],
    [program, first('instructions', { do: 'evil' }), 'plan.roles[0].instructions[0].do is not load or draw'],
    [program, first('segments', { name: 'other' }), 'instruction 6: there is no segment step_0'],
    [program, first('buffers', { offset: 7 }), 'buffer w does not fit its place'],
    [program, first('buffers', { offset: 64 * 1000 }), 'buffer w does not fit its place'],
    [program, first('buffers', { bytes: 4 }), 'buffer w does not fit its place'],
    [program, first('buffers', { name: 'v' }), 'role row0, instruction 6: there is no w'],
  ];
  for (const [file, change, reason] of cases) {
    const message = await withFile(file, change);
    assert.ok(message.startsWith('bundle-damaged: `plan.json` of the bundle `B` is damaged: '), message);
    assert.ok(message.includes(reason), `${message}\nis not: ${reason}`);
  }
});

test('a program of another form is refused with its file', async () => {
  assert.is(
    await withFile(program, () => ({ like: 'nobody', but: {} })),
    `bundle-damaged: \`${program}\` of the bundle \`B\` is damaged: it is like no role before it`,
  );
});

for (const file of [bundlePaths.plan, program])
  test(`${file} that ends too early is refused`, async () => {
    const message = await opened(async (folder) => {
      const text = await readFile(join(folder, file), 'utf8');
      await putFile(folder, file, text.slice(0, text.length / 2));
    });
    assert.is(message, `bundle-damaged: \`${file}\` of the bundle \`B\` is damaged: it is not JSON`);
  });

for (const file of [program, segmentPath(at(plan.segments, 0).name)])
  test(`${file} that the manifest does not list is missing`, async () => {
    const message = await opened(async (folder) => {
      const path = join(folder, bundlePaths.manifest);
      const manifest = JSON.parse(await readFile(path, 'utf8'));
      delete manifest.files[file];
      await writeFile(path, JSON.stringify(manifest));
    });
    assert.is(message, `bundle-changed: \`${file}\` of the bundle \`B\` is missing`);
  });

test.run();
