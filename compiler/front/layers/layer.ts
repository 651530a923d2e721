/** What all layers share: emitting an op at a call, and words about its operands. */
import type { Init } from '../../../ir/model.ts';
import type { OpAttributes, OpKind } from '../../../ir/ops/attributes.ts';
import type { Expression } from '../ast.ts';
import { bindingsAt, refuse, type Site } from '../context.ts';
import { showTensorSizes, type Tensor, type Trace, unknown, type Value } from '../value.ts';

type Extra = {
  /** Parameters after the tensors. */
  readonly arrays?: readonly string[];
  readonly trace?: Partial<Trace>;
  /** A hint in place of the table's, asked for should the op not fit. */
  readonly hint?: () => string | undefined;
};

/** Appends an op that computes one map from others; what does not fit is reported at the call. */
export function emitLayer<K extends OpKind>(
  site: Site,
  kind: K,
  name: string,
  inputs: readonly Tensor[],
  attrs: OpAttributes[K],
  { arrays = [], trace = {}, hint }: Extra = {},
): Value {
  const operands = [...inputs.map((input) => input.name), ...arrays];
  const type = site.context.network.emit(kind, name, operands, attrs);
  if ('code' in type && site.context.isReported(type.code, site.at)) return unknown;
  if ('code' in type) return refuse(site, type, { label: operandsLabel(site, inputs), hint: hint?.() });
  if (type.kind !== 'map') throw new Error(`\`${kind}\` is no layer: it gives an array`);
  site.context.places.set(name, site.at);
  const history = { ...joined(inputs), ...trace };
  site.context.coarsest = Math.max(site.context.coarsest, history.stride);
  return { kind: 'tensor', name, type, trace: history };
}

/** The history of a tensor made of several: the coarsest, and what happened to any of them. */
function joined(inputs: readonly Tensor[]): Trace {
  const stride = Math.max(1, ...inputs.map(({ trace }) => trace.stride));
  const dropped = inputs.find(({ trace }) => trace.dropped !== undefined)?.trace.dropped;
  return {
    stride,
    cut: inputs.some(({ trace }) => trace.cut),
    ...(dropped === undefined ? {} : { dropped }),
  };
}

/** `skip is 125 x 125, the result of up_conv is 124 x 124   (l = 2, side = 500)` */
export function operandsLabel(site: Site, inputs: readonly Tensor[]): string {
  const words = operandWords(site, inputs).map((who, i) => {
    const input = inputs[i];
    return input === undefined ? '' : `${who} is ${showTensorSizes(input)} with ${channelWords(input)}`;
  });
  const shown = words.length > 4 ? [...words.slice(0, 4), '...'] : words;
  return shown.join(', ') + bindingsAt(site.env, site.context);
}

const channelWords = ({ type }: Tensor): string =>
  type.channels === 1 ? '1 channel' : `${type.channels} channels`;

export type Weights = { readonly name: string; readonly dims: readonly number[]; readonly fanIn: number };

/** Weight and, if wanted, bias of a layer: their names, or nothing if they are too large. */
export function weigh(
  site: Site,
  { name, dims, fanIn }: Weights,
  bias: number | undefined,
): string[] | undefined {
  const names = [`${name}.weight`, ...(bias === undefined ? [] : [`${name}.bias`])];
  const made = addParameter(site, `${name}.weight`, dims, { kind: 'he_uniform', fanIn });
  const withBias = bias === undefined || addParameter(site, `${name}.bias`, [bias], { kind: 'zeros' });
  return made && withBias ? names : undefined;
}

/** What the text calls each of the tensors given to a call. */
export function operandWords(site: Site, inputs: readonly Tensor[]): string[] {
  const expressions = [...site.expressions.values()].flat();
  return inputs.map((_, i) => {
    const expression = expressions[i];
    return expression === undefined || expressions.length < inputs.length
      ? `operand ${i + 1}`
      : wordsFor(expression);
  });
}

function wordsFor(expression: Expression): string {
  if (expression.kind === 'name') return expression.name;
  if (expression.kind === 'call') return `the result of ${expression.callee}`;
  return 'the operand';
}

/** A parameter of the layer at a call; false, reported, if it is too large to count. */
export function addParameter(site: Site, name: string, dims: readonly number[], init: Init): boolean {
  const problem = site.context.network.parameter(name, dims, init);
  if (problem !== undefined) refuse(site, problem);
  return problem === undefined;
}

/** `125 is odd, so max_pool(2) dropped a row` */
export const droppedWords = ({ by, size, stride }: NonNullable<Trace['dropped']>): string =>
  stride === 2
    ? `${size} is odd, so ${by} dropped a row`
    : `${stride} does not divide ${size}, so ${by} dropped cells`;
