/** Strips take what the search says: on top of the plain step, the simulator finds the seconds that parts are told to add. */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { simulate } from '../backends/simulator/simulate.ts';
import { workedSeconds } from '../backends/simulator/simulation.ts';
import { readMachine } from '../cli/inputs-machine.ts';
import { carryOut, modelOf } from '../compiler/compile.ts';
import { at } from '../ir/box.ts';
import { plainDecisions, type Strips } from '../ir/schedule.ts';
import { tiledExtents } from '../ir/tiling.ts';
import { product } from '../ir/type.ts';
import { partsOf } from '../passes/decide/recompute/parts.ts';
import { tapeOf } from '../passes/decide/recompute/tape.ts';
import { opSeconds, piecesOf, situationOf } from '../passes/decide/situation.ts';
import { valueIn } from './support/devices.ts';

const file = 'bench/networks/scene.unet';
const source = readFileSync(new URL(`../${file}`, import.meta.url), 'utf8');
const sets = { rows: '416', columns: '608' };
const model = valueIn(modelOf({ source, file, sets, purpose: 'train' }));
const extents = tiledExtents(model);

for (const name of ['p40', 'summit-flat'])
  test(`strips on ${name} take what the search says, small kernels, cuts and sums included`, () => {
    const machine = valueIn(readMachine(name));
    const busy = (strips: readonly Strips[]): number => {
      const cuts = extents.map((extent) => [0, extent]);
      const schedule = { ...plainDecisions(model.rank), name: model.name, devices: 1, cuts, strips };
      const { roles } = simulate(valueIn(carryOut(model, schedule, machine)), machine);
      return workedSeconds(at(roles, 0).seconds);
    };
    const situation = situationOf(model, machine, { devices: 1 });
    const forward = opSeconds(situation, 'forward', extents, 1);
    const backward = opSeconds(situation, 'backward', extents, 1);
    const { profile } = situation;
    const bytes = new Map(
      [...profile.values].map(([value, one]) => [value, product(one.extents) * one.cellBytes]),
    );
    const pieces = piecesOf(situation, extents, 1);
    const parts = partsOf({ model, forward, backward, pieces }, tapeOf({ profile, forward, bytes }));
    assert.ok(parts.some((all) => all.length === 2));
    const plain = busy([]);
    for (const all of parts) {
      const told = all.reduce((sum, { part }) => sum + part.seconds, 0);
      const found = busy(all.map(({ strips }) => strips)) - plain;
      assert.ok(Math.abs(told / found - 1) < 0.05, `${told} s told, ${found} s found`);
    }
  });

test.run();
