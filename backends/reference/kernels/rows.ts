/**
 * The two inner loops of all convolutions. Both go along rows of cells, with two results and four sources at
 * a time, so that each load serves several products. (`?? 0` never acts: indices are inside. It is how the
 * type checker is told, and the compiled loop does not contain it.)
 */

/** Rows that sums are made of: row k begins at `origin + offsets[k]` and takes every `stride`-th element. */
export type Rows = {
  readonly values: Float64Array;
  /** A multiple of 4 of them; spare ones are repeated, with coefficients 0. */
  readonly offsets: Int32Array;
  readonly stride: number;
};

/**
 * first[p] += Σ_k a[k] row_k[p] and second[p] += Σ_k b[k] row_k[p] for `0 <= p < length`; `coefficients`
 * holds a[0], b[0], a[1], b[1], ... from index `from` on.
 */
export function addScaledRows(
  first: Float64Array,
  second: Float64Array,
  length: number,
  { values, offsets, stride }: Rows,
  origin: number,
  coefficients: Float64Array,
  from: number,
): void {
  for (let k = 0; k < offsets.length; k += 4) {
    const c = from + 2 * k;
    const a0 = coefficients[c] ?? 0;
    const b0 = coefficients[c + 1] ?? 0;
    const a1 = coefficients[c + 2] ?? 0;
    const b1 = coefficients[c + 3] ?? 0;
    const a2 = coefficients[c + 4] ?? 0;
    const b2 = coefficients[c + 5] ?? 0;
    const a3 = coefficients[c + 6] ?? 0;
    const b3 = coefficients[c + 7] ?? 0;
    let i0 = origin + (offsets[k] ?? 0);
    let i1 = origin + (offsets[k + 1] ?? 0);
    let i2 = origin + (offsets[k + 2] ?? 0);
    let i3 = origin + (offsets[k + 3] ?? 0);
    for (let p = 0; p < length; p++) {
      const x0 = values[i0] ?? 0;
      const x1 = values[i1] ?? 0;
      const x2 = values[i2] ?? 0;
      const x3 = values[i3] ?? 0;
      first[p] = (first[p] ?? 0) + a0 * x0 + a1 * x1 + a2 * x2 + a3 * x3;
      second[p] = (second[p] ?? 0) + b0 * x0 + b1 * x1 + b2 * x2 + b3 * x3;
      i0 += stride;
      i1 += stride;
      i2 += stride;
      i3 += stride;
    }
  }
}

/**
 * sums[2 k] += row_k · first and sums[2 k + 1] += row_k · second over `length` elements, where `first` and
 * `second` are the rows of `factors` that begin at those indices.
 */
export function addProductsOfRows(
  sums: Float64Array,
  factors: Float64Array,
  first: number,
  second: number,
  length: number,
  { values, offsets, stride }: Rows,
  origin: number,
): void {
  for (let k = 0; k < offsets.length; k += 4) {
    let i0 = origin + (offsets[k] ?? 0);
    let i1 = origin + (offsets[k + 1] ?? 0);
    let i2 = origin + (offsets[k + 2] ?? 0);
    let i3 = origin + (offsets[k + 3] ?? 0);
    let a0 = 0;
    let b0 = 0;
    let a1 = 0;
    let b1 = 0;
    let a2 = 0;
    let b2 = 0;
    let a3 = 0;
    let b3 = 0;
    for (let p = 0; p < length; p++) {
      const f = factors[first + p] ?? 0;
      const s = factors[second + p] ?? 0;
      const x0 = values[i0] ?? 0;
      const x1 = values[i1] ?? 0;
      const x2 = values[i2] ?? 0;
      const x3 = values[i3] ?? 0;
      a0 += f * x0;
      b0 += s * x0;
      a1 += f * x1;
      b1 += s * x1;
      a2 += f * x2;
      b2 += s * x2;
      a3 += f * x3;
      b3 += s * x3;
      i0 += stride;
      i1 += stride;
      i2 += stride;
      i3 += stride;
    }
    const at = 2 * k;
    sums[at] = (sums[at] ?? 0) + a0;
    sums[at + 1] = (sums[at + 1] ?? 0) + b0;
    sums[at + 2] = (sums[at + 2] ?? 0) + a1;
    sums[at + 3] = (sums[at + 3] ?? 0) + b1;
    sums[at + 4] = (sums[at + 4] ?? 0) + a2;
    sums[at + 5] = (sums[at + 5] ?? 0) + b2;
    sums[at + 6] = (sums[at + 6] ?? 0) + a3;
    sums[at + 7] = (sums[at + 7] ?? 0) + b3;
  }
}
