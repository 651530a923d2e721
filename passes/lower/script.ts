import { at } from '../../ir/box.ts';
import type { Buffer, Instruction, Role } from '../../ir/plan.ts';
import { bytesOf, dimsOf, type ValueType } from '../../ir/type.ts';
import { usesOf } from '../../ir/uses.ts';
import type { Site, Written } from './alike.ts';

/** Collects the instructions of a role. When buffers are born and freed follows from who uses them. */
export class Script {
  private readonly instructions: Instruction[] = [];
  private readonly sites: (Site | undefined)[] = [];
  private readonly buffers = new Map<string, Declared>();
  private readonly written = new Set<string>();
  /** The first and the last instruction that uses a buffer. */
  private readonly uses = new Map<string, { readonly first: number; last: number }>();
  private readonly persistent = new Set<string>();
  private readonly layoutOf: (type: ValueType) => Layout;

  constructor(samples: number) {
    this.layoutOf = layoutsOf(samples);
  }

  /**
   * Declares a buffer; `part` says which of the tiles of a device its cells belong to, `share` in the program of which
   * tile its value is of that type.
   */
  buffer(name: string, value: string, type: ValueType, share?: number, part?: readonly number[]): string {
    if (!this.buffers.has(name)) this.buffers.set(name, { value, type, share, part });
    return name;
  }

  /** Declares a buffer that lives from step to step. */
  state(name: string, value: string, type: ValueType): void {
    this.persistent.add(this.buffer(name, value, type));
  }

  /** `site`: the task that the instruction carries out. */
  do(instruction: Instruction, site?: Site): void {
    const { reads, writes } = usesOf(instruction);
    for (const name of reads) this.use(name);
    for (const name of writes) this.use(name);
    for (const name of writes) this.written.add(name);
    this.instructions.push(instruction);
    this.sites.push(site);
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
  finished(): Pick<Role, 'buffers' | 'instructions'> {
    const { buffers, instructions } = this.withSites();
    return { instructions, buffers };
  }

  /** The same, with the task of each instruction, and the tile that each buffer has its type of. */
  withSites(): Pick<Role, 'buffers' | 'instructions'> & Pick<Written, 'sites' | 'typedBy'> {
    const ends = this.ends();
    const instructions: Instruction[] = [];
    const sites: (Site | undefined)[] = [];
    const places = this.instructions.map((instruction, index) => {
      const buffers = ends.get(index);
      const place = instructions.push(instruction) - 1;
      sites[place] = this.sites[index];
      if (buffers !== undefined) instructions.push({ do: 'free', buffers });
      return place;
    });
    const buffers = this.withLives(places, instructions.length);
    return {
      instructions,
      sites,
      buffers,
      typedBy: buffers.map(({ name }) => this.buffers.get(name)?.share),
    };
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
    const buffers: Buffer[] = [];
    for (const [name, declared] of this.buffers) {
      const use = this.uses.get(name);
      if (this.persistent.has(name)) buffers.push(this.bufferOf(name, declared, -1, length));
      else if (use !== undefined)
        buffers.push(this.bufferOf(name, declared, at(places, use.first), at(places, use.last) + 1));
    }
    return buffers;
  }

  private bufferOf(name: string, { value, type, part }: Declared, birth: number, death: number): Buffer {
    return laidOut({ name, value, part, offset: 0, birth, death }, this.layoutOf(type));
  }
}

/** A buffer that lies in memory like that. Without spreads: there are hundreds of thousands. */
export function laidOut(
  { name, value, part, offset, birth, death }: Unlaid,
  { element, dims, box, bytes }: Layout,
): Buffer {
  if (part !== undefined) {
    const cells = box === undefined ? { part } : { box, part };
    return { name, value, element, dims, ...cells, bytes, offset, birth, death };
  }
  return box === undefined
    ? { name, value, element, dims, bytes, offset, birth, death }
    : { name, value, element, dims, box, bytes, offset, birth, death };
}

type Unlaid = Pick<Buffer, 'name' | 'value' | 'offset' | 'birth' | 'death'> & {
  readonly part?: Buffer['part'] | undefined;
};

/** How values lie in memory: told once for each type, since those of all micro-batches are alike. */
export function layoutsOf(samples: number): (type: ValueType) => Layout {
  const known = new Map<ValueType, Layout>();
  return (type) => {
    const found = known.get(type);
    if (found !== undefined) return found;
    const made = {
      element: type.element,
      dims: dimsOf(type, samples),
      box: type.kind === 'map' && type.box.length > 0 ? type.box : undefined,
      bytes: bytesOf(type, samples),
    };
    known.set(type, made);
    return made;
  };
}

/** What an instruction said of a buffer when it named it first. */
type Declared = {
  readonly value: string;
  readonly type: ValueType;
  readonly share: number | undefined;
  readonly part: readonly number[] | undefined;
};

export type Layout = Pick<Buffer, 'element' | 'dims' | 'bytes'> & { readonly box: Buffer['box'] | undefined };
