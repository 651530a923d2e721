import { at, intersect, length, type Range, range, shift } from '../../ir/box.ts';
import { isFault } from '../../ir/diagnostics/diagnostic.ts';
import type { Op } from '../../ir/graph.ts';
import { isSpatial, regionOf } from '../../ir/intervals.ts';
import type { OpAttributes, OpKind, Sides } from '../../ir/ops/attributes.ts';
import type { OpDefinition } from '../../ir/ops/definition.ts';
import { ops } from '../../ir/ops/table.ts';
import { inStrip, rowsOf, type Strip } from '../../ir/strips.ts';
import { type MapType, sameSize, type ValueType } from '../../ir/type.ts';
import type { Tape } from './tape.ts';

/** An op with its index in the program. */
export type Indexed = { readonly op: Op; readonly index: number };

const definition = (op: Op): OpDefinition<OpKind> => ops[op.kind] as OpDefinition<OpKind>;

const mapOf = (types: ReadonlyMap<string, ValueType>, name: string): MapType => {
  const type = types.get(name);
  if (type?.kind !== 'map') throw new Error(`${name} is no map`);
  return type;
};

/** Rows of a value in the program, along an axis. */
export const rowsIn = (types: ReadonlyMap<string, ValueType>, name: string, axis: number): number =>
  length(at(mapOf(types, name).box, axis));

/**
 * Writes the forward ops of a strip: those of the program, on some of their rows. Rows count from the first that
 * the program holds of a value, whatever the name under which the strip holds some of them.
 */
export class StripGraph {
  /** Names in the strip of values to which a cotangent flows. */
  readonly wanted: Set<string>;
  readonly strip: Strip;
  private readonly tape: Tape;
  private readonly types: ReadonlyMap<string, ValueType>;
  private readonly axis: number;
  private readonly needed: ReadonlyMap<string, Range>;
  /** By value of the program: its name here. */
  private readonly names = new Map<string, string>();
  /** By name here: its rows. */
  private readonly held = new Map<string, Range>();
  private readonly pieces = new Map<string, string>();
  /** By result of the program: the strip's own rows of it. */
  private readonly results = new Map<string, string>();
  private readonly forward: Indexed[] = [];

  constructor(
    tape: Tape,
    types: ReadonlyMap<string, ValueType>,
    strip: Strip,
    axis: number,
    needed: ReadonlyMap<string, Range>,
    wanted: ReadonlySet<string>,
  ) {
    this.tape = tape;
    this.types = types;
    this.strip = strip;
    this.axis = axis;
    this.needed = needed;
    this.wanted = new Set(wanted);
  }

  /** The ops of the strip, without the cutting of what enters. */
  written(): readonly Indexed[] {
    return this.forward;
  }

  /** What a value of the program is called here. */
  nameOf(value: string): string {
    return this.names.get(value) ?? value;
  }

  /** What holds the strip's own rows of a result, or its part of a sum. */
  resultOf(value: string): string {
    return this.results.get(value) ?? this.nameOf(value);
  }

  /** Computes the rows that are needed of a value; nothing where none are. */
  compute(op: Op, index: number): void {
    const rows = this.needed.get(op.output);
    if (rows === undefined || length(rows) === 0) return;
    this.tape.reading(inStrip(op.output, this.strip), index);
    const type = withRows(mapOf(this.types, op.output), this.axis, rows);
    const inputs = op.inputs.map((name, operand) => {
      if (!isSpatial(this.types.get(name))) return name;
      const held = this.enter(name);
      if (definition(op).cropsItself) return held;
      const whole = range(0, rowsIn(this.types, name, this.axis));
      const region = intersect(regionOf(op, this.axis, rows, operand), whole);
      return this.piece(name, held, region, index);
    });
    this.add(op, index, { inputs, attrs: this.attributes(op, rows, inputs), type });
    this.held.set(inStrip(op.output, this.strip), rows);
  }

  /** The part of a sum over the given rows of its operands. */
  sum(op: Op, index: number, rows: Range): void {
    this.tape.reading(inStrip(op.output, this.strip), index);
    const inputs = op.inputs.map((name) =>
      isSpatial(this.types.get(name)) ? this.piece(name, this.enter(name), rows, index) : name,
    );
    this.add(op, index, { inputs, attrs: op.attrs, type: op.type });
  }

  /** Sets the strip's own rows of a result apart. */
  result(value: string, rows: Range): void {
    const held = this.nameOf(value);
    this.results.set(value, this.piece(value, held, rows, at(this.forward, this.forward.length - 1).index));
  }

  /** Some rows of a value from before the strip, a cotangent for instance. */
  rowsOf(value: string, rows: Range): string {
    const type = this.tape.typeOf(value);
    if (type.kind !== 'map') throw new Error(`${value} is no map`);
    const all = length(at(type.box, this.axis));
    if (length(rows) === all) return value;
    const name = rowsOf(value, this.strip);
    const known = this.held.get(name);
    if (known !== undefined && sameRows(known, rows)) return name;
    if (known !== undefined) throw new Error(`two runs of rows of ${value}`);
    this.held.set(name, rows);
    return this.tape.append(cropped(name, value, type, this.axis, range(0, all), rows));
  }

  private add(op: Op, index: number, local: Pick<Op, 'inputs' | 'attrs' | 'type'>): void {
    const output = inStrip(op.output, this.strip);
    const types = local.inputs.map((name) => this.tape.typeOf(name));
    const shape = definition(op).shape(local.attrs as OpAttributes[OpKind], types);
    if (isFault(shape) || !sameSize(shape, local.type))
      throw new Error(`${output} is ${JSON.stringify(shape)}, not ${JSON.stringify(local.type)}`);
    if (this.wanted.has(op.output)) this.wanted.add(output);
    this.names.set(op.output, output);
    this.write({ ...op, ...local, output } as Op, index);
  }

  private write(op: Op, index: number): void {
    this.tape.reading(op.output, index);
    this.forward.push({ op, index });
    this.tape.append(op);
  }

  /** The name of a value here; of one from before the strip its rows are cut out first. */
  private enter(value: string): string {
    const known = this.names.get(value);
    if (known !== undefined) return known;
    const rows = this.needed.get(value) ?? range(0, 0);
    const name = this.rowsOf(value, rows);
    this.held.set(name, rows);
    this.names.set(value, name);
    if (this.wanted.has(value)) this.wanted.add(name);
    return name;
  }

  private piece(value: string, held: string, rows: Range, index: number): string {
    const have = this.held.get(held) ?? rows;
    if (sameRows(have, rows)) return held;
    const key = `${held} ${rows.from} ${rows.to}`;
    const known = this.pieces.get(key);
    if (known !== undefined) return known;
    // What every strip holds whole has one name for all of them.
    const name = `${held === value ? rowsOf(value, this.strip) : held}~piece${this.pieces.size}`;
    this.pieces.set(key, name);
    this.held.set(name, rows);
    if (this.wanted.has(value)) this.wanted.add(name);
    this.write(cropped(name, held, mapOf(this.types, value), this.axis, have, rows), index);
    return name;
  }

  /** The attributes on these rows: all else of the boxes is as in the program. */
  private attributes(op: Op, rows: Range, inputs: readonly string[]): OpAttributes[OpKind] {
    const attrs = op.attrs as OpAttributes[OpKind];
    const { localize } = definition(op);
    const input = this.types.get(op.inputs[0] ?? '');
    if (localize === undefined || input?.kind !== 'map' || op.type.kind !== 'map') return attrs;
    const whole = (box: MapType['box'], axis: number) => range(0, length(at(box, axis)));
    const read = this.held.get(inputs[0] ?? '') ?? whole(input.box, this.axis);
    return localize(
      attrs,
      op.type.box.map((_, axis) => ({
        axis,
        output: axis === this.axis ? rows : whole((op.type as MapType).box, axis),
        input: axis === this.axis ? read : whole(input.box, axis),
      })),
    );
  }
}

const sameRows = (a: Range, b: Range): boolean => a.from === b.from && a.to === b.to;

/** The type of some rows of a value. */
const withRows = (type: MapType, along: number, rows: Range): MapType => ({
  ...type,
  box: type.box.map((r, axis) => (axis === along ? shift(rows, r.from) : r)),
});

/** Cuts `rows` out of `have`; `whole` is the type of the value in the program. */
function cropped(output: string, input: string, whole: MapType, along: number, have: Range, rows: Range): Op {
  const sides = whole.box.map(
    (_, axis): Sides => (axis === along ? [rows.from - have.from, have.to - rows.to] : [0, 0]),
  );
  return { kind: 'crop', output, inputs: [input], attrs: { sides }, type: withRows(whole, along, rows) };
}
