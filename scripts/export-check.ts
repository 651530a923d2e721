/**
 * The exported ONNX file of every example in Python's ONNX Runtime, which knows nothing of this project, against
 * the float64 reference.
 *
 *   python3 -m venv /tmp/onnx-check && /tmp/onnx-check/bin/pip install onnxruntime numpy
 *   npx tsx scripts/export-check.ts /tmp/onnx-check/bin/python
 *
 * Prints the largest error of each output, relative to its largest value (of classes: the share of cells that
 * differ, where two scores are as good as equal); ends with 1 where one is above 1e-4 (1e-3).
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errorOf, exampleSets, exportExample } from '../tests/support/exports.ts';

const [python = 'python3'] = process.argv.slice(2);

/** Reads a model and its inputs, and prints all outputs as JSON. */
const program = `
import json, sys
import numpy, onnxruntime
folder = sys.argv[1]
with open(folder + "/inputs.json") as file:
    given = json.load(file)
session = onnxruntime.InferenceSession(folder + "/model.onnx", providers=["CPUExecutionProvider"])
feeds = {name: numpy.array(one["data"], dtype=numpy.float32).reshape(one["dims"]) for name, one in given.items()}
found = session.run(None, feeds)
print(json.dumps({port.name: values.ravel().tolist() for port, values in zip(session.get_outputs(), found)}))
`;

const folder = mkdtempSync(join(tmpdir(), 'unetc-test-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

let failed = 0;
for (const example of Object.keys(exampleSets)) {
  const { bytes, inputs, expected } = exportExample(example);
  const plain = Object.entries(inputs).map(([name, { dims, data }]) => [name, { dims, data: [...data] }]);
  writeFileSync(join(folder, 'model.onnx'), bytes);
  writeFileSync(join(folder, 'inputs.json'), JSON.stringify(Object.fromEntries(plain)));
  const env = { ORT_DISABLE_TELEMETRY: '1', ...process.env };
  const said = execFileSync(python, ['-c', program, folder], { encoding: 'utf8', env, maxBuffer: 2 ** 28 });
  const found: Record<string, number[]> = JSON.parse(said);
  for (const [name, values] of Object.entries(expected)) {
    const classes = `${name}.logits` in expected;
    const error = errorOf(name, found[name] ?? [], values, classes);
    const good = error <= (classes ? 1e-3 : 1e-4);
    if (!good) failed++;
    console.log(`${good ? 'ok    ' : 'DIFFER'} ${error.toExponential(1)}  ${example}, ${name}`);
  }
}
console.log(`\n${Object.keys(exampleSets).length} examples: ${failed} outputs differ.`);
process.exitCode = failed === 0 ? 0 : 1;
