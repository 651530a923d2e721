/** "Did you mean ...?": the nearest of some words to one that nobody knows. */

const plain = (word: string): string => word.toLowerCase().replace(/[_-]/g, '');

/** Edit distance with neighbouring letters swapped as one edit (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      const cost = Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (same ? 0 : 1));
      const swapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      next.push(swapped ? Math.min(cost, (before[j - 2] ?? 0) + 1) : cost);
    }
    before = row;
    row = next;
  }
  return row[b.length] ?? 0;
}

/** The word of `known` that `word` was probably meant to be; the first of equally near ones. */
export function nearestWord(word: string, known: Iterable<string>): string | undefined {
  const wanted = plain(word).slice(0, 40);
  const ranked = [...known]
    .map((candidate) => ({ candidate, distance: editDistance(wanted, plain(candidate)) }))
    .filter(({ candidate, distance }) => distance <= Math.min(wanted.length, candidate.length) / 3)
    .sort((a, b) => a.distance - b.distance);
  return ranked[0]?.candidate;
}
