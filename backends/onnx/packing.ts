/** Blocks that come and go, each at a place of its own in one larger block, as ONNX Runtime's memory patterns lay them. */
import type { Interval } from '../../ir/liveness.ts';

type Placed = { readonly death: number; readonly from: number; readonly to: number };

/** The least gap between placed blocks (by place) that fits, else the end of them all. */
function placeFor(bytes: number, placed: readonly Placed[]): number {
  let [end, best, least] = [0, -1, Number.POSITIVE_INFINITY];
  for (const { from, to } of placed) {
    const rest = from - end - bytes;
    if (rest >= 0 && rest < least) [best, least] = [end, rest];
    end = Math.max(end, to);
  }
  return best < 0 ? end : best;
}

/**
 * Bytes of the larger block. `blocks`: in the order of their birth. Each is placed when it is born, without a look at what
 * comes (`MemPatternPlanner`).
 */
export function packedBytes(blocks: readonly Interval[]): number {
  let placed: Placed[] = [];
  let size = 0;
  for (const { birth, death, bytes } of blocks) {
    if (bytes === 0) continue;
    placed = placed.filter((other) => other.death >= birth);
    const from = placeFor(bytes, placed);
    const next = placed.findIndex((other) => other.from >= from + bytes);
    placed.splice(next < 0 ? placed.length : next, 0, { death, from, to: from + bytes });
    size = Math.max(size, from + bytes);
  }
  return size;
}
