import { type Graph, sameGraphs } from '../../ir/graph.ts';
import type { WorkspaceOf } from '../../ir/liveness.ts';
import type { Segment } from '../../ir/plan.ts';

/** Segments by content: whoever runs the same graph on as many samples shares one. */
export class Segments {
  /** Micro-batches and stages run the same graph again and again: its content need not be told anew. */
  private readonly byGraph = new Map<Graph, Segment>();
  private readonly segments: Segment[] = [];
  /** By the names in its graph: who has others has another graph. */
  private readonly byNames = new Map<string, Segment[]>();
  private readonly counts = new Map<string, number>();
  private readonly samples: number;

  private readonly workspaceOf: WorkspaceOf;

  constructor(samples: number, workspaceOf: WorkspaceOf) {
    this.samples = samples;
    this.workspaceOf = workspaceOf;
  }

  named(stem: string, graph: Graph): Segment {
    const known = this.byGraph.get(graph) ?? this.byItsContent(stem, graph);
    this.byGraph.set(graph, known);
    return known;
  }

  private byItsContent(stem: string, graph: Graph): Segment {
    const names = `${graph.ops.length} ${graph.ops[0]?.output} ${graph.outputs.join()}`;
    const alike = this.byNames.get(names) ?? [];
    const known = alike.find((segment) => sameGraphs(segment.graph, graph));
    if (known !== undefined) return known;
    const count = this.counts.get(stem) ?? 0;
    this.counts.set(stem, count + 1);
    const { bytes, heap, cleared } = this.workspaceOf(graph, this.samples);
    const segment = {
      name: `${stem}_${count}`,
      samples: this.samples,
      graph,
      workspace: bytes,
      ...(heap > 0 ? { heap } : {}),
      ...(cleared > 0 ? { cleared } : {}),
    };
    if (alike.length === 0) this.byNames.set(names, alike);
    alike.push(segment);
    this.segments.push(segment);
    return segment;
  }

  all(): Segment[] {
    return [...this.segments];
  }
}
