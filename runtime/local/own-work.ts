/** Instructions in which a device moves numbers itself, on numbers of no meaning: for whoever times them. */
import { range, volume } from '../../ir/box.ts';
import type { OwnWork } from '../../ir/machine.ts';
import { countLabels, countPairs } from './cells.ts';
import { allFinite } from './finite.ts';
import { letGo } from './let-go.ts';
import { addCells, copyCells } from './moved-cells.ts';
import { addTo, multiply, squaresOf } from './sums.ts';

/** The work once, and the bytes that the cost model charges it by (`backends/simulator/work.ts`). */
type Once = { readonly run: () => void; readonly charged: number };

const channels = 16;

/** A map of about so many bytes, and so many columns more. */
function celled(name: string, bytes: number, margin = 0) {
  const side = Math.max(2, Math.round(Math.sqrt(bytes / 4 / channels)));
  const box = [range(0, side), range(0, side + margin)];
  const data = new Float32Array(channels * volume(box)).fill(1);
  return { buffer: { name, dims: [1, channels, side, side + margin], box }, data };
}

/** Labels of two classes, as many as there are bytes. */
function labelled(bytes: number) {
  const side = Math.max(2, Math.round(Math.sqrt(bytes)));
  const box = [range(0, side), range(0, side)];
  return { data: Uint8Array.from({ length: volume(box) }, (_, i) => i % 2), box };
}

/** Bytes of the smallest page. */
const page = 4096;

const works: { readonly [W in OwnWork]: (bytes: number) => Once } = {
  accumulate(bytes) {
    const [sum, more] = [new Float32Array(bytes / 4), new Float32Array(bytes / 4)];
    return { run: () => addTo(sum, more), charged: 3 * bytes };
  },
  paste(bytes) {
    const [from, into] = [celled('from', bytes), celled('into', bytes)];
    return { run: () => addCells(into, from, from.buffer.box), charged: 3 * from.data.byteLength };
  },
  exchange(bytes) {
    const [from, into] = [celled('from', bytes), celled('into', bytes, 1)];
    const run = () => {
      into.data.fill(0);
      copyCells(into, from, from.buffer.box);
    };
    return { run, charged: from.data.byteLength + into.data.byteLength };
  },
  count(bytes) {
    const labels = labelled(bytes);
    return { run: () => void countLabels(labels, 1, labels.box), charged: labels.data.length };
  },
  metric(bytes) {
    const labels = labelled(bytes);
    const counts = new Float64Array(4);
    return {
      run: () => countPairs(counts, 2, labels, labels, 1, labels.box),
      charged: 2 * labels.data.length,
    };
  },
  clip(bytes) {
    const values = new Float32Array(bytes / 4).fill(1);
    const run = () => {
      if (squaresOf(values) > 0) multiply(values, 1);
    };
    return { run, charged: 3 * bytes };
  },
  check(bytes) {
    const values = new Float32Array(bytes / 4).fill(1);
    return { run: () => void allFinite(values), charged: bytes };
  },
  // As a result comes back beside what was written to its place.
  run(bytes) {
    const result = new Float32Array(bytes / 4).fill(1);
    return { run: () => letGo(result.slice()), charged: bytes };
  },
  clear(bytes) {
    const run = () => {
      const block = new Uint8Array(bytes);
      for (let i = 0; i < bytes; i += page) block[i] = 1;
      letGo(block);
    };
    return { run, charged: bytes };
  },
};

export const ownWork = (work: OwnWork, bytes: number): Once => works[work](bytes);
