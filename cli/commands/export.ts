import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { exportOnnx } from '../../backends/onnx/export.ts';
import { compileModel } from '../../compiler/front/lower-model.ts';
import { bundlePaths } from '../../ir/bundle.ts';
import { type Diagnostic, diagnose, fault } from '../../ir/diagnostics/diagnostic.ts';
import { showBytes } from '../../ir/units.ts';
import { type Bundle, openBundle } from '../../runtime/bundle.ts';
import { writeSafely } from '../../runtime/files/write-safely.ts';
import { weightNamesText } from '../../runtime/weight-names.ts';
import { complain, type ExitCode, guarded, note, print } from '../command.ts';
import { findWeights } from '../run-inputs.ts';

type Options = { readonly weights?: string; readonly output?: string; readonly names?: string };

export function registerExport(program: Command): void {
  program
    .command('export')
    .summary('write the trained network as one ONNX file, or a table of its weights')
    .description(
      'Writes the trained network as one plain ONNX file: raw pixels in, results and classes out, weights inside. ONNX Runtime runs it alone. With --names writes the table that `run --init-names` reads, to train on from weights of another program.',
    )
    .argument('<bundle>', 'a folder that `unetc compile` wrote')
    .option('--weights <path>', 'weights (safetensors), or a folder of checkpoints')
    .option('-o, --output <file>', 'the ONNX file')
    .option('--names <file>', 'names and dimensions of all weights, as JSON to be filled in')
    .action(guarded(runExport));
}

async function runExport(folder: string, { names, weights, output }: Options): Promise<ExitCode> {
  const bundle = await openBundle(folder);
  if (!bundle.ok) return complain(bundle.diagnostics);
  if (names !== undefined) {
    const code = write(names, weightNamesText(bundle.value.plan.model));
    if (code !== 0 || output === undefined) return code;
  }
  if (weights === undefined || output === undefined) {
    const option = weights === undefined ? '`--weights PATH`' : '`-o FILE`';
    const remedy = 'an export needs both; `--names FILE` alone writes the names of the weights';
    return complain([diagnose(fault('option-missing', { option, remedy }))]);
  }
  const onnx = trainedNetwork(bundle.value, weights);
  if (!onnx.ok) return complain(onnx.diagnostics, new Map(), onnx.code);
  return write(output, onnx.bytes);
}

type Exported =
  | { readonly ok: true; readonly bytes: Uint8Array }
  | { readonly ok: false; readonly diagnostics: readonly Diagnostic[]; readonly code: ExitCode };

function trainedNetwork(bundle: Bundle, path: string): Exported {
  const weights = findWeights(path, bundle);
  if (!weights.ok) return { ...weights, code: 1 };
  const file = join(bundle.directory, bundlePaths.model);
  const { sets } = bundle.manifest;
  const model = compileModel(readFileSync(file, 'utf8'), file, { sets, purpose: 'predict' });
  if (!model.ok) return { ...model, code: 1 };
  const bytes = exportOnnx(model.value, weights.value);
  return bytes.ok ? { ok: true, bytes: bytes.value } : { ...bytes, code: 3 };
}

function write(file: string, contents: Uint8Array | string): ExitCode {
  const written = writeSafely(file, [typeof contents === 'string' ? Buffer.from(contents) : contents]);
  if (!written.ok) return complain(written.diagnostics, new Map(), 3);
  print(file);
  if (typeof contents !== 'string') note(showBytes(contents.length));
  return 0;
}
