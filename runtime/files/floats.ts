/** The float formats in which others keep weights, as 32-bit floats. */
import type { Tensor } from './safetensors.ts';

/** The values as 32-bit floats, rounded where they are longer; undefined for what holds no floats. */
export function floatsOf(tensor: Tensor): Float32Array | undefined {
  if (tensor.dtype === 'F32') return tensor.data;
  if (tensor.dtype === 'F64') return Float32Array.from(tensor.data);
  if (tensor.dtype === 'F16') return Float32Array.from(tensor.data, half);
  if (tensor.dtype === 'BF16') return upperHalves(tensor.data);
  return undefined;
}

/** IEEE 754 binary16: 1 bit of sign, 5 of exponent, 10 of fraction. */
function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** bfloat16 is the upper half of a 32-bit float. */
function upperHalves(values: Uint16Array): Float32Array {
  const bits = Uint32Array.from(values, (value) => value * 0x10000);
  return new Float32Array(bits.buffer);
}
