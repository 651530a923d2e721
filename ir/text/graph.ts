/**
 * Graphs as text, one value a line:
 *
 *   input image : f32 map 3 [0..256, -46..174]
 *   conv[0] = conv(image, conv[0].weight) {kernel=[3, 3], ...} : f32 map 16 [0..256, -45..173]
 *   return loss, land~class
 */
import type { Range } from '../box.ts';
import type { Graph, Op } from '../graph.ts';
import type { OpKind } from '../ops/attributes.ts';
import { isOpKind } from '../ops/table.ts';
import type { Element, Value, ValueType } from '../type.ts';
import type { Cursor } from './cursor.ts';
import { type Data, printData, printName, readRecord } from './data.ts';

const elements: readonly Element[] = ['f32', 'u8'];

export const printRange = (r: Range): string => `${r.from}..${r.to}`;

export const printType = (type: ValueType): string =>
  type.kind === 'array'
    ? `${type.element} array [${type.dims.join(', ')}]`
    : `${type.element} map ${type.channels} [${type.box.map(printRange).join(', ')}]`;

export function readType(cursor: Cursor): ValueType {
  const element = cursor.oneOf(elements);
  const kind = cursor.oneOf(['array', 'map']);
  if (kind === 'array') return { kind, element, dims: cursor.list(() => cursor.integer()) };
  const channels = cursor.integer();
  return { kind, element, channels, box: cursor.list(() => readRange(cursor)) };
}

export function readRange(cursor: Cursor): Range {
  const from = cursor.integer();
  cursor.expect('..');
  return { from, to: cursor.integer() };
}

const printValue = ({ name, type }: Value): string => `${printName(name)} : ${printType(type)}`;

function readValue(cursor: Cursor): Value {
  const name = cursor.name();
  cursor.expect(':');
  return { name, type: readType(cursor) };
}

export const printOp = ({ output, kind, inputs, attrs, type }: Op): string =>
  `${printName(output)} = ${kind}(${inputs.map(printName).join(', ')}) ${printData(attrs as Data)} : ${printType(type)}`;

/** The verifier checks that attributes and type fit the op; here any record is read. */
export function readOp(cursor: Cursor): Op {
  const output = cursor.name();
  cursor.expect('=');
  const kind = readKind(cursor);
  const inputs = cursor.list(() => cursor.name(), '(', ')');
  const attrs = readRecord(cursor);
  cursor.expect(':');
  return { kind, output, inputs, attrs, type: readType(cursor) } as unknown as Op;
}

function readKind(cursor: Cursor): OpKind {
  const word = cursor.peek().text;
  if (!isOpKind(word)) return cursor.fail('the name of an op');
  cursor.next();
  return word;
}

export const printGraph = ({ inputs, ops, outputs }: Graph): string[] => [
  ...inputs.map((value) => `input ${printValue(value)}`),
  ...ops.map(printOp),
  `return ${outputs.map(printName).join(', ')}`,
];

export function readGraph(cursor: Cursor): Graph {
  const inputs: Value[] = [];
  const ops: Op[] = [];
  while (cursor.peek().text !== 'return' || cursor.peek(1).text === '=') {
    if (cursor.peek(1).text !== '=' && cursor.take('input')) inputs.push(readValue(cursor));
    else ops.push(readOp(cursor));
  }
  cursor.expect('return');
  return { inputs, ops, outputs: readNames(cursor) };
}

/** Names with commas between them; none where a brace closes at once. */
function readNames(cursor: Cursor): string[] {
  const names: string[] = [];
  if (cursor.peek().text === '}') return names;
  do names.push(cursor.name());
  while (cursor.take(','));
  return names;
}
