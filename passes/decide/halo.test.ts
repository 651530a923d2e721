/** The halo programme against every choice there is, on small networks that are drawn. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { at } from '../../ir/box.ts';
import type { Model } from '../../ir/model.ts';
import type { Exchange } from '../../ir/schedule.ts';
import { roundMachine } from '../../tests/support/machines.ts';
import { networkOf, recipes } from '../../tests/support/networks.ts';
import {
  bestHalo,
  type HaloQuestion,
  mayExchange,
  priceHalo,
  pricingOf,
  pureExchange,
  pureOverlap,
} from './halo.ts';
import { descend } from './halo-descent.ts';
import { nestedHalo } from './halo-nested.ts';
import { profileOf } from './profile.ts';
import { ownSeconds, situationOf } from './situation.ts';

type Drawn = { readonly model: Model; readonly question: HaloQuestion };

const questions: fc.Arbitrary<Drawn> = fc
  .record({
    recipe: recipes(2),
    side: fc.constantFrom(16, 32, 64),
    latency: fc.constantFrom(0, 1e-7, 1e-6, 1e-5),
    bandwidth: fc.constantFrom(1e8, 1e9, 1e10),
    grid: fc.constantFrom([2, 2], [1, 3], [4, 1]),
    units: fc.constantFrom([64, 64], [2, 4], [1, 1]),
  })
  .map(({ recipe, side, latency, bandwidth, grid, units }): Drawn | undefined => {
    const model = networkOf(recipe);
    if (model?.training === undefined || model.loss === undefined) return undefined;
    const question = {
      profile: profileOf(model),
      device: { ...roundMachine.device, launch: 0 },
      tile: [side, side],
      grid,
      units,
      samples: 1,
      exchangeSeconds: (bytes: readonly number[]) =>
        latency + bytes.reduce((sum, one) => sum + one, 0) / bandwidth,
      gatherSeconds: () => 0,
      swept: new Set<string>(),
      exchanges: true,
    };
    return { model, question };
  })
  .filter((drawn): drawn is Drawn => drawn !== undefined);

const near = (a: number, b: number): boolean => Math.abs(a - b) <= 1e-9 * Math.max(a, b);

/** At each operand nothing, one cell, two, or all of the margin: an exchange of more cells than are needed is one of all. */
const widths = [0, 1, 2, 1000] as const;

function everyChoice({ question }: Drawn): number | undefined {
  const edges = pricingOf(question).edges.flat().filter(mayExchange(question));
  if (edges.length > 6) return undefined;
  let least = Number.POSITIVE_INFINITY;
  for (let choice = 0; choice < widths.length ** edges.length; choice++) {
    const chosen = edges.flatMap(({ op, operand }, i): Exchange[] => {
      const cells = at(widths, Math.floor(choice / widths.length ** i) % widths.length);
      return cells === 0 ? [] : [{ before: at(question.profile.ops, op).op.output, operand, cells }];
    });
    least = Math.min(least, priceHalo(question, chosen).seconds);
  }
  return least;
}

/** Maps are copied, and cut out of wider ones, in no time. */
const copiesForNothing = (question: HaloQuestion): HaloQuestion => ({
  ...question,
  device: { ...question.device, traffic: { move: [{ size: 1, share: 1e9 }] } },
});

// A narrower margin may have to be cut out of a map that is held wider, so that it is not always better than a wider one.
test('nested networks: no choice of operands to exchange before, and of how much, is better, but for cuts', () => {
  let compared = 0;
  fc.assert(
    fc.property(questions, fc.boolean(), (drawn, isFree) => {
      const question = isFree ? copiesForNothing(drawn.question) : drawn.question;
      const nested = nestedHalo(pricingOf(question), mayExchange(question));
      const least = everyChoice({ ...drawn, question });
      if (nested === undefined || least === undefined) return;
      compared++;
      const most = least * (isFree ? 1 + 1e-8 : 1.06);
      assert.ok(nested.seconds <= most, `${nested.seconds}, and ${least} is possible`);
      assert.ok(near(priceHalo(question, nested.exchanges).seconds, nested.seconds));
    }),
    { numRuns: 100 },
  );
  assert.ok(compared > 10, `${compared} compared`);
});

test('any network: never worse than always or never exchanging', () => {
  fc.assert(
    fc.property(questions, ({ question }) => {
      const { seconds } = bestHalo(question);
      const plain = Math.min(pureOverlap(question).seconds, pureExchange(question).seconds);
      assert.ok(seconds <= plain * (1 + 1e-9));
    }),
    { numRuns: 40 },
  );
});

test('descent finds no better than the programme, and not much worse', () => {
  fc.assert(
    fc.property(questions, (drawn) => {
      const question = copiesForNothing(drawn.question);
      const [pricing, may] = [pricingOf(question), mayExchange(question)];
      const nested = nestedHalo(pricing, may);
      if (nested === undefined) return;
      const descended = descend(pricing, may).seconds;
      assert.ok(descended >= nested.seconds * (1 - 1e-8) && descended <= nested.seconds * 1.3);
    }),
    { numRuns: 25 },
  );
});

// Why the search does not look for coarsening.
test('no groups of tiles, with any exchanges, beat the best margins without groups', () => {
  let compared = 0;
  fc.assert(
    fc.property(
      questions,
      fc.constantFrom([1, 2], [2, 1], [2, 2], [1, 3], [4, 1]),
      fc.integer({ min: 1, max: 2 }),
      (drawn, grid, level) => {
        const question = copiesForNothing(drawn.question);
        const may = mayExchange(question);
        const plain = nestedHalo(pricingOf(question), may);
        const grouped = nestedHalo(pricingOf({ ...question, coarsen: { grid, level } }), may);
        if (plain === undefined || grouped === undefined) return;
        if (grouped.ofGroups?.size) compared++;
        assert.ok(plain.seconds <= grouped.seconds * (1 + 1e-8), `${plain.seconds}, ${grouped.seconds}`);
      },
    ),
    { numRuns: 150 },
  );
  assert.ok(compared > 10, `${compared} compared`);
});

/** Among the first draws of the second are steps of two cells amid which tiles begin. */
const draws = [{ numRuns: 60 }, { numRuns: 10, seed: -1870000495 }];

// Blocks of a cotangent share out the cells that were read, margins included: a fuller last wave may take less.
test('no choice of margins takes less work than the bound of a tile says', () => {
  const waves = [
    { processors: 8, pixels: 64, channels: 4 },
    { processors: 3, pixels: 16, channels: 8 },
  ] as const;
  const law = fc.property(questions, fc.constantFrom(...waves), ({ model, question }, wave) => {
    const machine = { ...roundMachine, device: { ...question.device, wave } };
    const least = ownSeconds(situationOf(model, machine, {}), question.tile, question.samples);
    const asked = { ...question, device: machine.device };
    for (const { forward, backward } of [pureExchange(asked), pureOverlap(asked), bestHalo(asked)]) {
      const work = [...forward, ...backward].reduce((sum, one) => sum + one, 0);
      assert.ok(least <= work * (1 + 1e-9), `${least}, and ${work} is possible`);
    }
  });
  for (const drawn of draws) fc.assert(law, drawn);
});

test('the decisions of an answer price as the answer says', () => {
  fc.assert(
    fc.property(questions, ({ question }) => {
      const { exchanges, seconds } = bestHalo(question);
      assert.ok(near(priceHalo(question, exchanges).seconds, seconds));
    }),
    { numRuns: 40 },
  );
});

test.run();
