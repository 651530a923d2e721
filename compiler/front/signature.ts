/** How functions are called, and which argument goes to which parameter. */
import { type Diagnostic, diagnose, fault, type Span } from '../../ir/diagnostics/diagnostic.ts';
import type { Argument, Expression } from './ast.ts';
import { suggestion } from './suggest.ts';

/** `shown`: the default as it stands in the signature; parameters without one must be given. */
export type SignatureParameter = { readonly name: string; readonly shown?: string };

export type Signature = {
  readonly name: string;
  readonly parameters: readonly SignatureParameter[];
  /** All arguments by place belong to the first parameter. */
  readonly variadic?: true;
  /** How it is written, where that is not like a call. */
  readonly usage?: string;
};

/** The expressions given to each parameter, in the order of the text. */
export type Binding = ReadonlyMap<string, readonly Expression[]>;

export type Bound = { readonly binding: Binding; readonly problems: readonly Diagnostic[] };

/** `conv(x, channels, kernel, stride = 1)` */
export const showSignature = ({ name, parameters, variadic, usage }: Signature): string => {
  if (usage !== undefined) return usage;
  const shown = parameters.map((p) => (p.shown === undefined ? p.name : `${p.name} = ${p.shown}`));
  return `${name}(${shown.join(', ')}${variadic === true ? ', ...' : ''})`;
};

/** Gives each argument to its parameter: first those by place, then those by name. */
export function bindArguments(signature: Signature, list: readonly Argument[], at: Span): Bound {
  const binding = new Map<string, Expression[]>();
  const problems: Diagnostic[] = [];
  const callee = signature.name;
  let named = false;
  list.forEach(({ name, value }, place) => {
    if (name === undefined && named) {
      problems.push(diagnose(fault('argument-order'), { span: value.at }));
      return;
    }
    named ||= name !== undefined;
    const parameter = parameterFor(signature, name?.name, place);
    if (parameter === undefined) problems.push(noParameter(signature, name, value.at, list.length));
    else if (binding.has(parameter) && !(signature.variadic === true && name === undefined))
      problems.push(
        diagnose(fault('argument-twice', { callee, name: parameter }), { span: name?.at ?? value.at }),
      );
    else append(binding, parameter, value);
  });
  const excess = problems.filter(({ code }) => code === 'too-many-arguments');
  const missing = signature.parameters.filter(({ name, shown }) => shown === undefined && !binding.has(name));
  const lacking = missing.map(({ name }) =>
    diagnose(fault('missing-argument', { callee, name, signature: showSignature(signature) }), { span: at }),
  );
  const others = problems.filter(({ code }) => code !== 'too-many-arguments');
  return {
    binding,
    problems: [...others, ...excess.slice(0, 1), ...(others.length > 0 ? [] : lacking.slice(0, 1))],
  };
}

function append(binding: Map<string, Expression[]>, parameter: string, value: Expression): void {
  const given = binding.get(parameter);
  if (given === undefined) binding.set(parameter, [value]);
  else given.push(value);
}

function parameterFor(signature: Signature, name: string | undefined, place: number): string | undefined {
  if (name === undefined) return signature.parameters[signature.variadic === true ? 0 : place]?.name;
  return signature.parameters.find((parameter) => parameter.name === name)?.name;
}

function noParameter(
  signature: Signature,
  name: { readonly name: string; readonly at: Span } | undefined,
  at: Span,
  given: number,
): Diagnostic {
  const shown = showSignature(signature);
  const callee = signature.name;
  if (name === undefined) {
    const most = signature.parameters.length;
    return diagnose(fault('too-many-arguments', { callee, most, given, signature: shown }), { span: at });
  }
  const known = signature.parameters.map((parameter) => parameter.name);
  const hint = suggestion(name.name, known) ?? `it is written \`${shown}\``;
  return diagnose(fault('unknown-argument', { callee, name: name.name }), { span: name.at, hint });
}
