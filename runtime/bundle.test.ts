import { appendFile, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { at } from '../ir/box.ts';
import { bundlePaths } from '../ir/bundle.ts';
import type { Plan } from '../ir/plan.ts';
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

/** The message for a bundle whose plan says something else, with hashes that are right. */
const withPlan = (change: (plan: Plan) => unknown): Promise<string> =>
  opened(async (folder) => {
    const text = JSON.stringify(change(plan));
    const path = join(folder, bundlePaths.manifest);
    const manifest = JSON.parse(await readFile(path, 'utf8'));
    manifest.files[bundlePaths.plan] = sha256(new TextEncoder().encode(text));
    await writeFile(path, JSON.stringify(manifest));
    await writeFile(join(folder, bundlePaths.plan), text);
  });

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
  const spoil = (folder: string) => writeFile(join(folder, bundlePaths.manifest), '{"format": 99}');
  assert.is(
    await opened(spoil),
    'bundle-version: the bundle `B` has format 99, and this version reads format 3',
  );
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

test('a plan of the right hash and the wrong structure is refused with the place', async () => {
  const cases: readonly (readonly [change: (p: Plan) => unknown, reason: string])[] = [
    [() => ({}), 'plan.name is not a text'],
    [(p) => ({ ...p, samples: -1 }), 'plan.samples is not a count'],
    [(p) => ({ ...p, roles: [{ ...p.roles[0], buffers: 3 }] }), 'plan.roles[0].buffers is not a list'],
    [
      (p) => ({ ...p, roles: [{ ...p.roles[0], instructions: [{ do: 'evil' }] }] }),
      'plan.roles[0].instructions[0].do is not load or draw',
    ],
    [(p) => ({ ...p, roles: p.roles.slice(1) }), 'no role has the classes 0, 0'],
    [(p) => ({ ...p, segments: p.segments.slice(1) }), 'instruction 6: there is no segment step_0'],
    [(p) => spoilBuffer(p, { offset: 7 }), 'buffer w does not fit its place'],
    [(p) => spoilBuffer(p, { offset: 64 * 1000 }), 'buffer w does not fit its place'],
    [(p) => spoilBuffer(p, { bytes: 4 }), 'buffer w does not fit its place'],
    [(p) => spoilBuffer(p, { name: 'v' }), 'role row0, instruction 6: there is no w'],
    [(p) => ({ ...p, schedule: { ...p.schedule, devices: 3 } }), '3 devices for 2 ranks'],
  ];
  for (const [change, reason] of cases) {
    const message = await withPlan(change);
    assert.ok(message.startsWith('bundle-damaged: `plan.json` of the bundle `B` is damaged: '), message);
    assert.ok(message.includes(reason), `${message}\nis not: ${reason}`);
  }
});

function spoilBuffer(p: Plan, change: object): unknown {
  const [role, ...others] = p.roles;
  const [buffer, ...rest] = role?.buffers ?? [];
  return { ...p, roles: [{ ...role, buffers: [{ ...buffer, ...change }, ...rest] }, ...others] };
}

test('a plan.json that ends too early is refused', async () => {
  const text = JSON.stringify(plan);
  const message = await opened(async (folder) => {
    const cut = new TextEncoder().encode(text.slice(0, text.length / 2));
    const files = { [bundlePaths.plan]: sha256(cut) };
    await writeTinyBundle(plan, folder, { files });
    await writeFile(join(folder, bundlePaths.plan), cut);
  });
  assert.is(message, 'bundle-damaged: `plan.json` of the bundle `B` is damaged: it is not JSON');
});

test('a segment that the manifest does not list is missing', async () => {
  const bytes = new TextEncoder().encode(JSON.stringify(plan));
  const files = { [bundlePaths.plan]: sha256(bytes) };
  const message = await opened((folder) => writeTinyBundle(plan, folder, { files }));
  assert.is(
    message,
    `bundle-changed: \`segments/${at(plan.segments, 0).name}.onnx\` of the bundle \`B\` is missing`,
  );
});

test.run();
