/** Roles that differ in cells alone: which are, and that a check which is told once for them misses nothing. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { at } from '../ir/box.ts';
import type { Instruction, Plan, Role } from '../ir/plan.ts';
import { firstsAlike } from '../ir/verify/alike.ts';
import { verifyPlan } from '../ir/verify/plan.ts';
import { replaceAt } from './support/mutations/edit.ts';
import { soundPlans } from './support/mutations/plans.ts';

const sound = soundPlans['margins exchanged in part']?.();
if (sound === undefined) throw new Error('no plan');
/** Each of its four tiles fetches margins and computes the same ops, on other cells. */
const firsts = [0, 0, 0, 0];

const withRole = (plan: Plan, index: number, change: (role: Role) => Role): Plan => ({
  ...plan,
  roles: plan.roles.map((role, i) => (i === index ? change(role) : role)),
});

const withInstructions = (role: Role, instructions: readonly Instruction[]): Role => ({
  ...role,
  instructions,
});

test('tiles that differ in cells alone are alike, whatever objects say so', () => {
  assert.equal(firstsAlike(sound), firsts);
  assert.equal(firstsAlike(JSON.parse(JSON.stringify(sound))), firsts);
});

test('tiles of other stages are not', () => {
  const other = withRole(sound, 2, (role) => ({ ...role, stage: 1 }));
  assert.equal(firstsAlike(other), [0, 0, 2, 0]);
});

test('a role that lacks any instruction is like no other', () => {
  const last = sound.roles.length - 1;
  const { instructions } = at(sound.roles, last);
  for (const index of instructions.keys()) {
    const broken = withRole(sound, last, (role) =>
      withInstructions(role, replaceAt(role.instructions, index)),
    );
    assert.is(firstsAlike(broken)[last], last, `without instruction ${index}`);
  }
});

test('a role that names any buffer otherwise is like no other', () => {
  const last = sound.roles.length - 1;
  for (const [index, buffer] of at(sound.roles, last).buffers.entries())
    for (const other of [
      { ...buffer, value: 'another' },
      { ...buffer, death: buffer.death + 1 },
    ]) {
      const broken = withRole(sound, last, (role) => ({
        ...role,
        buffers: role.buffers.map((one, i) => (i === index ? other : one)),
      }));
      assert.is(firstsAlike(broken)[last], last, buffer.name);
    }
});

test('a segment that computes other values is like no other', () => {
  const last = sound.roles.length - 1;
  const run = at(sound.roles, last).instructions.find((one) => one.do === 'run' && one.why !== 'update');
  if (run?.do !== 'run') throw new Error('it runs nothing');
  const used = sound.roles.filter(({ instructions }) =>
    instructions.some((one) => one.do === 'run' && one.segment === run.segment),
  );
  // A segment of its own, with its first op under another name.
  const segments = sound.segments.flatMap((one) =>
    one.name === run.segment
      ? [
          one,
          {
            ...one,
            name: 'own',
            graph: {
              ...one.graph,
              ops: one.graph.ops.map((op, i) => (i === 0 ? { ...op, output: 'another' } : op)),
            },
          },
        ]
      : [one],
  );
  const broken = withRole({ ...sound, segments }, last, (role) =>
    withInstructions(
      role,
      role.instructions.map((one) =>
        one.do === 'run' && one.segment === run.segment ? { ...one, segment: 'own' } : one,
      ),
    ),
  );
  assert.ok(used.length > 0);
  assert.is(firstsAlike(broken)[last], last);
});

test('what is wrong with every role is told of each', () => {
  const broken = {
    ...sound,
    roles: sound.roles.map((role) =>
      withInstructions(
        role,
        replaceAt(
          role.instructions,
          role.instructions.findLastIndex((one) => one.do === 'free'),
        ),
      ),
    ),
  };
  assert.equal(firstsAlike(broken), firsts);
  const faults = verifyPlan(broken);
  for (const { name } of sound.roles)
    assert.ok(
      faults.some(({ code, message }) => code === 'never-freed' && message.includes(`${name}: `)),
      name,
    );
});

test('what is wrong with the last role alone is told', () => {
  const last = sound.roles.length - 1;
  const broken = withRole(sound, last, (role) =>
    withInstructions(
      role,
      replaceAt(
        role.instructions,
        role.instructions.findLastIndex((one) => one.do === 'free'),
      ),
    ),
  );
  const codes = new Set(verifyPlan(broken).map(({ code }) => code));
  assert.ok(codes.has('never-freed'), [...codes].join());
});

test.run();
