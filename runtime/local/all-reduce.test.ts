import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { at } from '../../ir/box.ts';
import { allReduce, type Meeting, partsOfSum } from './all-reduce.ts';
import { DeviceFault } from './fault.ts';
import { listen, type Mesh } from './mesh.ts';
import type { Patience } from './patience.ts';

const patience: Patience = { seconds: 20, progressOf: () => 0, whereIs: () => 'nowhere' };

/** Runs `body` with connected devices, all in this process but over real sockets. */
async function withMeshes(
  size: number,
  body: (meshes: readonly Mesh[]) => Promise<void>,
  waits = patience,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'unetc-'));
  const doors = await Promise.all(Array.from({ length: size }, (_, rank) => listen(folder, rank, size)));
  const meshes = await Promise.all(doors.map((door) => door.connect(waits)));
  try {
    await body(meshes);
  } finally {
    for (const mesh of meshes) mesh.close();
    await rm(folder, { recursive: true });
  }
}

/** Everybody at one table; `number` tells one meeting from the next. */
const meetingOf = (mesh: Mesh, number = 0): Meeting => ({
  size: mesh.size,
  member: mesh.rank,
  give: (member, part, message) => mesh.give(member, partsOfSum * number + part, message),
  receive: (member, part, into, what) => mesh.receive(member, partsOfSum * number + part, into, what),
});

/** The sum in rank order, each addition rounded to f32. */
const expectedSum = (inputs: readonly (readonly Float32Array[])[]): Float32Array[] =>
  at(inputs, 0).map((first, buffer) =>
    first.map((_, i) =>
      inputs.map((device) => at(device, buffer)[i] ?? 0).reduce((sum, next) => Math.fround(sum + next)),
    ),
  );

const lengths = fc.array(fc.nat(40), { minLength: 1, maxLength: 4 });

for (const size of [1, 2, 3, 5])
  test(`${size} devices: all hold the same bits, those of the sum in rank order`, () =>
    withMeshes(size, async (meshes) => {
      const inputs = lengths.chain((counts) =>
        fc.array(
          fc.tuple(
            ...counts.map((n) =>
              fc.float32Array({ minLength: n, maxLength: n, noNaN: true, min: -1e6, max: 1e6 }),
            ),
          ),
          { minLength: size, maxLength: size },
        ),
      );
      let numbers = 0;
      await fc.assert(
        fc.asyncProperty(inputs, async (given) => {
          const number = numbers++;
          const expected = expectedSum(given);
          const held = given.map((device) => device.map((buffer) => Float32Array.from(buffer)));
          await Promise.all(
            held.map((buffers, rank) => allReduce(meetingOf(at(meshes, rank), number), buffers)),
          );
          for (const buffers of held) assert.equal(buffers.map(bits), expected.map(bits));
        }),
        { numRuns: 40 },
      );
    }));

const bits = (values: Float32Array): number[] => [...new Uint32Array(Float32Array.from(values).buffer)];

test('messages larger than any socket buffer, both ways at once, do not stop each other', () =>
  withMeshes(3, async (meshes) => {
    // Whole numbers that f32 adds exactly; no two pieces have the same.
    const sizes = [3_000_001, 5, 262_144];
    const held = meshes.map((_, rank) =>
      sizes.map((size, buffer) => Float32Array.from({ length: size }, (_, i) => i + buffer + rank)),
    );
    await Promise.all(held.map((buffers, rank) => allReduce(meetingOf(at(meshes, rank)), buffers)));
    for (const buffers of held)
      for (const [buffer, values] of buffers.entries())
        assert.ok(values.every((sum, i) => sum === 3 * (i + buffer) + 3));
  }));

test('a device that does not take part is named, with what was waited for', () =>
  withMeshes(
    2,
    async ([first]) => {
      const fault = await refusal(allReduce(meetingOf(at([first], 0) as Mesh), [new Float32Array(4)]));
      assert.is(fault.peer, 1);
      assert.equal(fault.fault, {
        code: 'device-silent',
        args: { seconds: 0.1, what: 'its share of a sum', peer: 1, instruction: 'all_reduce of step 3' },
      });
    },
    { seconds: 0.1, progressOf: () => 0, whereIs: () => 'all_reduce of step 3' },
  ));

test('a device that works on is waited for, however long it takes', async () => {
  let moves = 0;
  const working: Patience = { ...patience, seconds: 0.05, progressOf: () => moves++ };
  await withMeshes(
    2,
    async (meshes) => {
      const held = meshes.map(() => Float32Array.of(1));
      const early = allReduce(meetingOf(at(meshes, 0)), [at(held, 0)]);
      await new Promise((resolve) => setTimeout(resolve, 300));
      await Promise.all([early, allReduce(meetingOf(at(meshes, 1)), [at(held, 1)])]);
      assert.equal([...at(held, 0)], [2]);
    },
    working,
  );
});

test('a device whose connection breaks is named at once', () =>
  withMeshes(2, async (meshes) => {
    const sum = refusal(allReduce(meetingOf(at(meshes, 0)), [new Float32Array(4)]));
    at(meshes, 1).close();
    const fault = await sum;
    assert.is(fault.fault.code, 'device-lost');
    assert.is(fault.peer, 1);
  }));

async function refusal(promise: Promise<unknown>): Promise<DeviceFault> {
  const reason: unknown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(reason instanceof DeviceFault)) throw new Error(`not refused, but ${reason}`);
  return reason;
}

test.run();
