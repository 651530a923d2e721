/** From here on 1 - erf(x) is below 2.2e-17, less than half the last digit of 1. */
const far = 6;

/**
 * 2 / √π ∫₀ˣ exp(-t²) dt, as exp(-x²) Σ 2ⁿ x²ⁿ⁺¹ / (1·3·…·(2n+1)) (Abramowitz & Stegun 7.1.6): all terms have
 * one sign, so nothing cancels.
 */
export function erf(x: number): number {
  if (Math.abs(x) > far) return Math.sign(x);
  let [sum, term] = [0, x];
  for (let n = 0; sum + term !== sum; n++) {
    sum += term;
    term *= (2 * x * x) / (2 * n + 3);
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}
