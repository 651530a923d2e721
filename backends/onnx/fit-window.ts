/**
 * Pads as ONNX takes them. A role's pads are negative where a box holds cells that no window reads; ONNX
 * Runtime takes no negative pads, so those cells are left to the rounding of the stride, or cut off.
 */
import { at } from '../../ir/box.ts';
import type { Sides, Window } from '../../ir/ops/attributes.ts';
import { reach } from '../../ir/ops/windows.ts';
import type { Builder } from './builder.ts';
import { cropSpace, positive } from './formulas.ts';

type PaddedWindow = Window & { readonly pad: readonly Sides[]; readonly dilation?: readonly number[] };

/** What to cut off the input so that the remaining pads are not negative and the windows stay the same. */
const surplus = (window: PaddedWindow, extent: readonly number[]): Sides[] =>
  window.pad.map(([lo, hi], axis): Sides => {
    const room = at(extent, axis) + lo + hi - reach(window, axis);
    const unread = at(window.stride, axis) - 1 - (room % at(window.stride, axis));
    return [Math.max(0, -lo), -hi <= unread ? 0 : -hi];
  });

export type Fitted = { readonly x: string; readonly pad: readonly Sides[]; readonly cut: readonly Sides[] };

/** The pads that are left of a window over cells of `extent`, and what must be cut off these. */
export const fittedPads = (extent: readonly number[], window: PaddedWindow): Omit<Fitted, 'x'> => ({
  pad: positive(window.pad),
  cut: surplus(window, extent),
});

/** `x`, of `extent`, with surplus cells cut off, the pads that are left, and what was cut. */
export function fitWindow(g: Builder, x: string, extent: readonly number[], window: PaddedWindow): Fitted {
  const fitted = fittedPads(extent, window);
  return { x: cropSpace(g, x, extent, fitted.cut), ...fitted };
}
