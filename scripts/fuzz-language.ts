/**
 * Breaks model texts at random and reads them: `npx tsx scripts/fuzz-language.ts [COUNT] [SEED]`.
 * Ends with a stack trace at the first text that throws; prints how long the longest took.
 */
import { fuzz } from '../compiler/front/tests/testing.ts';

const [count = 100_000, seed = 1] = process.argv.slice(2).map(Number);
const began = performance.now();
const { sound, longest, worst } = fuzz(count, seed, () => performance.now());
console.log(
  `${count} texts in ${((performance.now() - began) / 1000).toFixed(1)} s, ${sound} of them sound models`,
);
console.log(`the longest took ${longest.toFixed(0)} ms:\n${worst}`);
