/** The verifier: what it says. What it catches is in `mutations/`. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { at } from '../ir/box.ts';
import { verifyPlan } from '../ir/verify/plan.ts';
import { replaceAt } from './support/mutations/edit.ts';
import { soundPlans } from './support/mutations/plans.ts';

const sound = soundPlans['tiles, replicas and micro-batches']?.();
if (sound === undefined) throw new Error('no plan');

test('a plan of the compiler is sound', () => {
  assert.equal(verifyPlan(sound), []);
});

test('a fault names the role and the instruction', () => {
  const role = at(sound.roles, 0);
  const index = role.instructions.findIndex(({ do: what }) => what === 'all_reduce');
  const broken = {
    ...sound,
    roles: [{ ...role, instructions: replaceAt(role.instructions, index) }, ...sound.roles.slice(1)],
  };
  const messages = verifyPlan(broken).map(({ message }) => message);
  assert.ok(
    messages.some(
      (message) =>
        /role_0_0: instruction \d+ \(run step_\d \(step/.test(message) &&
        message.includes('before it is summed'),
    ),
    messages.join('\n'),
  );
});

test('all faults are listed, not the first alone', () => {
  const broken = {
    ...sound,
    roles: sound.roles.map((role) => ({ ...role, peakBytes: role.peakBytes + 64 })),
  };
  assert.is(verifyPlan(broken).length, sound.roles.length);
});

test.run();
