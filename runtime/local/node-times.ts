/** Where the time of a session goes, node by node, from what ONNX Runtime writes of its runs when it is asked to. */

/** Microseconds, as ONNX Runtime writes them. */
type Event = { readonly cat: string; readonly name: string; readonly ts: number; readonly dur: number };

/** Of one run, in microseconds. A node that contains others has only what is its own. */
export type NodeTime = {
  readonly node: string;
  /** Counted from 0. */
  readonly run: number;
  readonly own: number;
  /** Since the end of the node before it, if neither lies within another. */
  readonly gap: number;
};

const kernelEnd = '_kernel_time';

const endOf = ({ ts, dur }: Event): number => ts + dur;

/** All nodes of all runs in the order in which they began. `text` is the file. */
export function nodeTimes(text: string): NodeTime[] {
  const all: Event[] = JSON.parse(text);
  const begins = all.flatMap(({ name, ts }) => (name === 'model_run' ? [ts] : [])).sort((a, b) => a - b);
  const events = all
    .filter(({ cat, name }) => cat === 'Node' && name.endsWith(kernelEnd))
    .sort((a, b) => a.ts - b.ts || b.dur - a.dur);
  const times: { node: string; run: number; own: number; gap: number }[] = [];
  const around: { event: Event; time: { own: number } }[] = [];
  let [run, last] = [-1, 0];
  for (const event of events) {
    while ((begins[run + 1] ?? Number.POSITIVE_INFINITY) <= event.ts) last = begins[++run] ?? last;
    while (around.length > 0 && endOf(around.at(-1)?.event ?? event) < endOf(event)) around.pop();
    const outer = around.at(-1);
    const time = {
      node: event.name.slice(0, -kernelEnd.length),
      run,
      own: event.dur,
      gap: outer === undefined ? Math.max(0, event.ts - last) : 0,
    };
    if (outer === undefined) last = endOf(event);
    else outer.time.own -= event.dur;
    times.push(time);
    around.push({ event, time });
  }
  return times;
}

/** The op that a node was emitted for: names of nodes begin with that of their op's result. */
export function opOf(results: ReadonlySet<string>, node: string): string | undefined {
  if (results.has(node)) return node;
  const end = node.lastIndexOf('~');
  return end < 0 ? undefined : opOf(results, node.slice(0, end));
}
