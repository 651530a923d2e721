/** A tape as arrays: walks go through it thousands of times. */
import { at } from '../../../ir/box.ts';
import type { Tape } from './tape.ts';

/** Lists of numbers, one after another: those of list `i` begin at `starts[i]` and end before `starts[i + 1]`. */
export type Lists = { readonly starts: Int32Array; readonly items: Int32Array };

export function listsOf(lists: readonly (readonly number[])[]): Lists {
  const starts = new Int32Array(lists.length + 1);
  for (const [i, list] of lists.entries()) starts[i + 1] = (starts[i] as number) + list.length;
  return { starts, items: Int32Array.from(lists.flat()) };
}

/** For each value the places of the lists that have it. */
function listsThatHave(lists: readonly (readonly number[])[], count: number): Lists {
  const places = Array.from({ length: count }, (): number[] => []);
  lists.forEach((list, place) => {
    for (const value of new Set(list)) at(places, value).push(place);
  });
  return listsOf(places);
}

export type Arrays = ReturnType<typeof arraysOf>;

/** The tape as arrays. */
export function arraysOf({ values, steps, forward }: Tape) {
  // What has no bytes need not be followed.
  const isFollowed = values.map(({ bytes, price }) => bytes > 0 || price !== undefined);
  const maker = new Int32Array(values.length).fill(-1);
  steps.forEach(({ makes }, step) => {
    maker[makes] = step;
  });
  const reads = steps.map((step) => step.reads.filter((value) => isFollowed[value] === true));
  const isAhead = (step: number) => step < forward;
  const back = steps.map(({ lean }, step) =>
    isAhead(step) ? [] : [...new Set([...at(reads, step), ...(lean?.reads ?? [])])],
  );
  return {
    reads: listsOf(reads),
    /** Of each value the steps of the forward pass that read it, and those of the backward pass that may. */
    readers: listsThatHave(reads.slice(0, forward), values.length),
    backReaders: listsThatHave(back, values.length),
    makes: Int32Array.from(steps, ({ makes }) => makes),
    sessions: Int32Array.from(steps, ({ session = 0 }) => session),
    gradients: Float64Array.from(steps, ({ makes }) => values[makes]?.gradientBytes ?? 0),
    price: Float64Array.from(values, (value) => value.price ?? 0),
    maker,
    followers: Int32Array.from(
      steps.flatMap(({ makes }, step) => (isAhead(step) && values[makes]?.follows === true ? [step] : [])),
    ),
    late: Uint8Array.from(values, ({ late }) => (late === true ? 1 : 0)),
    lean: listsOf(steps.map(({ lean }) => lean?.reads ?? [])),
    leanBy: Int32Array.from(steps, ({ lean }) => lean?.bytes ?? -1),
    bytes: Int32Array.from(values.flatMap(({ noting }, value) => (noting === undefined ? [] : [value]))),
    noting: Float64Array.from(values, ({ noting = 0 }) => noting),
    /** What may be dropped, from the last that is made to the first. */
    droppable: Int32Array.from(
      steps
        .slice(0, forward)
        .map(({ makes }) => makes)
        .filter((value) => values[value]?.price !== undefined || values[value]?.follows === true)
        .reverse(),
    ),
  };
}
