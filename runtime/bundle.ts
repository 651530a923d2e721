/**
 * Opens a bundle: checks that it is one, that every file is the one its manifest lists, and that the plan has
 * the structure of a plan. Nothing in it is executed, and no path leads out of it.
 */
import { createHash } from 'node:crypto';
import { readFile, realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, relative, sep } from 'node:path';
import { bundleFormat, bundlePaths, executors, type Manifest, segmentPath } from '../ir/bundle.ts';
import { diagnose, failure, fault, type Result, success } from '../ir/diagnostics/diagnostic.ts';
import type { Plan } from '../ir/plan.ts';
import { planInFiles, type Read, roleMistold } from '../ir/plan-files.ts';
import { brokenReference } from './plan-references.ts';
import { planShape } from './plan-shape.ts';
import { check, count, type Guard, list, oneOf, record, table, text } from './shape.ts';

export type Bundle = {
  readonly directory: string;
  readonly manifest: Manifest;
  readonly plan: Plan;
  /** The ONNX file of each segment; none where only PyTorch can run the bundle. */
  readonly segments: Readonly<Record<string, string>>;
};

const hash: Guard<string> = (value, path, complain): value is string => {
  const right = typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
  if (!right) complain(path, 'is not a SHA-256 hash');
  return right;
};

const manifestShape = record<Manifest>({
  format: count,
  compiler: text,
  model: hash,
  plan: hash,
  sets: table(text),
  threads: count,
  executors: list(oneOf(...executors)),
  files: table(hash),
});

/** Only what a newer manifest surely has too. */
const formatShape = record<Pick<Manifest, 'format'>>({ format: count });

/**
 * Opens the bundle in `directory`. Errors: `bundle-missing`, `bundle-version`, `bundle-changed`,
 * `bundle-damaged`.
 */
export async function openBundle(directory: string): Promise<Result<Bundle>> {
  const manifest = await readManifest(directory);
  if (!manifest.ok) return manifest;
  const contents = await readFiles(directory, manifest.value);
  if (!contents.ok) return contents;
  const plan = readPlan(directory, contents.value);
  if (!plan.ok) return plan;
  const local = manifest.value.executors.includes('local');
  const segments = (local ? plan.value.segments : []).map(({ name }) => ({ name, path: segmentPath(name) }));
  const lacking = segments.find(({ path }) => !contents.value.has(path));
  if (lacking !== undefined) return changed(directory, lacking.path, 'is missing');
  return success({
    directory,
    manifest: manifest.value,
    plan: plan.value,
    segments: Object.fromEntries(segments.map(({ name, path }) => [name, join(directory, path)])),
  });
}

const damaged = (path: string, file: string, reason: string): Result<never> =>
  failure(diagnose(fault('bundle-damaged', { path, file, reason })));

const changed = (path: string, file: string, reason: string): Result<never> =>
  failure(diagnose(fault('bundle-changed', { path, file, reason })));

const parse = (json: string): { value: unknown } | { problem: string } => {
  try {
    return { value: JSON.parse(json) };
  } catch {
    return { problem: 'it is not JSON' };
  }
};

/** A model in place of its bundle is what people give most often. */
async function missing(path: string): Promise<Result<never>> {
  const found = await stat(path).catch(() => undefined);
  const reason =
    found === undefined
      ? 'there is no such folder'
      : found.isDirectory()
        ? `it has no ${bundlePaths.manifest}`
        : 'it is a file';
  const isModel = found?.isFile() === true && path.endsWith('.unet');
  return failure(
    diagnose(fault('bundle-missing', { path, reason }), {
      hint: isModel ? `it is a model: \`unetc compile ${path} -o DIR\` makes a bundle of it` : undefined,
    }),
  );
}

async function readManifest(directory: string): Promise<Result<Manifest>> {
  const json = await readFile(join(directory, bundlePaths.manifest), 'utf8').catch(() => undefined);
  if (json === undefined) return missing(directory);
  const parsed = parse(json);
  if ('problem' in parsed) return damaged(directory, bundlePaths.manifest, parsed.problem);
  const format = check(parsed.value, formatShape, 'manifest');
  if ('value' in format && format.value.format !== bundleFormat) {
    const args = { path: directory, found: format.value.format, expected: bundleFormat };
    return failure(diagnose(fault('bundle-version', args)));
  }
  const manifest = check(parsed.value, manifestShape, 'manifest');
  return 'value' in manifest
    ? success(manifest.value)
    : damaged(directory, bundlePaths.manifest, manifest.problem);
}

/** True for a path that stays below the folder it is joined to. */
const staysInside = (path: string): boolean =>
  !isAbsolute(path) &&
  !path.includes('\\') &&
  path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');

/** Reads all files, and refuses the first that is not what the manifest says. */
async function readFiles(directory: string, { files }: Manifest): Promise<Result<Map<string, Uint8Array>>> {
  const root = await realpath(directory);
  const contents = new Map<string, Uint8Array>();
  for (const [path, expected] of Object.entries(files)) {
    if (!staysInside(path)) return changed(directory, path, 'lies outside');
    const real = await realpath(join(root, path)).catch(() => undefined);
    if (real === undefined) return changed(directory, path, 'is missing');
    if (relative(root, real).split(sep)[0] === '..') return changed(directory, path, 'leads outside');
    const bytes = await readFile(real).catch(() => undefined);
    if (bytes === undefined) return changed(directory, path, 'cannot be read');
    const found = createHash('sha256').update(bytes).digest('hex');
    if (found !== expected) return changed(directory, path, 'is not the file that was compiled');
    contents.set(path, bytes);
  }
  return success(contents);
}

function readPlan(directory: string, contents: ReadonlyMap<string, Uint8Array>): Result<Plan> {
  const absent: string[] = [];
  const parsed = (file: string): Read => {
    const bytes = contents.get(file);
    if (bytes === undefined) absent.push(file);
    const found = parse(new TextDecoder().decode(bytes));
    return 'problem' in found ? { file, problem: found.problem } : found;
  };
  const read = planInFiles(parsed);
  const [lacking] = absent;
  if (lacking !== undefined) return changed(directory, lacking, 'is missing');
  if ('problem' in read) return damaged(directory, read.file, read.problem);
  const wrong = (problem: string) => damaged(directory, bundlePaths.plan, problem);
  const plan = check(read.value.plan, planShape, 'plan');
  if ('problem' in plan) return wrong(plan.problem);
  const broken = brokenReference(plan.value);
  if (broken !== undefined) return wrong(broken);
  const role = roleMistold(plan.value, read.value.told);
  return role === undefined
    ? success(plan.value)
    : wrong(`what others are told of the role ${role.name} is not what its program says`);
}
