/**
 * `npm test` draws the same cases every time, so that a failure is that of the change at hand; `UNETC_SEED=NUMBER`
 * draws others. A test file that is run by itself draws new ones each time.
 */
import fc from 'fast-check';

fc.configureGlobal({ seed: Number(process.env.UNETC_SEED ?? 2020) });
