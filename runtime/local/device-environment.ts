import { mappedFrom } from '../../ir/footprint.ts';

/**
 * Segments take and return large blocks at every run, and every page of them is cleared by the system before it is
 * used: from a sixth to a half of their time, until glibc was told to ask for huge pages and sessions to keep memory or
 * to take it at once (`sessions.ts`). glibc keeps what is given back to it in ever more scattered pieces, almost half
 * as much again as a step needs, unless every block from 2 MiB on is a mapping of its own. Smaller ones, those of loops,
 * come from one heap: heaps of threads are given back as soon as they are empty, and then cleared anew in every round.
 * Other C libraries do not look at it.
 */
const mallocTunables = [
  'glibc.malloc.hugetlb=1',
  'glibc.malloc.arena_max=1',
  `glibc.malloc.mmap_threshold=${mappedFrom}`,
  'glibc.malloc.trim_threshold=67108864',
];

/** The environment of device processes. */
export function deviceEnvironment(): NodeJS.ProcessEnv {
  const given = process.env.GLIBC_TUNABLES;
  const tunables = [...(given ? [given] : []), ...mallocTunables].join(':');
  return { ORT_DISABLE_TELEMETRY: '1', ...process.env, GLIBC_TUNABLES: tunables };
}

/**
 * The arguments of Node.js for device processes: what is left to the collector it frees before it returns, and what the
 * program makes and drops at once, a few kilobytes an instruction, does not spread over ever more memory (of itself
 * to 48 MiB).
 */
export const deviceArguments = (): string[] => [
  ...process.execArgv,
  '--max-semi-space-size=1',
  '--expose-gc',
  '--no-concurrent-array-buffer-sweeping',
];
