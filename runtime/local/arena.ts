/**
 * The memory of one device: one block that all buffers of a role lie in, at the offsets that the plan gives
 * them. So the plan's peak is the device's, and each buffer has the same alignment in every run (sums in
 * ONNX Runtime depend on addresses modulo 16).
 */
import type { Buffer as PlanBuffer, Role } from '../../ir/plan.ts';
import type { Element } from '../../ir/type.ts';

export type Elements = Float32Array | Uint8Array;

export type Held = { readonly buffer: PlanBuffer; readonly data: Elements };

/** The buffers of one role by name. Asking for one that the role lacks is a fault of the plan's verifier. */
export type Arena = {
  has(name: string): boolean;
  held(name: string): Held;
  floats(name: string): Float32Array;
  bytes(name: string): Uint8Array;
};

const views: { readonly [E in Element]: (block: ArrayBuffer, offset: number, bytes: number) => Elements } = {
  f32: (block, offset, bytes) => new Float32Array(block, offset, bytes / 4),
  u8: (block, offset, bytes) => new Uint8Array(block, offset, bytes),
};

/** Lays a role's buffers over `block`, which is at least `role.arenaBytes` long. */
export function layOut(role: Role, block: ArrayBuffer): Arena {
  const all = new Map(
    role.buffers.map((buffer): [string, Held] => [
      buffer.name,
      { buffer, data: views[buffer.element](block, buffer.offset, buffer.bytes) },
    ]),
  );
  const held = (name: string): Held => {
    const found = all.get(name);
    if (found === undefined) throw new RangeError(`role ${role.name} has no buffer ${name}`);
    return found;
  };
  return {
    has: (name) => all.has(name),
    held,
    floats(name) {
      const { data } = held(name);
      if (data instanceof Float32Array) return data;
      throw new TypeError(`buffer ${name} of role ${role.name} holds no floats`);
    },
    bytes(name) {
      const { data } = held(name);
      if (data instanceof Uint8Array) return data;
      throw new TypeError(`buffer ${name} of role ${role.name} holds no bytes`);
    },
  };
}
