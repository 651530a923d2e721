import { extents } from '../../ir/box.ts';
import { isFault } from '../../ir/diagnostics/diagnostic.ts';
import type { Op } from '../../ir/graph.ts';
import type { OpAttributes, OpKind } from '../../ir/ops/attributes.ts';
import type { GradientBuilder } from '../../ir/ops/definition.ts';
import { makeOp } from '../../ir/ops/table.ts';
import { product, sameSize, type ValueType } from '../../ir/type.ts';

/** The forward op, by its index, whose adjoint an op belongs to; or the parameter that no op of the graph reads. */
export type Origin = number | string;

export type Written = { readonly ops: readonly Op[]; readonly origins: readonly Origin[] };

/** Collects the ops that gradients emit, and names their results after the op being differentiated. */
export class Tape implements GradientBuilder {
  private readonly written: Op[] = [];
  private readonly from: Origin[] = [];
  /** Where each value was written last. */
  private readonly places = new Map<string, number>();
  private current = '';
  private origin: Origin = 0;
  private count = 0;
  private readonly types: Map<string, ValueType>;
  private readonly names = new Map<string, string>();

  constructor(types: Map<string, ValueType>) {
    this.types = types;
  }

  /** How many ops are written. */
  get length(): number {
    return this.written.length;
  }

  reading(output: string, origin: Origin): void {
    this.current = output;
    this.origin = origin;
    this.count = 0;
  }

  /** The cotangent of what this device has no use for. */
  nothing(op: Op): string {
    if (op.type.kind !== 'map') throw new Error(`${op.kind} gives no map`);
    const extent = extents(op.type.box);
    if (product(extent) === 0) return '';
    const attrs = { channels: op.type.channels, extent };
    return this.placed(this.emit('blank', [], attrs, `${op.output}~nothing`), op.output);
  }

  typeOf(name: string): ValueType {
    const type = this.types.get(name);
    if (type === undefined) throw new Error(`no value ${name}`);
    return type;
  }

  emit<K extends OpKind>(kind: K, inputs: readonly string[], attrs: OpAttributes[K], name?: string): string {
    const output = name ?? `${this.current}~back${this.count++}`;
    const op = makeOp(
      kind,
      output,
      inputs,
      attrs,
      inputs.map((input) => this.typeOf(input)),
    );
    if (isFault(op)) throw new Error(`gradient of ${this.current}: ${op.code} ${JSON.stringify(op.args)}`);
    return this.append(op);
  }

  /** Writes an op that is made already. */
  append(op: Op): string {
    this.places.set(op.output, this.written.push(op) - 1);
    this.from.push(this.origin);
    this.types.set(op.output, op.type);
    return op.output;
  }

  /** A cotangent covers the box of its value: the op that made it knew sizes only. */
  placed(cotangent: string, value: string): string {
    const type = this.typeOf(value);
    if (!sameSize(this.typeOf(cotangent), type))
      throw new Error(`cotangent ${cotangent} of ${value} has another size`);
    const index = this.indexOf(cotangent);
    const op = this.written[index];
    if (op !== undefined) this.written[index] = { ...op, type };
    this.types.set(cotangent, type);
    return cotangent;
  }

  /** Where a value was written; -1 for what was there before. */
  indexOf(value: string): number {
    return this.places.get(value) ?? -1;
  }

  /** The cotangent of a parameter that does not reach the loss. */
  zeros(parameter: string): string {
    const type = this.typeOf(parameter);
    const dims = type.kind === 'array' ? type.dims : [];
    return this.emit('fill', [], { value: 0, dims }, `${parameter}~zeros`);
  }

  /**
   * Gives a result its name in the finished program, and says what must be called so. What has a name, or was made
   * before the op of the index `since`, is copied: each name is a value of its own.
   */
  name(value: string, name: string, since = 0): string {
    const isOwn = this.indexOf(value) >= since && !this.names.has(value);
    const own = isOwn ? value : this.placed(this.emit('scale', [value], { factor: 1 }), value);
    this.names.set(own, name);
    return own;
  }

  /** All ops, with the results that were named. */
  finished(): Written {
    const rename = (name: string) => this.names.get(name) ?? name;
    const renamed = (op: Op): Op =>
      ({ ...op, output: rename(op.output), inputs: op.inputs.map(rename), ...intoOf(op, rename) }) as Op;
    return { ops: this.written.map(renamed), origins: this.from };
  }
}

/** A step of a sum names the sum. */
const intoOf = (op: Op, rename: (name: string) => string): Partial<Op> =>
  op.kind === 'paste' ? { attrs: { ...op.attrs, into: rename(op.attrs.into) } } : {};
