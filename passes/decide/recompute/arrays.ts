/** A tape as arrays: walks go through it thousands of times. */
import type { Tape } from './tape.ts';

/** Lists of numbers, one after another: those of list `i` begin at `starts[i]` and end before `starts[i + 1]`. */
export type Lists = { readonly starts: Int32Array; readonly items: Int32Array };

export function listsOf(lists: readonly (readonly number[])[]): Lists {
  const starts = new Int32Array(lists.length + 1);
  lists.forEach((list, i) => {
    starts[i + 1] = (starts[i] as number) + list.length;
  });
  const items = new Int32Array(starts[lists.length] as number);
  lists.forEach((list, i) => {
    items.set(list, starts[i]);
  });
  return { starts, items };
}

/** For each value the places, from one to before another, at which any of the lists have it. */
function listsThatHave(all: readonly Lists[], from: number, until: number, count: number): Lists {
  const last = new Int32Array(count);
  const visit = (found: (value: number, place: number) => void): void => {
    last.fill(-1);
    for (let place = from; place < until; place++)
      for (const { starts, items } of all) {
        const end = starts[place + 1] as number;
        for (let i = starts[place] as number; i < end; i++) {
          const value = items[i] as number;
          if (last[value] !== place) found(value, place);
          last[value] = place;
        }
      }
  };
  const starts = new Int32Array(count + 1);
  visit((value) => {
    starts[value + 1] = (starts[value + 1] as number) + 1;
  });
  for (let value = 0; value < count; value++)
    starts[value + 1] = (starts[value + 1] as number) + (starts[value] as number);
  const next = starts.slice(0, count);
  const items = new Int32Array(starts[count] as number);
  visit((value, place) => {
    const i = next[value] as number;
    items[i] = place;
    next[value] = i + 1;
  });
  return { starts, items };
}

export type Arrays = ReturnType<typeof arraysOf>;

/** The tape as arrays. */
export function arraysOf({ values, steps, forward }: Tape) {
  // What has no bytes need not be followed.
  const isFollowed = values.map(({ bytes, price }) => bytes > 0 || price !== undefined);
  const mayBeDropped = values.map(({ price, follows }) => price !== undefined || follows === true);
  const makes = new Int32Array(steps.map((step) => step.makes));
  const maker = new Int32Array(values.length).fill(-1);
  for (let step = 0; step < makes.length; step++) maker[makes[step] as number] = step;
  const reads = listsOf(steps.map((step) => step.reads.filter((value) => isFollowed[value] === true)));
  const lean = listsOf(steps.map((step) => step.lean?.reads ?? []));
  const ahead = steps.slice(0, forward);
  return {
    reads,
    /** Of each value the steps of the forward pass that read it, and those of the backward pass that may. */
    readers: listsThatHave([reads], 0, forward, values.length),
    backReaders: listsThatHave([reads, lean], forward, steps.length, values.length),
    makes,
    sessions: new Int32Array(steps.map(({ session = 0 }) => session)),
    gradients: new Float64Array(steps.map((step) => values[step.makes]?.gradientBytes ?? 0)),
    price: new Float64Array(values.map((value) => value.price ?? 0)),
    maker,
    followers: new Int32Array(
      ahead.flatMap((one, step) => (values[one.makes]?.follows === true ? [step] : [])),
    ),
    late: new Uint8Array(values.map(({ late }) => (late === true ? 1 : 0))),
    lean,
    leanBy: new Int32Array(steps.map((step) => step.lean?.bytes ?? -1)),
    bytes: new Int32Array(values.flatMap(({ noting }, value) => (noting === undefined ? [] : [value]))),
    noting: new Float64Array(values.map(({ noting = 0 }) => noting)),
    /** What may be dropped, from the last that is made to the first. */
    droppable: new Int32Array(
      ahead
        .map((step) => step.makes)
        .filter((value) => mayBeDropped[value] === true)
        .reverse(),
    ),
  };
}
