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
      exchangeSeconds: (bytes: number) => latency + bytes / bandwidth,
      gatherSeconds: () => 0,
      swept: new Set<string>(),
      exchanges: true,
    };
    return { model, question };
  })
  .filter((drawn): drawn is Drawn => drawn !== undefined);

const near = (a: number, b: number): boolean => Math.abs(a - b) <= 1e-9 * Math.max(a, b);

/** Exchanges of the whole margin at the operands of a subset, widths found by trying: large ones do no harm. */
function everySubset({ question }: Drawn): number | undefined {
  const edges = pricingOf(question).edges.flat().filter(mayExchange(question));
  const wide = edges.map(
    ({ op, operand }): Exchange => ({ before: at(question.profile.ops, op).op.output, operand, cells: 1000 }),
  );
  if (wide.length > 9) return undefined;
  let least = Number.POSITIVE_INFINITY;
  for (let subset = 0; subset < 2 ** wide.length; subset++) {
    const chosen = wide.filter((_, i) => (subset >> i) % 2 === 1);
    least = Math.min(least, priceHalo(question, chosen).seconds);
  }
  return least;
}

test('nested networks: no choice of operands to exchange before is better', () => {
  let compared = 0;
  fc.assert(
    fc.property(questions, (drawn) => {
      const nested = nestedHalo(pricingOf(drawn.question), mayExchange(drawn.question));
      const least = everySubset(drawn);
      if (nested === undefined || least === undefined) return;
      compared++;
      assert.ok(near(nested.seconds, least), `${nested.seconds}, and ${least} is possible`);
    }),
    { numRuns: 60 },
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
    fc.property(questions, ({ question }) => {
      const [pricing, may] = [pricingOf(question), mayExchange(question)];
      const nested = nestedHalo(pricing, may);
      if (nested === undefined) return;
      const descended = descend(pricing, may).seconds;
      assert.ok(descended >= nested.seconds * (1 - 1e-9) && descended <= nested.seconds * 1.3);
    }),
    { numRuns: 25 },
  );
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
