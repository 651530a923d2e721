/** The reference pages, made of the tables that the program itself works from. */
import type { Command } from 'commander';
import { createProgram } from '../cli/program.ts';
import type { Builtin } from '../compiler/front/builtin.ts';
import { builtins } from '../compiler/front/builtins.ts';
import { combinatorBuiltins } from '../compiler/front/combinators.ts';
import { functionBuiltins } from '../compiler/front/functions.ts';
import { cellBuiltins } from '../compiler/front/layers/cells.ts';
import { joinBuiltins } from '../compiler/front/layers/join.ts';
import { windowBuiltins } from '../compiler/front/layers/windows.ts';
import { lossBuiltins } from '../compiler/front/losses.ts';
import { showSignature } from '../compiler/front/signature.ts';
import { trainingBuiltins, trainStatement } from '../compiler/front/training.ts';
import type { Entry } from '../ir/diagnostics/entry.ts';
import { codes, table as diagnostics } from '../ir/diagnostics/table.ts';
import type { OpKind } from '../ir/ops/attributes.ts';
import type { OpDefinition } from '../ir/ops/definition.ts';
import { definitionOf, opKinds } from '../ir/ops/table.ts';
import { updateOps } from '../ir/ops/update.ts';
import { passes } from '../passes/table.ts';

/** Every page: its path from the root of the repository, and its text. */
export const referencePages = (): ReadonlyMap<string, string> =>
  new Map(
    Object.entries({
      ops,
      passes: passesPage,
      diagnostics: diagnosticsPage,
      cli,
      'language-builtins': language,
    }).map(([name, page]) => [`docs/reference/${name}.md`, page()] as const),
  );

const made = 'Made by `npm run docs` from the tables of the program; changes belong there.';

/** Paragraphs, an empty line between each two; absent ones are left out. */
const paragraphs = (...parts: readonly (string | undefined)[]): string =>
  `${parts.filter((part) => part !== undefined).join('\n\n')}\n`;

const code = (text: string, language = ''): string => `\`\`\`${language}\n${text}\n\`\`\``;

/** What would end a cell of a Markdown table, or begin something else in it. */
const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

const table = (titles: readonly string[], rows: readonly (readonly string[])[]): string =>
  [titles, titles.map(() => '---'), ...rows].map((row) => `| ${row.map(cell).join(' | ')} |`).join('\n');

function ops(): string {
  const forward = opKinds.filter((kind) => definitionOf(kind).region !== undefined);
  const update = opKinds.filter((kind) => Object.hasOwn(updateOps, kind));
  const adjoint = opKinds.filter((kind) => !forward.includes(kind) && !update.includes(kind));
  return paragraphs(
    '# Ops',
    `What the graphs of a model and of a plan are made of. ${made}`,
    'A map is `[samples, channels, ...space]`; an array has no space. `x...` stands for one or more operands, `bias?` for one that may be absent.',
    '## Forward',
    'What a `.unet` text becomes. Each can be tiled: it knows which cells of its operands a box of its result is computed from.',
    opTable(forward),
    '## Adjoint',
    'What only backward passes hold. They are local: a device computes them from what it has.',
    opTable(adjoint),
    '## Update',
    'What the optimizers do with each parameter, element by element.',
    opTable(update),
  );
}

/** The column of facts stands only where some op has one. */
function opTable(kinds: readonly OpKind[]): string {
  const rows = kinds.map(opRow);
  const bare = rows.every(({ facts }) => facts === '');
  const titles = ['op', 'operands', 'gives', ...(bare ? [] : ['facts'])];
  return table(
    titles,
    rows.map(({ op, operands, doc, facts }) => [op, operands, doc, ...(bare ? [] : [facts])]),
  );
}

function opRow(kind: OpKind) {
  const { doc, operands, ...facts } = definitionOf(kind);
  return {
    op: `\`${kind}\``,
    operands: operands.map((name) => `\`${name}\``).join(', '),
    doc,
    facts: factWords(facts),
  };
}

type Facts = Omit<OpDefinition<OpKind>, 'doc' | 'operands' | 'shape' | 'flops'>;

const factWords = (facts: Partial<Record<keyof Facts, unknown>>): string =>
  [
    facts.wholeExtent && 'reads the whole extent: one tile a sample',
    facts.sumsOwnedCells && 'sums owned cells: a tile gives its share',
    facts.cropsItself && 'cuts what it needs out of a larger box',
  ]
    .filter((words) => typeof words === 'string')
    .join('; ');

const passesPage = (): string =>
  paragraphs(
    '# Passes',
    `From a model with some decisions to a plan. Each is one pure function in a file of its name; \`unetc opt --pass NAME FILE.ir\` runs it, text to text. ${made}`,
    table(
      ['pass', 'from', 'to', 'does'],
      passes.map(({ name, from, to, doc }) => [`\`${name}\``, from, to, doc]),
    ),
  );

const diagnosticsPage = (): string =>
  paragraphs(
    '# Diagnostics',
    `Everything that \`unetc\` can have against an input. \`unetc explain CODE\` prints the same. A name in curly brackets stands for what the diagnostic fills in. ${made}`,
    ...codes.map((name) => diagnosticEntry(name, diagnostics[name])),
  );

const diagnosticEntry = (name: string, { message, hint, severity, explain, example }: Entry): string =>
  [
    `## ${name}`,
    severity === undefined ? `**${message}**` : `**${message}** (${severity})`,
    explain,
    code(example),
    ...(hint === undefined ? [] : [`Hint: ${hint}`]),
  ].join('\n\n');

const exitCodes = [
  ['0', 'done'],
  ['1', 'the input is wrong: diagnostics say what and where'],
  ['2', 'wrong usage: an option or a command that does not exist, or a value it cannot take'],
  ['3', 'the run failed: a device died, data are missing, a file cannot be written'],
  ['70', 'a bug of ours: it prints what to report'],
] as const;

const program = await createProgram();

function cli(): string {
  return paragraphs(
    '# The command line',
    `Results go to standard output, progress and diagnostics to standard error. ${made}`,
    table(['exit code', 'means'], exitCodes),
    code(helpOf(program)),
    ...program.commands.flatMap((command) => [`## unetc ${command.name()}`, code(helpOf(command))]),
  );
}

/** As wide as the terminals of old, whatever the terminal here. */
function helpOf(command: Command): string {
  command.configureHelp({ ...command.configureHelp(), helpWidth: 80 });
  return command.helpInformation().trimEnd();
}

const groups: readonly { readonly title: string; readonly members: readonly [string, Builtin][] }[] = [
  { title: 'Windows: convolutions and poolings', members: windowBuiltins },
  { title: 'Cells: activations, dropout, norms, enlarging', members: cellBuiltins },
  { title: 'Joining and fitting', members: joinBuiltins },
  { title: 'Going through levels and lists', members: combinatorBuiltins },
  { title: 'Losses', members: lossBuiltins },
  { title: 'Training: optimizers and rate curves', members: trainingBuiltins },
  { title: 'Numbers and lists', members: functionBuiltins },
];

function language(): string {
  const grouped = new Set(groups.flatMap(({ members }) => members.map(([name]) => name)));
  const others = [...builtins].filter(([name]) => !grouped.has(name));
  const all = others.length === 0 ? groups : [...groups, { title: 'Others', members: others }];
  return paragraphs(
    '# Built-in functions of the language',
    `\`x |> f(a)\` is \`f(x, a)\`: what stands before a pipe is the first argument. A parameter with \`=\` may be left out. ${made}`,
    ...all.flatMap(({ title, members }) => [
      `## ${title}`,
      table(
        ['function', 'what it does'],
        members.map(([, builtin]) => [signatureWords(builtin), builtin.doc]),
      ),
    ]),
    '## The `train` statement',
    code(showSignature({ ...trainStatement.signature, usage: trainStatement.signature.usage ?? '' })),
    trainStatement.doc,
  );
}

/** `unet(x, levels) { encode(l, x), bottom(x)? }` */
function signatureWords({ signature, arms }: Builtin): string {
  if (arms === undefined) return `\`${showSignature(signature)}\``;
  const forms = Object.entries(arms).map(
    ([name, { parameters, optional }]) => `${name}(${parameters.join(', ')})${optional ? '?' : ''}`,
  );
  return `\`${showSignature(signature)} { ${forms.join('; ')} }\``;
}
