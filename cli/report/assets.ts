/** What every report carries: its style, its scripts, and the library of its charts. */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export type Assets = {
  readonly style: string;
  /** The library, then all of the page's own. */
  readonly scripts: readonly string[];
};

const folder = join('cli', 'report', 'page');

/** In their order: each uses what stands before it. */
const scripts = ['charts.js', 'time-line.js', 'memory.js', 'curves.js', 'page.js'];

/** From the sources and from `dist/` alike: the first folder upwards that has the page's own files. */
function pageFolder(from = dirname(fileURLToPath(import.meta.url))): string {
  const here = join(from, folder);
  return existsSync(join(here, 'page.css')) || from === dirname(from) ? here : pageFolder(dirname(from));
}

export function readAssets(): Assets {
  const library = dirname(createRequire(import.meta.url).resolve('uplot/package.json'));
  const text = (...path: string[]) => readFileSync(join(...path), 'utf8');
  const own = pageFolder();
  return {
    style: [text(library, 'dist', 'uPlot.min.css'), text(own, 'page.css')].join('\n'),
    scripts: [text(library, 'dist', 'uPlot.iife.min.js'), joined(scripts.map((file) => text(own, file)))],
  };
}

/** Modules as one script, since a page from disk may load none: each stands behind what it imports. */
const joined = (modules: readonly string[]): string =>
  modules
    .map((module) => module.replace(/^import [^;]*;\n/gm, '').replace(/^export /gm, ''))
    .map((module) => module.trim())
    .join('\n\n');
