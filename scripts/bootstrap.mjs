/**
 * Brings a fresh clone to where everything runs: installs the packages of the lock file if they are not
 * there, and builds `dist/` if a source is newer. Needs Node only. Nothing is fetched from outside the npm
 * registry, and no package's install script runs (see .npmrc).
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const rooms = ['ir', 'passes', 'backends', 'compiler', 'runtime', 'cli'];

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19))
  fail(`unetc needs Node 20.19 or later, this is ${process.version}`);

install();
build();

function install() {
  const stamp = join(root, 'node_modules', '.unetc-lock');
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  console.error('Installing packages ...');
  run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']);
  writeFileSync(stamp, lock);
}

function build() {
  const stamp = join(root, 'dist', '.built');
  const built = existsSync(stamp) ? statSync(stamp).mtimeMs : 0;
  const newest = Math.max(
    ...rooms.flatMap((room) => sources(join(root, room))).map((file) => statSync(file).mtimeMs),
  );
  if (newest < built && statSync(join(root, 'package-lock.json')).mtimeMs < built) return;
  console.error('Building ...');
  run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json']);
  // So that `npx unetc` can run it.
  chmodSync(join(root, 'dist/cli/unetc.js'), 0o755);
  writeFileSync(stamp, '');
}

function sources(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name));
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (status !== 0) fail(`\`${command} ${args.join(' ')}\` failed${error ? `: ${error.message}` : ''}`);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
