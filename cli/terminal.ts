/** What a stream may be given beyond plain text: colours and lines that renew themselves, on a terminal only. */
import pc from 'picocolors';

type Stream = { readonly isTTY?: boolean; readonly columns?: number };

/** Paints words; where there are no colours, every painter gives its text back. */
export type Colours = Pick<ReturnType<typeof pc.createColors>, 'bold' | 'red' | 'yellow' | 'cyan' | 'dim'>;

export const plainColours: Colours = pc.createColors(false);

/** Does it understand control sequences? */
export const isTerminal = ({ isTTY }: Stream, env = process.env): boolean =>
  isTTY === true && env.TERM !== 'dumb';

/**
 * The colours of a stream. `NO_COLOR` (https://no-color.org) switches them off. We do not ask picocolors:
 * where `CI` or `FORCE_COLOR` is set it paints pipes and files as well.
 */
export const coloursOf = (stream: Stream, env = process.env): Colours =>
  pc.createColors(isTerminal(stream, env) && !env.NO_COLOR);

/** What text is laid out for. */
export type Page = {
  readonly colours: Colours;
  /** Characters of a line. */
  readonly width: number;
};

/** Plain text, as wide as it needs to be. */
export const wholePage: Page = { colours: plainColours, width: Number.POSITIVE_INFINITY };

/** Of files and pipes, and the most of a terminal that text uses. */
const usualWidth = 100;

/** Narrower than this nothing can be read. */
const leastWidth = 40;

/** A terminal has its own width, everything else a usual one. */
export const pageOf = (stream: Stream, env = process.env): Page => ({
  colours: coloursOf(stream, env),
  width: isTerminal(stream, env)
    ? Math.max(leastWidth, Math.min(usualWidth, stream.columns ?? usualWidth))
    : usualWidth,
});

/** For rows that would not be read in parts. */
export const widePageOf = (stream: Stream): Page => ({ ...wholePage, colours: coloursOf(stream) });

/** Breaks lines that are longer than the page between words, never behind a number; what goes on is indented. */
export function wrap(text: string, { width }: Page, indent = ''): string {
  const lines = text.split('\n').map((line) => {
    let [done, open] = ['', ''];
    for (const word of line.split(/(?<=[^\s\d])(?<! x) /)) {
      const longer = open === '' ? word : `${open} ${word}`;
      if (longer.length <= width || open.trim() === '') open = longer;
      else [done, open] = [`${done}${open}\n`, `${indent}${word}`];
    }
    return `${done}${open}`;
  });
  return lines.join('\n');
}
