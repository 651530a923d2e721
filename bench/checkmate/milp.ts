/**
 * Checkmate's mixed-integer programme of optimal recomputation, formulas (1) to (9) of Jain et al. 2020 with stages
 * that each compute one node for the first time, written in LP format for `highs`.
 *
 * R[t,i]: stage t computes node i; S[t,i]: its value is there when stage t begins; F[t,i,k]: stage t frees the value
 * of i after computing k; U[t,k]: bytes there while stage t computes k.
 */
import highsModule, { type HighsSolution } from 'highs';
import { at } from '../../ir/box.ts';
import { type NodeGraph, secondsOf } from './graph.ts';

export function lpOf(graph: NodeGraph, budget: number): string {
  const { nodes } = graph;
  const lines: string[] = [];
  const stages = nodes.length;
  const unit = secondsOf(graph);
  // Bytes and seconds as shares, so that numbers are of one size.
  const cost = (i: number) => (100 * at(nodes, i).seconds) / unit;
  const size = (i: number) => (100 * at(nodes, i).bytes) / budget;
  const readers = nodes.map((_node, i) => nodes.flatMap(({ reads }, j) => (reads.includes(i) ? [j] : [])));
  const binaries: string[] = [];
  const fixed = (t: number, i: number) => i === t;
  const R = (t: number, i: number) => `R${t}_${i}`;
  const S = (t: number, i: number) => `S${t}_${i}`;
  const F = (t: number, i: number, k: number) => `F${t}_${i}_${k}`;
  const U = (t: number, k: number) => `U${t}_${k}`;
  const term = (factor: number, name: string) => `${factor < 0 ? '-' : '+'} ${Math.abs(factor)} ${name}`;
  let row = 0;
  const constrain = (terms: readonly string[], relation: string, value: number) =>
    lines.push(`c${row++}: ${terms.join(' ')} ${relation} ${value}`);
  const objective: string[] = [];
  for (let t = 0; t < stages; t++) {
    for (let i = 0; i <= t; i++) {
      objective.push(term(cost(i), R(t, i)));
      if (fixed(t, i)) constrain([term(1, R(t, i))], '=', 1);
      else {
        binaries.push(R(t, i), S(t, i));
        const before = [term(-1, R(t - 1, i)), ...(i < t - 1 ? [term(-1, S(t - 1, i))] : [])];
        constrain([term(1, S(t, i)), ...before], '<=', 0);
      }
      for (const read of at(nodes, i).reads)
        constrain([term(1, R(t, i)), term(-1, R(t, read)), term(-1, S(t, read))], '<=', 0);
    }
    memoryRows(t);
  }
  function memoryRows(t: number): void {
    const kept = Array.from({ length: t }, (_, i) => term(-size(i), S(t, i)));
    constrain([term(1, U(t, 0)), ...kept, term(-size(0), R(t, 0))], '=', 0);
    for (let k = 0; k <= t; k++) {
      const freeable = [...new Set([...at(nodes, k).reads, k])].filter((i) => i <= t);
      for (const i of freeable) frees(t, i, k);
      if (k < t) {
        const freed = freeable.map((i) => term(size(i), F(t, i, k)));
        constrain(
          [term(1, U(t, k + 1)), term(-1, U(t, k)), ...freed, term(-size(k + 1), R(t, k + 1))],
          '=',
          0,
        );
      }
    }
  }
  /** A value is freed after k exactly if k is computed, no later node of the stage reads it, and it is not kept. */
  function frees(t: number, i: number, k: number): void {
    const later = at(readers, i).filter((j) => j > k && j <= t);
    const keeps = t + 1 < stages && i < t + 1 ? [term(1, S(t + 1, i))] : [];
    const hazards = [term(-1, R(t, k)), ...keeps, ...later.map((j) => term(1, R(t, j)))];
    const most = hazards.length;
    binaries.push(F(t, i, k));
    // 1 - F <= 1 - R + ...  and  most * (1 - F) >= 1 - R + ...
    constrain([term(1, F(t, i, k)), ...hazards], '>=', 0);
    constrain([term(most, F(t, i, k)), ...hazards], '<=', most - 1);
  }
  const bounds: string[] = [];
  for (let t = 0; t < stages; t++) for (let k = 0; k <= t; k++) bounds.push(`0 <= ${U(t, k)} <= 100`);
  return [
    'Minimize',
    ` obj: ${objective.join('\n ')}`,
    'Subject To',
    ...lines.map((line) => ` ${line}`),
    'Bounds',
    ...bounds.map((line) => ` ${line}`),
    'Binary',
    ...[...binaries, ...Array.from({ length: stages }, (_, t) => R(t, t))].map((name) => ` ${name}`),
    'End',
    '',
  ].join('\n');
}

export type Answer =
  /** Share of the seconds of all nodes once that is added. */
  | { readonly status: 'solved'; readonly overhead: number; readonly elapsed: number }
  | { readonly status: 'infeasible' | 'no answer'; readonly elapsed: number };

// What is imported is the function itself; its types are written for `require`, where it is the member `default`.
const load = highsModule as unknown as typeof highsModule.default;

/** Solves to a relative gap of 1 %. */
export async function solve(graph: NodeGraph, budget: number, limit: number): Promise<Answer> {
  const highs = await load();
  const text = lpOf(graph, budget);
  const begin = performance.now();
  const solution: HighsSolution = highs.solve(text, { mip_rel_gap: 0.01, time_limit: limit });
  const elapsed = (performance.now() - begin) / 1000;
  if (solution.Status === 'Optimal')
    return { status: 'solved', overhead: solution.ObjectiveValue / 100 - 1, elapsed };
  return { status: solution.Status === 'Infeasible' ? 'infeasible' : 'no answer', elapsed };
}
