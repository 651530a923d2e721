/** The rule of memory: a device's peak, beyond what it has with its sessions loaded, to what the plan predicts. */
import * as assert from 'uvu/assert';

/** Runs, of which the least ratio counts: when garbage is collected is not ours to say, and depends on what else runs. */
const runs = 5;
/** A ratio so near to 1 is not measured again. */
const near = 1.1;

/** `measure`: a run, and its ratio. Gives the run of the least ratio, which must lie between 0.9 and 1.15. */
export async function withinRule<T extends { readonly ratio: number }>(
  measure: () => Promise<T>,
): Promise<T> {
  let best = await measure();
  for (let run = 1; run < runs && best.ratio > near; run++) {
    const again = await measure();
    if (again.ratio < best.ratio) best = again;
  }
  assert.ok(best.ratio >= 0.9 && best.ratio <= 1.15, `measured / predicted is ${best.ratio.toFixed(2)}`);
  return best;
}
