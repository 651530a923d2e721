/**
 * Hooks of Node.js for modules: a source is what was made of it. Sources of the program are the files of `dist/`, with
 * those names; tests keep their names, because they look for files beside them.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('../../', import.meta.url).href;
const dist = new URL('dist/', root).href;
/** Where `npm test` puts what it makes of tests. */
const made = new URL('node_modules/.unetc-tests/', root).href;

/** Names of the program's sources: what `tsconfig.build.json` builds. */
const isProgram = (name) =>
  /^(ir|passes|backends|compiler|runtime|cli)\//.test(name) && !/\/tests\/|\.test$/.test(name);

export async function resolve(specifier, context, next) {
  const url = /^(\.{1,2}\/|file:)/.test(specifier) ? new URL(specifier, context.parentURL).href : '';
  const isOurs = url.startsWith(root) && !url.startsWith(dist) && !url.includes('/node_modules/');
  if (!isOurs || !/\.[tj]s$/.test(url)) return next(specifier, context);
  const name = url.slice(root.length).replace(/\.[tj]s$/, '');
  return { url: isProgram(name) ? `${dist}${name}.js` : `${root}${name}.ts`, shortCircuit: true };
}

export async function load(url, context, next) {
  if (!url.endsWith('.ts')) return next(url, context);
  const script = new URL(`${made}${url.slice(root.length, -3)}.js`);
  const source = readFileSync(fileURLToPath(script), 'utf8');
  // So that lines in messages are those of the source. Node.js takes no whole address here.
  const mapped = source.replace(/\/\/# sourceMappingURL=.*$/, `//# sourceMappingURL=${script.pathname}.map`);
  return { format: 'module', source: mapped, shortCircuit: true };
}
