/** What a stream may be given beyond plain text: colours and lines that renew themselves, on a terminal only. */
import pc from 'picocolors';

type Stream = { readonly isTTY?: boolean };

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
