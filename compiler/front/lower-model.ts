/**
 * Ast to Model: the text is evaluated from top to bottom, and what its layers do is written down as a graph.
 *
 *   Ast --resolve--> names are known --evaluate each statement--> Network --keep what counts--> Model
 */
import {
  type Diagnostic,
  diagnose,
  failure,
  fault,
  type Result,
  type Span,
  success,
} from '../../ir/diagnostics/diagnostic.ts';
import type { Op } from '../../ir/graph.ts';
import type { Model, Output, Statistic, Training } from '../../ir/model.ts';
import type { Ast, Statement } from './ast.ts';
import { batchFault, withBatch } from './batch.ts';
import {
  type Context,
  createAllowance,
  createReporter,
  type Purpose,
  type Reporter,
  topLevel,
} from './context.ts';
import { declareInput, declareTarget } from './declare.ts';
import { evaluate } from './evaluate.ts';
import { limits } from './limits.ts';
import { createNetwork } from './network.ts';
import { setApart } from './outputs.ts';
import { parseExpression, readModel } from './parse-model.ts';
import { resolve, signatureOf } from './resolve.ts';
import { bindArguments } from './signature.ts';
import { suggestion } from './suggest.ts';
import { isKeyword } from './tokens.ts';
import { trainStatement } from './training.ts';
import { describeValue, type LossTerm, unknown, type Value } from './value.ts';

export type LowerOptions = {
  readonly purpose: Purpose;
  /** Expressions that replace the values of top-level `let`s, by name (`--set side=512`). */
  readonly sets?: Readonly<Record<string, string>>;
  /** Spatial sizes that replace those of an input, by its name; targets then take the sizes of the results. */
  readonly extents?: Readonly<Record<string, readonly number[]>>;
  /** How much the text may have evaluated; see `limits.steps`. */
  readonly steps?: number;
};

/** Text to Model. Faults of form and of meaning are reported together. */
export function compileModel(text: string, file: string, options: LowerOptions): Result<Model> {
  const { ast, diagnostics } = readModel(text, file);
  if (ast.statements.length === 0 && diagnostics.length > 0) return failure(...diagnostics);
  const lowered = lowerModel(ast, options);
  if (diagnostics.length === 0) return lowered;
  return failure(...inOrder([...diagnostics, ...(lowered.ok ? [] : lowered.diagnostics)]));
}

/** What the statements have added up to, besides the network. */
type Draft = {
  readonly context: Context;
  readonly first: Map<string, Span>;
  name: string;
  loss?: readonly LossTerm[];
  training?: Training;
  outputs: Output[];
};

/** Evaluates a text. In a model to `predict` with there are no losses, targets and masks; predictions stay. */
export function lowerModel(ast: Ast, options: LowerOptions): Result<Model> {
  const reporter = createReporter();
  resolve(ast, reporter);
  const sets = readSets(ast, options, reporter.report);
  const context = createContext(options, reporter);
  const draft: Draft = { context, first: new Map(), name: '', outputs: [] };
  for (const statement of ast.statements) run(statement, draft, sets, options);
  const all = [...reporter.all(), ...missingStatements(ast, options.purpose, draft), ...batchFaults(draft)];
  if (all.some(({ severity }) => severity === 'error')) return failure(...inOrder(all));
  const finished = finish(ast, draft, options.purpose);
  return success(finished.model, inOrder([...all, ...finished.warnings]));
}

const createContext = (options: LowerOptions, reporter: Reporter): Context => ({
  network: createNetwork(),
  purpose: options.purpose,
  globals: new Map(),
  functions: new Map(),
  rank: 0,
  rankOf: '',
  coarsest: 1,
  targetsFollow: options.extents !== undefined,
  predictions: new Map(),
  places: new Map(),
  counts: new Map(),
  sizeNames: new Set(),
  report: reporter.report,
  isReported: reporter.isReported,
  spend: createAllowance(options.steps ?? limits.steps, reporter.report),
});

const inOrder = (diagnostics: readonly Diagnostic[]): Diagnostic[] =>
  [...diagnostics].sort(
    (a, b) => (a.span?.line ?? 0) - (b.span?.line ?? 0) || (a.span?.column ?? 0) - (b.span?.column ?? 0),
  );

type Sets = ReadonlyMap<string, Value | undefined>;

/** The values given from outside: plain expressions, in which nothing of the text is known. */
function readSets(ast: Ast, { sets = {} }: LowerOptions, report: (diagnostic: Diagnostic) => void): Sets {
  const known = ast.statements.flatMap((s) => (s.kind === 'let' ? [s.name.name] : []));
  const broken = ast.statements.some(({ kind }) => kind === 'broken');
  const values = new Map<string, Value | undefined>();
  for (const [name, text] of Object.entries(sets)) {
    if (!known.includes(name) && !broken) {
      const hint =
        suggestion(name, known) ?? `it can set ${known.map((word) => `\`${word}\``).join(', ') || 'nothing'}`;
      report(diagnose(fault('unknown-set', { name }), { hint }));
    }
    values.set(name, setValue(name, text, report));
  }
  return values;
}

function setValue(name: string, text: string, report: (diagnostic: Diagnostic) => void): Value | undefined {
  const file = `--set ${name}`;
  const parsed = parseExpression(text, file);
  if (!parsed.ok) {
    for (const problem of parsed.diagnostics) report(problem);
    return undefined;
  }
  const statements: Statement[] = [
    { kind: 'let', at: parsed.value.at, name: { name, at: parsed.value.at }, value: parsed.value },
  ];
  const reporter = createReporter();
  resolve({ file, statements }, reporter);
  const context = createContext({ purpose: 'train' }, reporter);
  const value = evaluate(parsed.value, topLevel, context);
  for (const problem of reporter.all()) report(problem);
  return value;
}

function run(statement: Statement, draft: Draft, sets: Sets, options: LowerOptions): void {
  const { context } = draft;
  switch (statement.kind) {
    case 'model':
      if (once(statement, draft)) draft.name = statement.name.name;
      break;
    case 'let': {
      const value = sets.get(statement.name.name) ?? evaluate(statement.value, topLevel, context);
      if (!context.globals.has(statement.name.name)) context.globals.set(statement.name.name, value);
      break;
    }
    case 'function':
      if (!context.functions.has(statement.name.name))
        context.functions.set(statement.name.name, { statement, signature: signatureOf(statement) });
      break;
    case 'input':
      declareInput(statement, context, options.extents);
      break;
    case 'target':
      declareTarget(statement, context);
      break;
    case 'output':
      runOutput(statement, draft);
      break;
    case 'loss':
      if (once(statement, draft)) runLoss(statement, draft);
      break;
    case 'train':
      if (once(statement, draft)) runTrain(statement, draft);
      break;
    case 'broken':
      for (const name of statement.names) if (!context.globals.has(name)) context.globals.set(name, unknown);
      break;
  }
}

/** False, reported, where the statement has been written before. */
function once({ kind, at }: Statement, { first, context }: Draft): boolean {
  const earlier = first.get(kind);
  first.set(kind, earlier ?? at);
  if (earlier !== undefined)
    context.report(diagnose(fault('statement-twice', { word: kind, line: earlier.line }), { span: at }));
  return earlier === undefined;
}

function runOutput(statement: Extract<Statement, { kind: 'output' }>, draft: Draft): void {
  const { context, outputs } = draft;
  const { name, at } = statement.name;
  const value = evaluate(statement.value, topLevel, context);
  const taken =
    outputs.some((output) => output.name === name) || context.globals.get(name)?.kind === 'target';
  if (taken) context.report(diagnose(fault('name-taken', { name, what: 'an output' }), { span: at }));
  else if (value.kind === 'tensor' && value.type.box.length > 0) outputs.push({ name, value: value.name });
  else expect(value, `the output \`${name}\``, 'a tensor', statement.value.at, context);
}

function expect(value: Value, what: string, expected: string, span: Span, context: Context): void {
  if (value.kind !== 'unknown')
    context.report(diagnose(fault('wrong-kind', { what, expected, found: describeValue(value) }), { span }));
}

function runLoss(statement: Extract<Statement, { kind: 'loss' }>, draft: Draft): void {
  const value = evaluate(statement.value, topLevel, draft.context);
  if (value.kind === 'loss' && value.terms.length > 0) draft.loss = value.terms;
  else
    expect(
      value,
      'the loss',
      'a loss such as `cross_entropy(logits, land)`',
      statement.value.at,
      draft.context,
    );
}

function runTrain(statement: Extract<Statement, { kind: 'train' }>, draft: Draft): void {
  const { context } = draft;
  const { binding, problems } = bindArguments(trainStatement.signature, statement.arguments, statement.at);
  const values = new Map(
    [...binding].map(([name, list]) => [name, list.map((e) => evaluate(e, topLevel, context))]),
  );
  if (problems.length > 0) return;
  const site = {
    callee: 'train',
    at: statement.at,
    env: topLevel,
    context,
    expressions: binding,
    arms: new Map(),
  };
  const value = trainStatement.run(site, values);
  if (value.kind === 'training') draft.training = value.training;
}

const examples = {
  model: '`model NAME` as the first line',
  input: '`input image : f32[3, 256, 256] scaled by 1/255`',
  loss: '`loss cross_entropy(logits, land)`, for a target such as `target land : class[256, 256] of 2`',
  train: '`train adam(1e-3), batch = 4, steps = 1000`',
} as const;

function missingStatements(ast: Ast, purpose: Purpose, { outputs }: Draft): Diagnostic[] {
  const present = new Set<string>(ast.statements.map((s) => (s.kind === 'broken' ? s.word : s.kind)));
  if (ast.statements.some((s) => s.kind === 'broken' && !isKeyword(s.word))) return [];
  const wanted = (['model', 'input', 'loss', 'train'] as const).filter(
    (word) => purpose === 'train' || word !== 'train',
  );
  const span: Span = ast.statements.at(-1)?.at ?? { file: ast.file, line: 1, column: 1, length: 1 };
  return wanted
    .filter((word) => !present.has(word) && !(word === 'loss' && purpose === 'predict' && outputs.length > 0))
    .map((word) =>
      diagnose(fault('missing-statement', { word, example: examples[word] }), {
        span: word === 'model' ? { file: ast.file, line: 1, column: 1, length: 1 } : span,
      }),
    );
}

/** Layers that do not fit the batch, which the text gives after them. */
function batchFaults({ context, training }: Draft): Diagnostic[] {
  if (training === undefined) return [];
  const { batch } = training;
  return context.network.parts().ops.flatMap((op) => {
    const problem = batchFault(withBatch(op, batch), batch);
    return problem === undefined ? [] : [diagnose(problem, { span: context.places.get(op.output) })];
  });
}

/** The Model: what the loss and the outputs depend on, under the names the text gave it. */
function finish(ast: Ast, draft: Draft, purpose: Purpose): { model: Model; warnings: Diagnostic[] } {
  const { context, training } = draft;
  const loss = purpose === 'train' ? totalLoss(draft) : undefined;
  const predictions = [...context.predictions].map(([name, value]): Output => ({ name, value }));
  const outputs = [...predictions, ...draft.outputs];
  const { inputs, parameters, statistics, ops } = context.network.parts();
  const roots = [...outputs.map(({ value }) => value), ...(loss === undefined ? [] : [loss])];
  const followed = followedStatistics(statistics, ops, needed(ops, roots));
  const used = needed(ops, [...roots, ...followed.flatMap(({ parameter, value }) => [parameter, value])]);
  const { batch = 1 } = training ?? {};
  const kept = ops.filter(({ output }) => used.has(output)).map((op) => withBatch(op, batch));
  const given = setApart({ ops: kept, outputs });
  const model: Model = {
    name: draft.name,
    rank: context.rank,
    inputs: inputs.filter(({ name }) => used.has(name)),
    parameters: parameters.filter(({ name }) => used.has(name)),
    ops: given.ops,
    ...(loss === undefined ? {} : { loss }),
    ...(followed.length === 0 ? {} : { statistics: followed }),
    outputs: given.outputs,
    ...(training === undefined || purpose === 'predict' ? {} : { training }),
  };
  return { model, warnings: purpose === 'train' ? unusedWarnings(ast, draft, used) : [] };
}

/** The statistics of the norms that are used: their shares are made of values that are. */
function followedStatistics(
  statistics: readonly Statistic[],
  ops: readonly Op[],
  used: ReadonlySet<string>,
): Statistic[] {
  const operands = new Map(ops.map(({ output, inputs }) => [output, inputs]));
  return statistics.filter(({ value }) => operands.get(value)?.every((name) => used.has(name)) === true);
}

/** The value that training follows: the one loss, or the weighted sum of several. */
function totalLoss({ loss = [], context }: Draft): string | undefined {
  const [first, ...others] = loss;
  if (first === undefined || (others.length === 0 && first.weight === 1)) return first?.value;
  const weights = loss.map(({ weight }) => weight);
  const type = context.network.emit(
    'weighted_sum',
    'loss~total',
    loss.map(({ value }) => value),
    { weights },
  );
  if ('code' in type) throw new Error(`a sum of losses cannot fail: ${type.code}`);
  return 'loss~total';
}

/** Everything that the given values are computed from. */
function needed(ops: readonly Op[], roots: readonly string[]): Set<string> {
  const used = new Set(roots);
  for (const op of ops.toReversed()) if (used.has(op.output)) for (const input of op.inputs) used.add(input);
  return used;
}

function unusedWarnings({ statements }: Ast, { context }: Draft, used: ReadonlySet<string>): Diagnostic[] {
  const { parameters, ops } = context.network.parts();
  const trained = new Set(parameters.map(({ name }) => name));
  const dead = ops.find(
    ({ output, inputs }) => !used.has(output) && inputs.some((name) => trained.has(name)),
  );
  const layer =
    dead === undefined
      ? []
      : [diagnose(fault('not-trained', { value: dead.output }), { span: context.places.get(dead.output) })];
  const targets = statements.filter((s) => s.kind === 'target').filter(({ name }) => !used.has(name.name));
  return [
    ...layer,
    ...targets.map(({ name: { name, at } }) => diagnose(fault('unused-target', { name }), { span: at })),
  ];
}
