import { typesOf } from '../../ir/graph.ts';
import type { Model } from '../../ir/model.ts';
import type { Program } from '../../ir/module.ts';
import type { Role } from '../../ir/plan.ts';
import { Script } from './script.ts';
import type { Segments } from './segments.ts';

/** One tile of a prediction: load its window, run the network, store the cells that it owns. */
export function predictionRole(model: Model, program: Program, segments: Segments, samples: number): Role {
  const { graph } = program;
  const segment = segments.named('forward', graph);
  const script = new Script(samples);
  const types = typesOf(graph);
  const buffer = (name: string) => {
    const type = types.get(name);
    if (type === undefined) throw new Error(`no value ${name}`);
    return script.buffer(name, name, type);
  };
  const parameters = new Set(model.parameters.map(({ name }) => name));
  for (const { name, type } of graph.inputs) if (parameters.has(name)) script.state(name, name, type);
  for (const { name, source } of model.inputs)
    if ((source.from === 'image' || source.from === 'corners') && types.has(name))
      script.do({
        do: source.from === 'image' ? 'load' : 'draw',
        source: name,
        micro: 0,
        into: buffer(name),
      });
  const writes = graph.outputs.map(buffer);
  const reads = graph.inputs.map(({ name }) => name);
  script.do({ do: 'run', segment: segment.name, why: 'forward', micro: 0, reads, writes });
  for (const { name, value } of model.outputs) script.do({ do: 'store', output: name, from: value });
  return {
    name: program.name.replace('tile', 'role'),
    stage: 0,
    classes: program.classes,
    ...script.finished(),
    arenaBytes: 0,
    peakBytes: 0,
  };
}
