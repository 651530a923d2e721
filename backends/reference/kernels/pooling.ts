/** Pooling: each window of the input gives one cell of the output. */
import type { Sides } from '../../../ir/ops/attributes.ts';
import type { ValueType } from '../../../ir/type.ts';
import {
  element,
  type Kernels,
  mapType,
  operand,
  type Three,
  threeAxes,
  threeExtents,
  zeros,
} from './kernel.ts';

type Sliding = {
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
  readonly pad?: readonly Sides[];
};

/**
 * Calls `visit(output, cells, places)` for each window: the index of its output, the indices of the cells of x that it
 * covers, in row-major order, and which places of the window these are; padding is left out. Lists are only valid
 * during the call.
 */
function eachWindow(
  attrs: Sliding,
  x: ValueType | undefined,
  y: ValueType | undefined,
  samples: number,
  visit: (output: number, cells: readonly number[], places: readonly number[]) => void,
): void {
  const [input, output] = [threeExtents(x), threeExtents(y)];
  const [kernel, stride] = [threeAxes(attrs.kernel, 1), threeAxes(attrs.stride, 1)];
  const pad = threeAxes(attrs.pad ?? [], [0, 0] as const);
  const [cells, places]: [number[], number[]] = [[], []];
  let next = 0;
  for (let plane = 0; plane < samples * mapType(x).channels; plane++)
    for (let z = 0; z < output[0]; z++)
      for (let row = 0; row < output[1]; row++)
        for (let column = 0; column < output[2]; column++) {
          const corner: Three = [
            z * stride[0] - pad[0][0],
            row * stride[1] - pad[1][0],
            column * stride[2] - pad[2][0],
          ];
          listCells(cells, places, plane, corner, kernel, input);
          visit(next++, cells, places);
        }
}

/** Fills `cells` with the indices of the cells of the window at `corner` that are inside the plane. */
function listCells(
  cells: number[],
  places: number[],
  plane: number,
  corner: Three,
  kernel: Three,
  input: Three,
): void {
  cells.length = 0;
  places.length = 0;
  for (let z = Math.max(0, corner[0]); z < Math.min(input[0], corner[0] + kernel[0]); z++)
    for (let y = Math.max(0, corner[1]); y < Math.min(input[1], corner[1] + kernel[1]); y++)
      for (let x = Math.max(0, corner[2]); x < Math.min(input[2], corner[2] + kernel[2]); x++) {
        cells.push(((plane * input[0] + z) * input[1] + y) * input[2] + x);
        places.push(((z - corner[0]) * kernel[1] + y - corner[1]) * kernel[2] + x - corner[2]);
      }
}

/** The first of the cells with the largest value; -1 where there is no cell. */
function firstMaximum(values: Float64Array, cells: readonly number[]): number {
  let best = cells[0] ?? -1;
  for (const cell of cells) if (element(values, cell) > element(values, best)) best = cell;
  return best;
}

type PoolingKind =
  | 'max_pool'
  | 'max_pool_index'
  | 'avg_pool'
  | 'max_pool_grad'
  | 'max_pool_index_grad'
  | 'avg_pool_grad';

export const poolingKernels: Kernels<PoolingKind> = {
  max_pool: (call) => {
    const y = zeros(call);
    const x = operand(call.inputs, 0);
    eachWindow(call.attrs, call.types[0], call.type, call.samples, (output, cells) => {
      const best = firstMaximum(x, cells);
      y[output] = best < 0 ? Number.NEGATIVE_INFINITY : element(x, best);
    });
    return y;
  },
  max_pool_index: (call) => {
    const index = zeros(call);
    const x = operand(call.inputs, 0);
    eachWindow(call.attrs, call.types[0], call.type, call.samples, (output, cells, places) => {
      index[output] = places[cells.indexOf(firstMaximum(x, cells))] ?? 0;
    });
    return index;
  },
  avg_pool: (call) => {
    const y = zeros(call);
    const x = operand(call.inputs, 0);
    eachWindow(call.attrs, call.types[0], call.type, call.samples, (output, cells) => {
      y[output] = cells.reduce((sum, cell) => sum + element(x, cell), 0) / cells.length;
    });
    return y;
  },
  max_pool_grad: (call) => {
    const dx = zeros(call);
    const [x, dy] = [operand(call.inputs, 0), operand(call.inputs, 2)];
    eachWindow(call.attrs, call.types[0], call.types[2], call.samples, (output, cells) => {
      const best = firstMaximum(x, cells);
      if (best >= 0) dx[best] = element(dx, best) + element(dy, output);
    });
    return dx;
  },
  max_pool_index_grad: (call) => {
    const dx = zeros(call);
    const [index, dy] = [operand(call.inputs, 0), operand(call.inputs, 1)];
    eachWindow(call.attrs, call.type, call.types[1], call.samples, (output, cells, places) => {
      const best = cells[places.indexOf(element(index, output))];
      if (best !== undefined) dx[best] = element(dx, best) + element(dy, output);
    });
    return dx;
  },
  avg_pool_grad: (call) => {
    const dx = zeros(call);
    const dy = operand(call.inputs, 0);
    eachWindow(call.attrs, call.type, call.types[0], call.samples, (output, cells) => {
      for (const cell of cells) dx[cell] = element(dx, cell) + element(dy, output) / cells.length;
    });
    return dx;
  },
};
