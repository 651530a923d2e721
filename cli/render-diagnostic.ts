/**
 * Diagnostics for people:
 *
 *   coastline.unet:16:29: error[sizes-differ]: `concat` needs equal sizes, not 125 x 125 and 124 x 124
 *   16 |        decode(l, skip, x) = concat(skip, x |> up_conv(width(l), 2)) |> ...
 *      |                             ^^^^^^ skip is 125 x 125, ...
 *      = hint: ...
 */
import type { Diagnostic, Span } from '../ir/diagnostics/diagnostic.ts';
import { type Colours, coloursOf } from './terminal.ts';

/** Characters of a source line that are shown. */
const width = 110;

const terminal = coloursOf(process.stderr);

/** All diagnostics, an empty line between them. `sources`: text of each file they point into. */
export const renderDiagnostics = (
  diagnostics: readonly Diagnostic[],
  sources: ReadonlyMap<string, string>,
  colours: Colours = terminal,
): string => diagnostics.map((diagnostic) => renderDiagnostic(diagnostic, sources, colours)).join('\n\n');

export function renderDiagnostic(
  { code, severity, message, hint, span, label }: Diagnostic,
  sources: ReadonlyMap<string, string>,
  colours: Colours = terminal,
): string {
  const strong = severity === 'error' ? colours.red : colours.yellow;
  const place = span === undefined ? '' : `${colours.bold(showPlace(span, sources))} `;
  const source = span === undefined ? undefined : lineOf(span, sources);
  const head = `${place}${strong(`${severity}[${code}]`)}: ${colours.bold(visible(message))}`;
  const margin = ' '.repeat(span === undefined ? 1 : String(span.line).length);
  const lines = [head];
  if (span !== undefined && source !== undefined)
    lines.push(...excerpt(span, source, label, colours, strong));
  else if (label !== undefined) lines.push(`${margin} ${colours.dim('=')} ${visible(label)}`);
  if (hint !== undefined)
    lines.push(`${margin} ${colours.dim('=')} ${colours.cyan('hint')}: ${visible(hint)}`);
  return lines.join('\n');
}

/** `file:line:column:`; only the file where its text is not at hand, as for `--set side`. */
const showPlace = (span: Span, sources: ReadonlyMap<string, string>): string =>
  sources.has(span.file) ? `${span.file}:${span.line}:${span.column}:` : `${span.file}:`;

const lineOf = ({ file, line }: Span, sources: ReadonlyMap<string, string>): string | undefined =>
  sources.get(file)?.split(/\r\n|\n|\r/)[line - 1];

/** The line of the source with the place underlined; of a long line the part around the place. */
function excerpt(
  { line, column, length }: Span,
  source: string,
  label: string | undefined,
  colours: Colours,
  strong: (text: string) => string,
): string[] {
  const number = String(line);
  const from = column - 1 + Math.min(length, 40) <= width ? 0 : column - 1 - Math.floor(width / 3);
  const before = from > 0 ? '...' : '';
  const shown = visible(source.slice(from, from + width));
  const after = source.length > from + width ? '...' : '';
  const start = before.length + column - 1 - from;
  const marks = '^'.repeat(Math.max(1, Math.min(length, before.length + shown.length - start)));
  const words = label === undefined ? '' : ` ${visible(label)}`;
  return [
    `${colours.dim(`${number} |`)} ${before}${shown}${after}`.trimEnd(),
    `${colours.dim(`${' '.repeat(number.length)} |`)} ${' '.repeat(start)}${strong(marks + words)}`,
  ];
}

/** Signs that would move the cursor or hide text are shown as one visible sign, so columns stay right. */
const visible = (text: string): string =>
  text.replace(/\t/g, ' ').replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}]/gu, '\u00B7');
