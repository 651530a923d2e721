/**
 * The law on as many drawn cases as wanted: whatever the network and the schedule, loss and gradients of the
 * plan are those of the plain network.
 *
 *   npx tsx scripts/law.ts [CASES] [CASES ON DEVICES] [SEED]
 *
 * CASES (2000) in float64, in this process; then as many on device processes with ONNX Runtime in fp32 (a
 * twentieth of that), half of them smooth, half of them of exact numbers. Prints every case that fails, and
 * what of the decisions and ops the cases met. Ends with 1 if any failed.
 */
import {
  type Coverage,
  cover,
  coverageLines,
  coverPairs,
  missingValues,
  type Pairs,
  pairCount,
} from '../tests/support/coverage.ts';
import {
  anyCases,
  exactCases,
  type LawCase,
  scheduleInWords,
  smoothCases,
} from '../tests/support/law-cases.ts';
import { errorsOf, firstDifference, inFloat64, onRealDevices, type Pair } from '../tests/support/laws.ts';

type Law = {
  readonly name: string;
  readonly cases: Iterable<LawCase>;
  /** Where the law ends being true. */
  readonly tolerance: number;
  run(one: LawCase): Pair | Promise<Pair>;
};

const [cases = 2000, onDevices = Math.ceil(cases / 20), seed = 1] = process.argv.slice(2).map(Number);
const half = Math.ceil(onDevices / 2);

const laws: readonly Law[] = [
  law('two axes, float64', anyCases(2, Math.ceil(cases * 0.75), seed), 1e-9, inFloat64),
  law('one axis, float64', anyCases(1, Math.ceil(cases * 0.2), seed), 1e-9, inFloat64),
  law('three axes, float64', anyCases(3, Math.ceil(cases * 0.05), seed), 1e-9, inFloat64),
  law('smooth networks on devices, fp32', smoothCases(half, seed), 1e-4, onRealDevices),
  law('exact numbers on devices, fp32', exactCases(half, seed), 0, onRealDevices),
];

function law(
  name: string,
  drawn: Iterable<LawCase>,
  tolerance: number,
  run: (one: LawCase) => Pair | Promise<Pair>,
): Law {
  return { name, cases: drawn, tolerance, run };
}

/** Numbers that must be equal are compared one by one; others as `unetc verify --numeric` does. */
function faultOf(pair: Pair, tolerance: number): string | undefined {
  if (tolerance === 0) return firstDifference(pair);
  const { loss, gradient, worst } = errorsOf(pair);
  if (loss <= tolerance && gradient <= tolerance) return undefined;
  return `loss off by ${loss}, gradient of ${worst} off by ${gradient}`;
}

let failed = 0;
const whole: Coverage = new Map();
const pairs: Pairs = new Set();
for (const { name, cases: drawn, tolerance, run } of laws) {
  const coverage: Coverage = new Map();
  const largest = { loss: 0, gradient: 0 };
  const began = performance.now();
  let count = 0;
  for (const one of drawn) {
    const pair = await run(one);
    const errors = errorsOf(pair);
    largest.loss = Math.max(largest.loss, errors.loss);
    largest.gradient = Math.max(largest.gradient, errors.gradient);
    const fault = faultOf(pair, tolerance);
    if (fault !== undefined) console.log(`FAILED: ${scheduleInWords(one.plan)}, seed ${one.seed}: ${fault}`);
    if (fault !== undefined) failed++;
    cover(coverage, one.plan);
    cover(whole, one.plan);
    coverPairs(pairs, one.plan);
    count++;
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  console.log(`\n${name}: ${count} cases in ${seconds} s`);
  console.log(
    `  largest errors: loss ${largest.loss.toExponential(1)}, gradient ${largest.gradient.toExponential(1)}`,
  );
  for (const line of coverageLines(coverage)) console.log(`  ${line}`);
}
const missing = missingValues(whole);
console.log(`\nValues of decisions that no case met: ${missing.length === 0 ? 'none' : missing.join(', ')}.`);
console.log(`Pairs of values of two decisions in one case: ${pairs.size} of ${pairCount()}.`);
console.log(failed === 0 ? '\nThe law held in every case.' : `\n${failed} cases failed.`);
process.exitCode = failed === 0 ? 0 : 1;
