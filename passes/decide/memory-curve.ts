/**
 * What a step takes within any amount of memory: micro-batches, tiles one after another, strips and values computed
 * again, traded for time. Of the shapes that are worth a look each is priced again and again, each time with a little
 * less memory than it needed before; the points that no other beats are the curve.
 */
import { at } from '../../ir/box.ts';
import { product } from '../../ir/type.ts';
import { type Context, type Evaluated, evaluate } from './evaluate.ts';
import { microBatched, type Shape, streamed } from './shapes.ts';

/** How many of the shapes that were priced are looked at, beside the variants of the best. */
const looked = 12;

/** How far below the last point the next is aimed at, and how many there may be: cutting a pipeline takes long. */
const plain = { ratio: 0.999, points: 400 } as const;
const pipelined = { ratio: 0.9, points: 6 } as const;

/** Points of the curve: those closer together than this share of the memory are one. */
const thinning = 0.01;

/** From the fastest to the one of least memory. `priced`: ascending by seconds. */
export function memoryCurve(
  context: Context,
  priced: readonly Evaluated[],
  best: Evaluated,
): readonly Evaluated[] {
  const shapes = new Map<string, Shape>();
  for (const shape of [
    best.shape,
    ...priced.slice(0, looked).map((one) => one.shape),
    ...variants(context, best),
  ])
    shapes.set(JSON.stringify(shape), shape);
  const others = [...shapes.values()].flatMap((shape) => within(context, shape));
  return pareto([best, ...others.filter((one) => !isAsGood(one, best))]);
}

/** As fast, with a little less memory: the one that was chosen stands for it. */
const isAsGood = (one: Evaluated, best: Evaluated): boolean =>
  Math.abs(one.seconds / best.seconds - 1) < 1e-6 && one.memory <= best.memory;

/** The same tiles or stages with other micro-batches, and with tiles one after another. */
function variants({ situation, space }: Context, { shape }: Evaluated): Shape[] {
  if (shape.stages > 1) return [];
  const once = { ...shape, stream: shape.stream.map(() => 1) };
  const whole = product(shape.stream) === 1 ? microBatched(situation, once) : [];
  const last = whole.at(-1);
  return last === undefined ? [] : [...whole, ...streamed(situation, last, space)];
}

function within(context: Context, shape: Shape): Evaluated[] {
  const { ratio, points } = shape.stages === 1 ? plain : pipelined;
  const found: Evaluated[] = [];
  let memory = Number.POSITIVE_INFINITY;
  while (found.length < points) {
    const next = evaluate(context, shape, memory);
    if (next === undefined) return found;
    found.push(next);
    memory = next.memory * ratio;
  }
  return found;
}

/** How many times slower than the fastest is of no use. */
const slowest = 10;

/** None needs less memory and no more time than another. */
function pareto(all: readonly Evaluated[]): Evaluated[] {
  const kept: Evaluated[] = [];
  for (const one of all.toSorted((a, b) => a.seconds - b.seconds || a.memory - b.memory)) {
    const last = kept.at(-1);
    if (last !== undefined && one.seconds > slowest * at(kept, 0).seconds) break;
    if (last === undefined || one.memory < last.memory * (1 - thinning)) kept.push(one);
  }
  return kept;
}
