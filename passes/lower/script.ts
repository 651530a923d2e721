import { at } from '../../ir/box.ts';
import type { Buffer, Instruction } from '../../ir/plan.ts';
import { bytesOf, dimsOf, type ValueType } from '../../ir/type.ts';
import { usesOf } from '../../ir/uses.ts';

/** Collects the instructions of a role. When buffers are born and freed follows from who uses them. */
export class Script {
  private readonly instructions: Instruction[] = [];
  private readonly buffers = new Map<string, Declared>();
  /** Micro-batches have values of the same types. */
  private readonly layouts = new Map<ValueType, Layout>();
  private readonly written = new Set<string>();
  /** The first and the last instruction that uses a buffer. */
  private readonly uses = new Map<string, { readonly first: number; last: number }>();
  private readonly persistent = new Set<string>();
  private readonly samples: number;

  constructor(samples: number) {
    this.samples = samples;
  }

  /** Declares a buffer; `part` says which of the tiles of a device its cells belong to. */
  buffer(name: string, value: string, type: ValueType, part?: readonly number[]): string {
    if (!this.buffers.has(name)) this.buffers.set(name, { value, type, part });
    return name;
  }

  /** Declares a buffer that lives from step to step. */
  state(name: string, value: string, type: ValueType): void {
    this.persistent.add(this.buffer(name, value, type));
  }

  do(instruction: Instruction): void {
    const { reads, writes } = usesOf(instruction);
    for (const name of reads) this.use(name);
    for (const name of writes) this.use(name);
    for (const name of writes) this.written.add(name);
    this.instructions.push(instruction);
  }

  private use(name: string): void {
    const index = this.instructions.length;
    const known = this.uses.get(name);
    if (known === undefined) this.uses.set(name, { first: index, last: index });
    else known.last = index;
  }

  /** Whether an instruction so far writes a buffer. */
  writes(name: string): boolean {
    return this.written.has(name);
  }

  /** The instructions, with each buffer freed after its last use, and the life of each buffer. */
  finished(): { readonly buffers: Buffer[]; readonly instructions: Instruction[] } {
    const ends = this.ends();
    const instructions: Instruction[] = [];
    const places = this.instructions.map((instruction, index) => {
      const buffers = ends.get(index);
      const place = instructions.push(instruction) - 1;
      if (buffers !== undefined) instructions.push({ do: 'free', buffers });
      return place;
    });
    return { instructions, buffers: this.withLives(places, instructions.length) };
  }

  /** By instruction so far, the buffers that it is the last to use. */
  private ends(): Map<number, string[]> {
    const ends = new Map<number, string[]>();
    for (const [name, { last }] of this.uses) {
      if (this.persistent.has(name)) continue;
      const known = ends.get(last);
      if (known === undefined) ends.set(last, [name]);
      else known.push(name);
    }
    return ends;
  }

  /** `places`: where each instruction stands among all; a buffer is freed right after the last that uses it. */
  private withLives(places: readonly number[], length: number): Buffer[] {
    return [...this.buffers].flatMap(([name, declared]): Buffer[] => {
      if (this.persistent.has(name)) return [this.bufferOf(name, declared, -1, length)];
      const use = this.uses.get(name);
      return use === undefined
        ? []
        : [this.bufferOf(name, declared, at(places, use.first), at(places, use.last) + 1)];
    });
  }

  private bufferOf(name: string, { value, type, part }: Declared, birth: number, death: number): Buffer {
    const { element, dims, box, bytes } = this.layoutOf(type);
    const cells = { ...(box === undefined ? {} : { box }), ...(part === undefined ? {} : { part }) };
    return { name, value, element, dims, ...cells, bytes, offset: 0, birth, death };
  }

  private layoutOf(type: ValueType): Layout {
    const known = this.layouts.get(type);
    if (known !== undefined) return known;
    const layout = {
      element: type.element,
      dims: dimsOf(type, this.samples),
      box: type.kind === 'map' && type.box.length > 0 ? type.box : undefined,
      bytes: bytesOf(type, this.samples),
    };
    this.layouts.set(type, layout);
    return layout;
  }
}

/** What an instruction said of a buffer when it named it first. */
type Declared = {
  readonly value: string;
  readonly type: ValueType;
  readonly part: readonly number[] | undefined;
};

type Layout = Pick<Buffer, 'element' | 'dims' | 'bytes'> & { readonly box: Buffer['box'] | undefined };
