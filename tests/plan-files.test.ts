/** A plan in the files of a bundle: read back it is the same, and roles that differ in cells alone say so. */
import { spawnSync } from 'node:child_process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { at } from '../ir/box.ts';
import { bundlePaths, rolePath } from '../ir/bundle.ts';
import type { Plan } from '../ir/plan.ts';
import { type PlanFile, planFiles, planInFiles, type Read, roleMistold } from '../ir/plan-files.ts';
import { firstsAlike } from '../ir/verify/alike.ts';
import { pythonTest, torchFolder } from '../runtime/tests/python.ts';
import { anyCases } from './support/law-cases.ts';
import { soundPlans } from './support/mutations/plans.ts';

type Texts = ReadonlyMap<string, string>;

const textsOf = (plan: Plan): Texts =>
  new Map([...planFiles(plan)].map(({ path, content }) => [path, JSON.stringify(content)]));

const readFrom = (texts: Texts) =>
  planInFiles((file): Read => {
    const text = texts.get(file);
    return text === undefined ? { file, problem: 'it is missing' } : { value: JSON.parse(text) };
  });

function expectSameBack(plan: Plan, what: string): void {
  const texts = textsOf(plan);
  const read = readFrom(texts);
  if ('problem' in read) throw new Error(`${what}: ${read.file}: ${read.problem}`);
  assert.equal(read.value.plan, plan, what);
  assert.is(roleMistold(plan, read.value.told), undefined, what);
  assert.equal(textsOf(read.value.plan as Plan), texts, what);
}

test('plans of each kind are read back as they were', () => {
  for (const [name, make] of Object.entries(soundPlans)) expectSameBack(make(), name);
});

test('and so are drawn ones', () => {
  for (const rank of [1, 2, 3]) {
    const cases = [...anyCases(rank, 8, 1)];
    assert.ok(cases.length > 0);
    for (const [index, { plan }] of cases.entries()) expectSameBack(plan, `${rank} axes, case ${index}`);
  }
});

const plan = soundPlans['margins exchanged in part']?.();
if (plan === undefined) throw new Error('no plan');

test('roles that differ in cells alone are written as what differs', () => {
  const lengths = plan.roles.map(({ name }) => textsOf(plan).get(rolePath(name))?.length ?? 0);
  assert.equal(firstsAlike(plan), [0, 0, 0, 0]);
  for (const length of lengths.slice(1)) assert.ok(length < at(lengths, 0) / 2, lengths.join());
  const others = { ...plan, roles: plan.roles.map((role, stage) => ({ ...role, stage })) };
  for (const [path, text] of textsOf(others))
    assert.is(text.includes('"like"'), false, `${path}: of other stages`);
});

const [first, second] = plan.roles.map(({ name }) => rolePath(name)) as [string, string];

/** What is said of the files, one of which says something else. */
function problemWith(path: string, change: (content: PlanFile['content']) => unknown): string {
  const texts = new Map(textsOf(plan as Plan));
  texts.set(path, JSON.stringify(change(JSON.parse(texts.get(path) ?? ''))));
  const read = readFrom(texts);
  if ('problem' in read) return `${read.file}: ${read.problem}`;
  return roleMistold(read.value.plan as Plan, read.value.told)?.name ?? 'nothing';
}

test('a role that is like none before it is refused', () => {
  for (const like of ['nothing', at(plan.roles, 1).name, at(plan.roles, 2).name, 3, null, '__proto__'])
    assert.is(
      problemWith(second, (content) => ({ ...content, like })),
      `${second}: it is like no role before it`,
    );
  assert.is(
    problemWith(second, (content) => ({ ...content, but: { buffers: { 999: [0] } } })),
    `${second}: but.buffers.999 is of what is not there`,
  );
});

test('two segments of one name are refused', () => {
  const own = at(plan.segments, 0);
  const other = { ...own, workspace: own.workspace + 1 };
  const program = { buffers: [], instructions: [], segments: [other] };
  assert.is(
    problemWith(second, () => program),
    `${second}: another role has another segment ${own.name}`,
  );
});

test('what is no list is refused', () => {
  assert.is(
    problemWith(bundlePaths.plan, () => ({})),
    `${bundlePaths.plan}: plan.roles is not a list`,
  );
  for (const content of [null, 3, [], { segments: {} }])
    assert.is(
      problemWith(first, () => content),
      `${first}: its segments are not a list`,
    );
});

test('what others are told of a role is held against its program', () => {
  const { name } = at(plan.roles, 1);
  const told = (change: object) => (content: PlanFile['content']) =>
    'roles' in content
      ? { ...content, roles: content.roles.map((one) => (one.name === name ? { ...one, ...change } : one)) }
      : content;
  assert.is(problemWith(bundlePaths.plan, told({})), 'nothing');
  for (const change of [
    { talks: [] },
    { states: [] },
    { talks: undefined },
    { talks: [{ do: 'send', stage: 1 }] },
  ])
    assert.is(problemWith(bundlePaths.plan, told(change)), name);
});

/** Prints all roles of a plan whose files come on stdin, spelt out. */
const READ = `
import json, sys
sys.path.insert(0, sys.argv[1])
from unetc_torch.plan_files import plan_in_files
for texts in json.load(sys.stdin):
    roles = plan_in_files(texts.__getitem__)["roles"]
    print(json.dumps([{key: role[key] for key in ("name", "buffers", "instructions", "segments")} for role in roles]))
`;

pythonTest('json', 'Python reads the same programs', (python) => {
  const plans = Object.values(soundPlans).map((make) => make());
  const input = JSON.stringify(plans.map((one) => Object.fromEntries(textsOf(one))));
  const { stdout, stderr } = spawnSync(python, ['-c', READ, torchFolder], {
    input,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  const lines = stdout.trim().split('\n');
  assert.is(lines.length, plans.length, stderr);
  for (const [index, { roles, segments }] of plans.entries()) {
    const named = new Map(segments.map((segment) => [segment.name, segment]));
    const expected = roles.map(({ name, buffers, instructions }) => {
      const run = new Set(instructions.flatMap((one) => (one.do === 'run' ? [one.segment] : [])));
      return { name, buffers, instructions, segments: [...run].map((one) => named.get(one)) };
    });
    assert.equal(JSON.parse(lines[index] ?? ''), expected);
  }
});

/** Prints which files are read of a plan, whose files come on stdin, for the program of its last role. */
const LAST = `
import json, sys
sys.path.insert(0, sys.argv[1])
from unetc_torch.plan_files import plan_in_files
texts, read = json.load(sys.stdin), []
last = plan_in_files(lambda name: read.append(name) or texts[name])["roles"][-1]
print(json.dumps([last["name"], last["talks"], last["states"]]))
print(json.dumps(read))
last["buffers"], last["segments"]
print(json.dumps(read))
`;

pythonTest('json', 'Python reads the programs that are asked for, and no others', (python) => {
  const input = JSON.stringify(Object.fromEntries(textsOf(plan)));
  const { stdout, stderr } = spawnSync(python, ['-c', LAST, torchFolder], { input, encoding: 'utf8' });
  const [told, before, after] = stdout.split('\n');
  const { name } = at(plan.roles, 3);
  assert.is(JSON.parse(told ?? '')[0], name, stderr);
  assert.is(before, JSON.stringify([bundlePaths.plan]).replaceAll(',', ', '));
  assert.equal(JSON.parse(after ?? ''), [bundlePaths.plan, rolePath(name), first]);
});

test.run();
