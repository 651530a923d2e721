/** Buffers: their lives, sizes, cells and places. */
import { at } from '../../../ir/box.ts';
import type { Buffer, Role } from '../../../ir/plan.ts';
import { product } from '../../../ir/type.ts';
import { atBuffer, atRole, inList, lived, type Mutation, moved, replaceAt } from './edit.ts';

const shrunk = (buffer: Buffer): Buffer => {
  const dims = replaceAt(buffer.dims, buffer.dims.length - 1, at(buffer.dims, buffer.dims.length - 1) - 1);
  return { ...buffer, dims, bytes: product(dims) * (buffer.element === 'f32' ? 4 : 1) };
};

const aliveWith = ({ buffers }: Role, one: Buffer): Buffer | undefined =>
  buffers.find(
    (other) =>
      other.name !== one.name &&
      other.bytes > 0 &&
      other.offset !== one.offset &&
      other.birth <= one.death &&
      one.birth <= other.death,
  );

export const onBuffers: Readonly<Record<string, Mutation>> = {
  'free a buffer before its last use': inList((all, index) =>
    at(all, index).do === 'free' && index > 0 ? moved(all, index, index - 1) : undefined,
  ),
  'free a buffer twice': inList((all, index) => {
    const one = at(all, index);
    return one.do === 'free' ? replaceAt(all, index, one, one) : undefined;
  }),
  'never free a buffer': inList((all, index) => {
    const one = at(all, index);
    if (one.do !== 'free') return undefined;
    const buffers = one.buffers.slice(1);
    return replaceAt(all, index, ...(buffers.length === 0 ? [] : [{ ...one, buffers }]));
  }),
  'free a weight': atRole((role, plan) => {
    const state = plan.states.find(({ buffer }) => role.buffers.some(({ name }) => name === buffer));
    const free = { do: 'free', buffers: [state?.buffer ?? ''] } as const;
    return state && lived(plan, { ...role, instructions: [...role.instructions, free] });
  }),
  'put two live buffers at one place': atBuffer((buffer, role) => {
    const other = buffer.bytes > 0 ? aliveWith(role, buffer) : undefined;
    return other && { ...buffer, offset: other.offset };
  }),
  'leave the alignment': atBuffer((buffer) => ({ ...buffer, offset: buffer.offset + 4 })),
  'have an arena too small': atRole((role) => ({ ...role, arenaBytes: role.arenaBytes - 64 })),
  'state a smaller peak': atRole((role) => ({ ...role, peakBytes: role.peakBytes - 64 })),
  'state a longer life': atBuffer((buffer) => ({ ...buffer, death: buffer.death + 1 }), true),
  'state fewer bytes': atBuffer(
    (buffer) => (buffer.bytes > 4 ? { ...buffer, bytes: buffer.bytes - 4 } : undefined),
    true,
  ),
  'shrink a buffer': atBuffer(
    (buffer) => (at([1, ...buffer.dims], buffer.dims.length) > 1 ? shrunk(buffer) : undefined),
    true,
  ),
  'hold another element': atBuffer(
    (buffer) =>
      buffer.element === 'u8' ? { ...buffer, element: 'f32', bytes: 4 * buffer.bytes } : undefined,
    true,
  ),
  'hold other cells': atBuffer((buffer) =>
    buffer.box && product(buffer.dims) > 0
      ? { ...buffer, box: buffer.box.map(({ from, to }) => ({ from: from + 1, to: to + 1 })) }
      : undefined,
  ),
  'call a buffer by another value': atBuffer((buffer, { buffers }) => {
    const other = buffers.find(
      ({ value, dims }) => value !== buffer.value && dims.join() === buffer.dims.join(),
    );
    return other && { ...buffer, value: other.value };
  }),
  'give a buffer to another tile of the device': atBuffer(({ part, ...buffer }, { buffers }) => {
    const other = buffers.find((one) => one.part !== undefined && one.part.join() !== part?.join())?.part;
    return part === undefined || other === undefined ? undefined : { ...buffer, part: other };
  }),
};
