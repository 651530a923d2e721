/** A plan in numbers: what `--json` gives and the tables show. The keys are stable. */
import { at, extents, length } from '../ir/box.ts';
import { forwardFlops, parameterCount, reducedBytes, roleBytesMoved, roleFlops } from '../ir/cost.ts';
import { extentOf, modelTypes, receptiveField } from '../ir/intervals.ts';
import type { Plan, Role } from '../ir/plan.ts';
import { stagesOf, tilesOf } from '../ir/schedule.ts';
import { tiledExtents } from '../ir/tiling.ts';
import { trafficOf } from '../ir/traffic.ts';
import { product } from '../ir/type.ts';

export type RoleSummary = {
  readonly name: string;
  /** Tiles of one replica that have this role. */
  readonly tiles: number;
  /** Cells of the output that a tile owns, an axis; the smallest and the largest are alike in a role. */
  readonly owns: readonly number[];
  /** Cells of the image that it reads, an axis. */
  readonly reads: readonly number[];
  /** Cells beyond its own that it reads on each side of each axis. */
  readonly margins: readonly (readonly [number, number])[];
  readonly flops: number;
  readonly bytesMoved: number;
  readonly peakBytes: number;
};

export type Summary = ReturnType<typeof summarize>;

export function summarize(plan: Plan) {
  const { model, schedule } = plan;
  const roles = plan.roles.map((role) => summarizeRole(plan, role));
  const image = model.inputs.find(({ source }) => source.from === 'image');
  const [output] = model.outputs;
  return {
    model: {
      name: model.name,
      parameters: parameterCount(model),
      ops: model.ops.length,
      forwardFlops: forwardFlops(model),
      receptiveField: image && output ? receptiveField(model, output.value, image.name) : [],
    },
    schedule: {
      devices: schedule.devices,
      replicas: schedule.replicas,
      tiles: tilesOf(schedule),
      stream: schedule.stream,
      stages: stagesOf(schedule),
      folded: schedule.chunks.length > stagesOf(schedule),
      microBatches: schedule.microBatches,
      order: schedule.order,
      haloExchanges: schedule.exchanges.length,
      recomputed: schedule.drop,
      strips: schedule.strips.length,
    },
    predicted: {
      peakBytes: Math.max(...roles.map(({ peakBytes }) => peakBytes)),
      /** What the busiest device puts into sums. */
      communicationBytes: Math.max(...plan.roles.map(reducedBytes)),
      /** What all devices send each other in a step, by kind. */
      traffic: trafficOf(plan),
      flops: roles.reduce((sum, { flops, tiles }) => sum + flops * tiles, 0) * schedule.replicas,
    },
    roles,
  };
}

function summarizeRole(plan: Plan, role: Role): RoleSummary {
  const image = plan.model.inputs.find(({ source }) => source.from === 'image')?.name ?? '';
  const window = role.buffers.find(({ value }) => value === image)?.box ?? [];
  const counts = plan.axes.map(
    ({ classes }, axis) => classes.filter((c) => c === at(role.classes, axis)).length,
  );
  const owns = plan.axes.map(({ cuts, classes }, axis) => {
    const tile = classes.indexOf(at(role.classes, axis));
    return at(cuts, tile + 1) - at(cuts, tile);
  });
  return {
    name: role.name,
    tiles: product(counts),
    owns,
    reads: extents(window),
    margins: window.map((r, axis) => {
      const lo = borderOf(plan, image, axis) - r.from;
      return [lo, length(r) - lo - at(owns, axis)] as const;
    }),
    flops: roleFlops(plan, role),
    bytesMoved: roleBytesMoved(plan, role),
    peakBytes: role.peakBytes,
  };
}

/** Cells of the image before the first cell of the result: what convolutions without padding cut off. */
function borderOf({ model }: Plan, image: string, axis: number): number {
  const [extent, result] = [modelTypes(model).get(image), tiledExtents(model)];
  return Math.max(0, Math.floor((extentOf(extent, axis) - at(result, axis)) / 2));
}
