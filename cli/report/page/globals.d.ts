/** What the scripts of the page find there: the library of the charts, and the data (`cli/report/time-spec.ts`). */
declare const uPlot: typeof import('uplot');

type Plot = InstanceType<typeof uPlot>;
type PlotOptions = import('uplot').Options;

type TimedEvent = import('../time-spec.ts').TimedEvent;
type TimedRole = import('../time-spec.ts').TimedRole;
type TimeData = import('../time-spec.ts').TimeData;

type ChartStyle = {
  readonly width: number;
  readonly besides: number;
  readonly axis: import('uplot').Axis;
  readonly time: import('uplot').Axis;
};

type CurveAxis = import('../curve-spec.ts').CurveAxis;
type CurveSpec = import('../curve-spec.ts').CurveSpec;

/** A lane of a role: a row of the time line. */
type Row = { readonly role: number; readonly lane: number; readonly events: readonly TimedEvent[] };
