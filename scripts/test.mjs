/**
 * `npm test`: types, format and lint, then every test file in its own process, as many at once as there are
 * cores. The last line is `N passed, N failed`. Arguments choose files whose path contains one of them.
 * The check of types also makes scripts of the tests, which `tests/support/run.mjs` runs.
 */
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import './bootstrap.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const rooms = ['ir', 'passes', 'backends', 'compiler', 'runtime', 'cli', 'tests'];
const runner = 'tests/support/run.mjs';
/** No test file may take longer than this. */
const limit = 15 * 60_000;
/** ONNX Runtime reports to its makers unless told not to. `dist/` is that of these sources (`tests/support/command-line.ts`). */
const env = { ORT_DISABLE_TELEMETRY: '1', ...process.env, UNETC_BUILT: '1' };

const chosen = process.argv.slice(2);
const files = rooms
  .flatMap((room) => readdirSync(join(root, room), { recursive: true }).map((file) => join(room, file)))
  .filter((file) => file.endsWith('.test.ts'))
  .filter((file) => chosen.length === 0 || chosen.some((part) => file.includes(part)))
  .sort();

const types = {
  name: 'types',
  args: ['node_modules/typescript/bin/tsc', '-p', '.', '--outDir', 'node_modules/.unetc-tests'],
};
const checks = [
  { name: 'types of the report', args: ['node_modules/typescript/bin/tsc', '-p', 'cli/report/page'] },
  { name: 'format and lint', args: ['node_modules/@biomejs/biome/bin/biome', 'check', '.'] },
];
const jobs = [
  ...(chosen.length === 0 ? checks : []),
  ...files.map((file) => ({
    name: relative(root, join(root, file)),
    args: [runner, file],
  })),
];

let passed = 0;
let failed = 0;
report(types, await runJob(types));
const queue = [...jobs];
await Promise.all(Array.from({ length: Math.max(1, availableParallelism()) }, worker));
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;

async function worker() {
  for (let job = queue.shift(); job !== undefined; job = queue.shift()) report(job, await runJob(job));
}

function runJob({ args }) {
  return new Promise((resolve) => {
    const began = performance.now();
    const child = spawn(process.execPath, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const timer = setTimeout(() => child.kill('SIGKILL'), limit);
    let output = '';
    child.stdout.on('data', (data) => {
      output += data;
    });
    child.stderr.on('data', (data) => {
      output += data;
    });
    child.on('close', (status, signal) => {
      clearTimeout(timer);
      resolve({ output, status, signal, seconds: (performance.now() - began) / 1000 });
    });
  });
}

/** uvu ends with `Total: n` and `Passed: n`; a file that dies before that counts as one failure. */
function report({ name, args }, { output, status, signal, seconds }) {
  const isTest = args.includes(runner);
  const number = (word) => Number(new RegExp(`^\\s+${word}:\\s+(\\d+)`, 'm').exec(output)?.[1] ?? Number.NaN);
  const [total, good] = isTest ? [number('Total'), number('Passed')] : [1, status === 0 ? 1 : 0];
  const bad = Number.isNaN(total) ? 1 : Math.max(total - good, status === 0 ? 0 : 1);
  passed += Number.isNaN(good) ? 0 : good;
  failed += bad;
  const skipped = isTest && number('Skipped') > 0 ? `, ${number('Skipped')} skipped` : '';
  console.log(`${bad > 0 ? 'FAIL' : 'ok  '} ${name}  (${seconds.toFixed(1)} s${skipped})`);
  if (bad > 0)
    console.log(output, signal ? `ended by ${signal} after ${limit / 60_000} minutes at most` : '');
}
