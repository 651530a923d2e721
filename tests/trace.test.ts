/** Traces of simulated steps: what Perfetto asks of the format, and the same figures as the plan's. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { linkKinds, topologyOf } from '../backends/simulator/link-traffic.ts';
import { simulate } from '../backends/simulator/simulate.ts';
import { type Trace, type TraceEvent, traceOf } from '../backends/simulator/trace.ts';
import { trafficOf } from '../ir/traffic.ts';
import { anyCases } from './support/law-cases.ts';
import { roundMachine } from './support/machines.ts';

const local = { ...roundMachine, launcher: 'local' } as const;

const plans = [1, 2].flatMap((rank) => [...anyCases(rank, 20, 31 + rank)].map(({ plan }) => plan));

const cases = [roundMachine, local].flatMap((machine) =>
  plans.map((plan) => {
    const simulation = simulate(plan, machine);
    // As a file holds it.
    const trace: Trace = JSON.parse(JSON.stringify(traceOf(plan, machine.name, simulation)));
    return { plan, simulation, trace };
  }),
);

/** Microseconds; Perfetto counts nanoseconds. */
const close = (a: number, b: number): boolean => Math.abs(a - b) < 1e-4;

type Of<P extends TraceEvent['ph']> = Extract<TraceEvent, { ph: P }>;

const ofPhase = <P extends TraceEvent['ph']>({ traceEvents }: Trace, phase: P): Of<P>[] =>
  traceEvents.filter((event): event is Of<P> => event.ph === phase);

const threadOf = ({ pid, tid }: TraceEvent): string => `${pid} ${tid}`;

test('every event has what its phase needs', () => {
  for (const { trace } of cases) {
    assert.is(trace.displayTimeUnit, 'ms');
    for (const event of trace.traceEvents) {
      assert.ok(event.name.length > 0 && Number.isInteger(event.pid) && Number.isInteger(event.tid));
      if (event.ph !== 'M') assert.ok(Number.isFinite(event.ts) && event.ts >= 0, event.name);
      if (event.ph === 'X') assert.ok(Number.isFinite(event.dur) && event.dur >= 0, event.name);
      if (event.ph === 'C') assert.ok(Number.isSafeInteger(event.args.bytes), event.name);
    }
  }
});

test('every process and thread in use has a name, once', () => {
  for (const { trace } of cases) {
    const named = (what: string) =>
      ofPhase(trace, 'M').flatMap((event) => (event.name === what ? [threadOf(event)] : []));
    for (const what of ['process_name', 'thread_name'])
      assert.is(new Set(named(what)).size, named(what).length);
    const processes = named('process_name').map((thread) => thread.split(' ')[0]);
    for (const event of ofPhase(trace, 'X')) {
      assert.ok(named('thread_name').includes(threadOf(event)), threadOf(event));
      assert.ok(processes.includes(String(event.pid)));
    }
  }
});

test('slices of one thread do not overlap', () => {
  for (const { trace } of cases) {
    const ends = new Map<string, number>();
    for (const slice of ofPhase(trace, 'X').toSorted((a, b) => a.ts - b.ts || a.dur - b.dur)) {
      const before = ends.get(threadOf(slice)) ?? 0;
      assert.ok(slice.ts > before - 1e-4, slice.name);
      ends.set(threadOf(slice), slice.ts + slice.dur);
    }
  }
});

test('arrows have two ends, each in a slice, and none goes back in time', () => {
  let seen = 0;
  for (const { trace } of cases) {
    const slices = ofPhase(trace, 'X');
    const ends = new Map(ofPhase(trace, 'f').map((event) => [event.id, event]));
    const starts = ofPhase(trace, 's');
    assert.is(starts.length, ends.size);
    assert.is(new Set(starts.map(({ id }) => id)).size, starts.length);
    for (const start of starts) {
      const end = ends.get(start.id);
      assert.ok(end !== undefined && end.bp === 'e' && end.ts >= start.ts);
      for (const one of [start, end])
        assert.ok(
          slices.some((slice) => isAt(one, slice)),
          threadOf(one),
        );
    }
    seen += starts.length;
  }
  assert.ok(seen > 100);
});

/** Whether an end of an arrow lies in a slice. */
const isAt = (one: Of<'s'> | Of<'f'>, { pid, tid, ts, dur }: Of<'X'>): boolean =>
  one.pid === pid && one.tid === tid && one.ts >= ts && one.ts <= ts + dur + 1e-4;

test('a message between stages has its arrow', () => {
  for (const { plan, trace } of cases) {
    const receives = plan.roles.flatMap(({ instructions }, role) =>
      instructions.flatMap((one, index) => (one.do === 'receive' ? [{ pid: role + 1, index }] : [])),
    );
    for (const { pid, index } of receives) {
      const slice = ofPhase(trace, 'X').find(
        (one) => one.pid === pid && one.args.instruction === index && one.cat === 'send',
      );
      assert.ok(slice !== undefined);
      const arrow = ofPhase(trace, 'f').find((one) => isAt(one, slice));
      assert.ok(arrow !== undefined, slice.name);
    }
  }
});

const working = ['sweep', 'forward', 'backward', 'step', 'recompute', 'strip', 'update', 'other'];

test("the busiest device's time reads back as the plan's, and so does every kind of work", () => {
  for (const { trace, simulation } of cases) {
    const of = (pid: number, kinds: readonly string[]) =>
      ofPhase(trace, 'X').reduce(
        (sum, slice) =>
          sum + (slice.pid === pid && slice.tid < 100 && kinds.includes(slice.cat) ? slice.dur : 0),
        0,
      );
    const busiest = Math.max(...simulation.roles.map((_, index) => of(index + 1, working)));
    const expected = simulation.roles.map(({ seconds }) =>
      working.reduce((sum, kind) => sum + seconds[kind as keyof typeof seconds], 0),
    );
    assert.ok(close(busiest, 1e6 * Math.max(...expected)), `${busiest}`);
    for (const [index, { seconds }] of simulation.roles.entries())
      for (const kind of working)
        assert.ok(close(of(index + 1, [kind]), 1e6 * seconds[kind as keyof typeof seconds]), kind);
  }
});

test("the peak reads back as the plan's, and the last slice ends within the step", () => {
  for (const { plan, trace, simulation } of cases) {
    const peaks = plan.roles.map((_, index) =>
      Math.max(...ofPhase(trace, 'C').flatMap((one) => (one.pid === index + 1 ? [one.args.bytes] : []))),
    );
    assert.equal(
      peaks,
      plan.roles.map(({ peakBytes }) => peakBytes),
    );
    const last = Math.max(...ofPhase(trace, 'X').map(({ ts, dur }) => ts + dur));
    assert.ok(last <= 1e6 * simulation.stepSeconds + 1e-4);
    for (const one of ofPhase(trace, 'C')) assert.ok(one.ts <= 1e6 * simulation.stepSeconds + 1e-4);
  }
});

test('messages by link add up to those of the plan', () => {
  for (const { plan } of cases) {
    const [topology, traffic] = [topologyOf(plan, roundMachine), trafficOf(plan)];
    for (const kind of linkKinds) {
      const sum = (of: 'messages' | 'bytes') =>
        topology.links.reduce((total, { given }) => total + given[kind][of], 0);
      assert.is(sum('messages'), traffic[kind].messages, kind);
      assert.is(sum('bytes'), traffic[kind].bytes, kind);
    }
    const network = topology.links.find(({ link }) => link === roundMachine.network);
    assert.is(
      topology.leaving.reduce((sum, one) => sum + one, 0),
      linkKinds.reduce((sum, kind) => sum + (network?.given[kind].bytes ?? 0), 0),
    );
  }
});

test.run();
