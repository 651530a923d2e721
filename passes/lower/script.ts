import type { Buffer, Instruction } from '../../ir/plan.ts';
import { bytesOf, dimsOf, type ValueType } from '../../ir/type.ts';
import { usesOf } from '../../ir/uses.ts';

/** Collects the instructions of a role. When buffers are born and freed follows from who uses them. */
export class Script {
  private readonly instructions: Instruction[] = [];
  private readonly buffers = new Map<string, Omit<Buffer, 'birth' | 'death'>>();
  private readonly written = new Set<string>();
  private readonly persistent = new Set<string>();
  private readonly samples: number;

  constructor(samples: number) {
    this.samples = samples;
  }

  /** Declares a buffer; `part` says which of the tiles of a device its cells belong to. */
  buffer(name: string, value: string, type: ValueType, part?: readonly number[]): string {
    if (!this.buffers.has(name))
      this.buffers.set(name, {
        name,
        value,
        element: type.element,
        dims: dimsOf(type, this.samples),
        ...(type.kind === 'map' && type.box.length > 0 ? { box: type.box } : {}),
        ...(part === undefined ? {} : { part }),
        bytes: bytesOf(type, this.samples),
        offset: 0,
      });
    return name;
  }

  /** Declares a buffer that lives from step to step. */
  state(name: string, value: string, type: ValueType): void {
    this.persistent.add(this.buffer(name, value, type));
  }

  do(instruction: Instruction): void {
    for (const name of usesOf(instruction).writes) this.written.add(name);
    this.instructions.push(instruction);
  }

  /** Whether an instruction so far writes a buffer. */
  writes(name: string): boolean {
    return this.written.has(name);
  }

  /** The instructions, with each buffer freed after its last use, and the life of each buffer. */
  finished(): { readonly buffers: Buffer[]; readonly instructions: Instruction[] } {
    const last = new Map<string, number>();
    this.instructions.forEach((instruction, index) => {
      const { reads, writes } = usesOf(instruction);
      for (const name of [...reads, ...writes]) last.set(name, index);
    });
    const ends = new Map<number, string[]>();
    for (const [name, index] of last)
      if (!this.persistent.has(name)) ends.set(index, [...(ends.get(index) ?? []), name]);
    const instructions = this.instructions.flatMap((instruction, index): Instruction[] => {
      const buffers = ends.get(index);
      return buffers === undefined ? [instruction] : [instruction, { do: 'free', buffers }];
    });
    return { instructions, buffers: this.withLives(instructions) };
  }

  private withLives(instructions: readonly Instruction[]): Buffer[] {
    const lives = new Map<string, { birth: number; death: number }>();
    instructions.forEach((instruction, index) => {
      const { reads, writes, frees } = usesOf(instruction);
      for (const name of [...reads, ...writes, ...frees])
        lives.set(name, { birth: lives.get(name)?.birth ?? index, death: index });
    });
    return [...this.buffers.values()].flatMap((buffer): Buffer[] => {
      if (this.persistent.has(buffer.name)) return [{ ...buffer, birth: -1, death: instructions.length }];
      const life = lives.get(buffer.name);
      return life === undefined ? [] : [{ ...buffer, ...life }];
    });
  }
}
