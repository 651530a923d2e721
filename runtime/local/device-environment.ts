/**
 * Segments take and return large blocks at every run. A sixth of their time went into clearing small pages: glibc can
 * ask for huge ones. And it keeps what is given back to it in ever more scattered pieces, almost half as much again as a
 * step needs, unless every block from 1 MiB on is a mapping of its own. Other C libraries do not look at it.
 */
const mallocTunables = [
  'glibc.malloc.hugetlb=1',
  'glibc.malloc.mmap_threshold=1048576',
  'glibc.malloc.trim_threshold=67108864',
];

/** The environment of device processes. */
export function deviceEnvironment(): NodeJS.ProcessEnv {
  const given = process.env.GLIBC_TUNABLES;
  const tunables = [...(given ? [given] : []), ...mallocTunables].join(':');
  return { ORT_DISABLE_TELEMETRY: '1', ...process.env, GLIBC_TUNABLES: tunables };
}
