/** The update of all parameters as one graph: gradients, statistics and state in, next weights and state out. */
import { at } from '../../ir/box.ts';
import { isFault } from '../../ir/diagnostics/diagnostic.ts';
import type { Graph, Op } from '../../ir/graph.ts';
import type { Optimizer, Statistic } from '../../ir/model.ts';
import type { OpAttributes, OpKind } from '../../ir/ops/attributes.ts';
import { makeOp } from '../../ir/ops/table.ts';
import type { Slot } from '../../ir/plan.ts';
import { array, type Value, type ValueType } from '../../ir/type.ts';

/** Name of the input that holds `[rate, 1/(1-β1ᵗ), 1/(1-β2ᵗ)]`. */
export const hyperName = 'hyper';

/** What an optimizer keeps beside the weight of each parameter. */
export const slotsOf = (optimizer: Optimizer): readonly Slot[] => {
  if (optimizer.kind !== 'sgd') return ['weight', 'average', 'square'];
  return optimizer.momentum === 0 ? ['weight'] : ['weight', 'momentum'];
};

export const stateName = (parameter: string, slot: Slot): string =>
  slot === 'weight' ? parameter : `${parameter}~${slot}`;

export type UpdateGraph = { readonly graph: Graph; readonly next: readonly string[] };

type Emit = <K extends OpKind>(kind: K, inputs: readonly string[], attrs: OpAttributes[K]) => string;

/** New values of the slots of one parameter, in the order of `slotsOf`. `g` is its gradient. */
type Rule = (emit: Emit, parameter: string, g: string) => readonly string[];

const adam =
  (o: Extract<Optimizer, { kind: 'adam' | 'adamw' }>): Rule =>
  (emit, p, gradient) => {
    const coupled = o.kind === 'adam' && o.decay > 0;
    const g = coupled ? emit('axpy', [p, gradient], { factor: o.decay }) : gradient;
    const average = emit('moving_average', [stateName(p, 'average'), g], { beta: o.beta1 });
    const square = emit('moving_square', [stateName(p, 'square'), g], { beta: o.beta2 });
    const decay = o.kind === 'adamw' ? o.decay : 0;
    const next = emit('adam_step', [p, average, square, hyperName], { epsilon: o.epsilon, decay });
    return [next, average, square];
  };

const sgd =
  (o: Extract<Optimizer, { kind: 'sgd' }>): Rule =>
  (emit, p, gradient) => {
    const g = o.decay > 0 ? emit('axpy', [p, gradient], { factor: o.decay }) : gradient;
    if (o.momentum === 0) return [emit('sgd_step', [p, g, hyperName], { decay: 0 })];
    const momentum = emit('axpy', [stateName(p, 'momentum'), g], { factor: o.momentum });
    const direction = o.nesterov ? emit('axpy', [momentum, g], { factor: o.momentum }) : momentum;
    return [emit('sgd_step', [p, direction, hyperName], { decay: 0 }), momentum];
  };

/**
 * `gradientOf` names the input that holds the reduced gradient of a parameter. The running statistics come
 * last, in their order; the inputs that hold the new ones have the names of their values.
 */
export function updateGraph(
  optimizer: Optimizer,
  parameters: readonly { readonly name: string; readonly dims: readonly number[] }[],
  gradientOf: (parameter: string) => string,
  statistics: readonly (Statistic & { readonly dims: readonly number[] })[],
): UpdateGraph {
  const rule = optimizer.kind === 'sgd' ? sgd(optimizer) : adam(optimizer);
  const inputs: Value[] = [{ name: hyperName, type: array([3]) }];
  for (const { name, dims } of parameters) {
    const states = slotsOf(optimizer).map((slot) => stateName(name, slot));
    inputs.push(...[...states, gradientOf(name)].map((input) => ({ name: input, type: array(dims) })));
  }
  for (const { parameter, value, dims } of statistics)
    inputs.push(...[parameter, value].map((input) => ({ name: input, type: array(dims) })));
  const types = new Map<string, ValueType>(inputs.map(({ name, type }) => [name, type]));
  const ops: Op[] = [];
  const emitFor =
    (name: string): Emit =>
    (kind, operands, attrs) => {
      const output = `${name}~next${ops.length}`;
      const operandTypes = operands.map((operand) => types.get(operand) ?? array([]));
      const op = makeOp(kind, output, operands, attrs, operandTypes);
      if (isFault(op)) throw new Error(`update of ${name}: ${op.code}`);
      ops.push(op);
      types.set(output, op.type);
      return output;
    };
  const trained = parameters.flatMap(({ name }) => rule(emitFor(name), name, gradientOf(name)));
  const followed = statistics.map(({ parameter, value, momentum }) =>
    emitFor(parameter)('moving_average', [parameter, value], { beta: 1 - momentum }),
  );
  const next = [...trained, ...followed];
  return { graph: { inputs, ops, outputs: next }, next: next.map((_, i) => at(next, i)) };
}
