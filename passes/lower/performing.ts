/** The work of a part of a step, task by task: what it needs comes, segments run, devices meet. */
import { at } from '../../ir/box.ts';
import type { Op } from '../../ir/graph.ts';
import type { Instruction } from '../../ir/plan.ts';
import { gridOf } from '../../ir/schedule.ts';
import { product } from '../../ir/type.ts';
import { isNothing } from './alike.ts';
import { bufferOf, nameIn, ofPart, type Scene, type Step } from './making.ts';
import type { Task, Work } from './tasks.ts';

type Needing = Pick<Work, 'needs' | 'phase'>;

/** Loads, draws and receives what a work needs and this device does not have yet. */
export function provide(step: Step, scene: Scene, work: Needing): void {
  const { script, sources } = step;
  const { micro } = scene;
  for (const name of work.needs) {
    const from = sources.get(name);
    const into = () => bufferOf(step, scene, name);
    if (from === undefined) receive(step, scene, work, name);
    else if (from === 'image' && isFirst(step, scene, name))
      script.do({ do: 'load', source: name, micro, into: into() });
    else if ((from === 'mask' || from === 'corners') && isFirst(step, scene, name))
      script.do({ do: 'draw', source: name, micro, into: into() });
  }
}

/** Whether this stage has not loaded or drawn an input for this part before. */
const isFirst = (step: Step, scene: Scene, name: string): boolean =>
  !step.script.writes(nameIn(step, scene, name));

function receive(step: Step, scene: Scene, work: Needing, name: string): void {
  const maker = scene.split.makers.get(name);
  // A parameter, or a value that the backward pass makes later.
  if (maker === undefined || (work.phase === 'forward' && maker.phase === 'backward')) return;
  const stage = at(step.stages, maker.chunk);
  if (stage === step.stage || step.script.writes(ofPart(step, name, scene.micro, scene.share))) return;
  step.script.do({ do: 'receive', name, micro: scene.micro, stage, into: bufferOf(step, scene, name) });
}

/** Runs the segment of a task, or meets. */
export function perform(step: Step, scene: Scene, task: Task): void {
  const { script, segments } = step;
  const { micro } = scene;
  for (const name of task.writes) scene.written.add(name);
  if (task.kind === 'meet') {
    script.do(meeting(step, scene, task.op), { share: scene.share, task });
    return;
  }
  const segment = segments.named(task.why, task.graph);
  const reads = task.reads.map((name) => bufferOf(step, scene, name));
  const writes = task.writes.map((name) => bufferOf(step, scene, name));
  const run = { do: 'run', segment: segment.name, why: task.why, micro, reads, writes } as const;
  script.do(run, { share: scene.share, task });
}

function meeting(step: Step, scene: Scene, op: Op): Instruction {
  const { micro } = scene;
  const buffer = (name: string) => bufferOf(step, scene, name);
  const into = () => buffer(op.output);
  const from = () => buffer(at(op.inputs, 0));
  switch (op.kind) {
    case 'exchange': {
      const { value, back, keeps, sends, receives } = op.attrs;
      return {
        do: 'exchange',
        name: op.output,
        value,
        back,
        micro,
        ...(op.inputs.length === 0 ? {} : { from: from() }),
        ...(isNothing(op) ? {} : { into: into() }),
        ...(keeps.length === 0 ? {} : { keeps }),
        sends,
        receives,
      };
    }
    case 'paste': {
      const into = bufferOf(step, scene, op.attrs.into, op.type);
      const first = op.inputs.length === 1;
      return { do: op.attrs.extent.length > 0 ? 'paste' : 'accumulate', from: from(), into, first };
    }
    case 'all_gather':
    case 'reduce_scatter':
      return { do: op.kind, over: op.attrs.over, micro, from: from(), into: into() };
    default:
      throw new Error(`${op.kind} is no meeting`);
  }
}

/** Sums buffers over the devices of a group, where there are several. */
export function reduceOver(
  { script, schedule }: Step,
  over: 'grid' | 'stage',
  buffers: readonly string[],
): void {
  const devices = product(gridOf(schedule)) * (over === 'grid' ? 1 : schedule.replicas);
  if (devices > 1 && buffers.length > 0) script.do({ do: 'all_reduce', over, micro: 0, buffers });
}
