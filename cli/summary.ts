/** A plan in numbers: what `--json` gives and the tables show. The keys are stable. */
import { at, extents, length } from '../ir/box.ts';
import { aliveAt, bytesByKind, type Content, type ContentKind, memoryOf } from '../ir/contents.ts';
import { forwardFlops, parameterCount, reducedBytes, roleBytesMoved, roleFlops } from '../ir/cost.ts';
import { extentOf, modelTypes, receptiveField } from '../ir/intervals.ts';
import type { Model } from '../ir/model.ts';
import type { Plan, Role } from '../ir/plan.ts';
import { stagesOf, tilesOf } from '../ir/schedule.ts';
import { instructionInWords } from '../ir/text/instruction-words.ts';
import { repeatsAfter, tiledExtents } from '../ir/tiling.ts';
import { trafficOf } from '../ir/traffic.ts';
import { product } from '../ir/type.ts';

export type RoleSummary = {
  readonly name: string;
  readonly stage: number;
  /** Tiles of one replica that have this role. */
  readonly tiles: number;
  /** Devices of all replicas that have it. */
  readonly devices: number;
  /** Cells of the output that a tile owns, an axis; the smallest and the largest are alike in a role. */
  readonly owns: readonly number[];
  /** Cells of the image that it reads, an axis. */
  readonly reads: readonly number[];
  /** Cells beyond its own that it reads on each side of each axis. */
  readonly margins: readonly (readonly [number, number])[];
  readonly flops: number;
  readonly bytesMoved: number;
  readonly peakBytes: number;
  /** The moment of the peak, and what is alive then. */
  readonly peak: {
    /** Index of the instruction of the role. */
    readonly instruction: number;
    readonly what: string;
    readonly bytes: Readonly<Record<ContentKind, number>>;
    /** The largest of what is alive. */
    readonly largest: readonly Content[];
  };
};

export type Summary = ReturnType<typeof summarize>;

export function summarizeModel(model: Model) {
  const image = model.inputs.find(({ source }) => source.from === 'image');
  const [output] = model.outputs;
  return {
    name: model.name,
    parameters: parameterCount(model),
    ops: model.ops.length,
    forwardFlops: forwardFlops(model),
    receptiveField:
      image && output ? receptiveField(model, output.value, image.name, repeatsAfter(model)) : [],
  };
}

export function summarize(plan: Plan) {
  const { model, schedule } = plan;
  const figures = figuresOf(plan);
  const roles = plan.roles.map((role) => summarizeRole(plan, role, figures));
  return {
    purpose: plan.purpose,
    model: summarizeModel(model),
    schedule: {
      devices: schedule.devices,
      replicas: schedule.replicas,
      tiles: tilesOf(schedule),
      stream: schedule.stream,
      stages: stagesOf(schedule),
      folded: schedule.chunks.length > stagesOf(schedule),
      microBatches: schedule.microBatches,
      /** Samples of a step, and of one micro-batch of one replica. */
      batch: model.training?.batch ?? 1,
      samples: plan.samples,
      order: schedule.order,
      haloExchanges: schedule.exchanges.length,
      exchanges: schedule.exchanges,
      buckets: schedule.buckets ?? 1,
      recomputed: schedule.drop,
      lean: schedule.lean ?? [],
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

/** What is known of any role of a plan. */
const figuresOf = (plan: Plan) => ({ flops: roleFlops(plan), bytesMoved: roleBytesMoved(plan) });

type Figures = ReturnType<typeof figuresOf>;

function summarizeRole(plan: Plan, role: Role, figures: Figures): RoleSummary {
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
    stage: role.stage,
    tiles: product(counts),
    devices: product(counts) * plan.schedule.replicas,
    owns,
    reads: extents(window),
    margins: window.map((r, axis) => {
      const lo = borderOf(plan, image, axis) - r.from;
      return [lo, length(r) - lo - at(owns, axis)] as const;
    }),
    flops: figures.flops(role),
    bytesMoved: figures.bytesMoved(role),
    peakBytes: role.peakBytes,
    peak: peakOf(plan, role),
  };
}

/** How many of the largest things are named. */
const shownOfPeak = 8;

function peakOf(plan: Plan, role: Role): RoleSummary['peak'] {
  const memory = memoryOf(plan, role);
  const instruction = Math.max(0, memory.indexOf(Math.max(...memory)));
  const one = role.instructions[instruction];
  const alive = aliveAt(plan, role, instruction);
  return {
    instruction,
    what: one === undefined ? '' : instructionInWords(one),
    bytes: bytesByKind(alive),
    largest: alive.slice(0, shownOfPeak),
  };
}

/** Cells of the image before the first cell of the result: what convolutions without padding cut off. */
function borderOf({ model }: Plan, image: string, axis: number): number {
  const [extent, result] = [modelTypes(model).get(image), tiledExtents(model)];
  return Math.max(0, Math.floor((extentOf(extent, axis) - at(result, axis)) / 2));
}
