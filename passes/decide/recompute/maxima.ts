/** The most of any stretch of a list of numbers (a sparse table); they are not negative. */
export type Maxima = {
  /** Takes up other numbers; `raise` lifts one of them, and `end` tells that they are all there. */
  begin(numbers: Float64Array): void;
  raise(place: number, to: number): void;
  end(): void;
  /** The most before a place, from a place on, and between two of them; 0 where there is nothing. */
  before(place: number): number;
  from(place: number): number;
  between(from: number, until: number): number;
};

export function maximaOf(count: number): Maxima {
  // On level k stands at each place the most of the 2^k numbers from there.
  const levels: Float64Array[] = [];
  for (let width = 1; width <= count; width *= 2) levels.push(new Float64Array(count));
  const own = levels[0] ?? new Float64Array(0);
  const between = (from: number, until: number): number => {
    if (until <= from) return 0;
    const level = 31 - Math.clz32(until - from);
    const table = levels[level] as Float64Array;
    return Math.max(table[from] as number, table[until - 2 ** level] as number);
  };
  return {
    begin(numbers) {
      own.set(numbers);
    },
    raise(place, to) {
      if (to > (own[place] as number)) own[place] = to;
    },
    end() {
      for (let level = 1; level < levels.length; level++)
        double(levels[level - 1] as Float64Array, levels[level] as Float64Array, 2 ** (level - 1));
    },
    before: (place) => between(0, place),
    from: (place) => between(place, count),
    between,
  };
}

function double(below: Float64Array, here: Float64Array, width: number): void {
  for (let i = 0; i + 2 * width <= here.length; i++) {
    const [a, b] = [below[i] as number, below[i + width] as number];
    here[i] = a > b ? a : b;
  }
}
