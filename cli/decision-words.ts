/** Why a schedule was chosen, in words and numbers. */
import type { Alternative, Decision, Parts } from '../ir/decision.ts';
import { product } from '../ir/type.ts';
import { showBytes, showSeconds } from '../ir/units.ts';
import type { PlanJson } from './plan-json.ts';
import { many } from './plan-tables.ts';
import { type Binding, bindings } from './prediction.ts';

/** Of samples a second. */
export const showRate = (rate: number): string =>
  rate < 1000 ? rate.toPrecision(3) : Math.round(rate).toLocaleString('en-US');

export const percent = (share: number): string => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

export const partWords: { readonly [P in keyof Parts]: string } = {
  compute: 'computing',
  margins: 'computing margins',
  sweep: 'a sweep for the sums of a loss',
  recompute: 'computing again what was not kept',
  messages: 'exchanging margins and messages',
  bubble: 'waiting for other stages',
  allReduce: 'summing gradients',
  update: 'adding up gradients and updating weights',
  load: 'reading images and labels',
};

/** What would help where the most time beyond plain computing goes. */
export const remedies: { readonly [P in keyof Parts]: string } = {
  compute: 'faster devices or more of them',
  margins:
    'larger tiles (fewer devices an image, more images a step) or a faster link, so that exchanging pays',
  sweep:
    'more devices or more memory a device, so that each has its tiles at once; or a loss that is a plain sum',
  recompute: 'more memory a device',
  messages: 'a link of less latency, or larger tiles',
  bubble: 'more micro-batches',
  allReduce: 'a faster all-reduce, or more work a step',
  update: 'a faster memory, or stages that share the parameters out',
  load: 'a faster storage',
};

const parts = (alternative: Alternative): [keyof Parts, number][] =>
  (Object.entries(alternative.parts) as [keyof Parts, number][]).sort((a, b) => b[1] - a[1]);

/** What of an alternative is told in short. */
export type InShort =
  | 'replicas'
  | 'stages'
  | 'folded'
  | 'tiles'
  | 'stream'
  | 'microBatches'
  | 'recomputed'
  | 'lean'
  | 'strips';

/** `2 replicas x 48 x 32 tiles, 3 stages (folded)` */
export function inShort({
  replicas,
  stages,
  folded,
  tiles,
  stream,
  microBatches,
  recomputed,
  lean,
  strips,
}: Pick<Alternative, InShort>): string {
  const streamed = product(stream);
  return [
    many(replicas, 'replica'),
    product(tiles) === 1 ? 'whole images' : `${tiles.join(' x ')} tiles`,
    ...(stages === 1 ? [] : [`${stages} stages${folded ? ', folded' : ''}`]),
    ...(streamed === 1 ? [] : [`${streamed} tiles a device one after another`]),
    ...(microBatches === 1 ? [] : [many(microBatches, 'micro-batch')]),
    ...(recomputed === 0 ? [] : [`${many(recomputed, 'value')} computed again`]),
    ...(lean === 0 ? [] : [`${many(lean, 'value')} as a byte a cell`]),
    ...(strips === 0 ? [] : [`${many(strips, 'segment')} in strips`]),
  ].join(', ');
}

/** Figures that are only there where a machine is. */
type Shown = Pick<PlanJson, 'schedule' | 'predicted' | 'bound' | 'decision'>;

/** Empty where no machine is known. */
export function decisionInWords({ schedule, predicted, bound, decision }: Shown): string[] {
  const { stepSeconds, samplesPerSecond, efficiency, binding } = predicted;
  if (
    stepSeconds === undefined ||
    samplesPerSecond === undefined ||
    efficiency === undefined ||
    bound === undefined
  )
    return [];
  return [
    `Predicted: ${showSeconds(stepSeconds)} a step, ${showRate(samplesPerSecond)} samples/s, efficiency ${percent(efficiency)} of ${many(decision?.available ?? schedule.devices, 'device')}.`,
    `No ${bound.pipeline ? 'pipeline in straight or nested stages' : 'schedule'} is faster than ${showSeconds(bound.any)} (gap ${percent(bound.gap)})${bound.class === undefined ? '' : `; none that was searched than ${showSeconds(bound.class)}`}.`,
    ...(binding === undefined ? [] : [bindingInWords(binding)]),
    ...(decision === undefined ? [] : choiceInWords(decision)),
  ];
}

export const bindingWords: { readonly [B in Binding]: string } = {
  arithmetic: 'arithmetic',
  traffic: 'memory traffic',
  launches: 'launches of kernels',
  messages: 'messages',
  sums: 'sums of gradients',
  storage: 'reading from storage',
  idle: 'waiting for others',
};

/** `The busiest device is bound by arithmetic (79 %), then memory traffic (9.2 %), messages (6.5 %).` */
function bindingInWords(binding: Readonly<Record<Binding, number>>): string {
  const all = Object.values(binding).reduce((sum, seconds) => sum + seconds, 0);
  const [first = '', ...others] = bindings
    .toSorted((a, b) => binding[b] - binding[a])
    .filter((one) => binding[one] >= 0.01 * all)
    .map((one) => `${bindingWords[one]} (${percent(binding[one] / all)})`);
  return `The busiest device is bound by ${first}${others.length === 0 ? '' : `, then ${others.join(', ')}`}.`;
}

/** Where most time goes beyond plain computing; computing itself where nothing else counts. */
export function bottleneckOf({ chosen }: Decision): keyof Parts {
  const [worst] = parts(chosen).filter(([part]) => part !== 'compute');
  return worst === undefined || worst[1] < 0.02 * chosen.seconds ? 'compute' : worst[0];
}

function choiceInWords(decision: Decision): string[] {
  const { chosen, runnersUp, considered, priced } = decision;
  const spent = parts(chosen).filter(([, seconds]) => seconds >= 0.005 * chosen.seconds);
  const shares = spent.map(([part, seconds]) => `${percent(seconds / chosen.seconds)} ${partWords[part]}`);
  return [
    `Chosen of ${many(considered, 'shape')}, ${many(priced, 'way')} to use them priced in full: ${inShort(chosen)}.`,
    `Its time: ${shares.join(', ')}. What would help: ${remedies[bottleneckOf(decision)]}.`,
    ...(runnersUp.length === 0 ? [] : ['Runners-up:']),
    ...runnersUp.map((one) => `  ${loses(one, chosen)}`),
  ];
}

/** A runner-up, and the kind of time that it loses by. */
function loses(one: Alternative, chosen: Alternative): string {
  const more = parts(one)
    .map(([part, seconds]): [keyof Parts, number] => [part, seconds - chosen.parts[part]])
    .sort((a, b) => b[1] - a[1])[0];
  const reason = more === undefined ? '' : `: ${showSeconds(more[1])} more ${partWords[more[0]]}`;
  const slower = percent(one.seconds / chosen.seconds - 1);
  return `${inShort(one)} (${showBytes(one.memory)} a device), ${slower} slower${reason}`;
}
