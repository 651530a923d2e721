/** What the scripts of the page find there: the library of the charts, and the data (`cli/report/time-data.ts`). */
declare const uPlot: typeof import('uplot');

type Plot = InstanceType<typeof uPlot>;
type PlotOptions = import('uplot').Options;

type TimedEvent = readonly [
  lane: number,
  from: number,
  to: number,
  came: number,
  activity: string,
  instruction: number,
  title: number,
  bytes: number,
  reason: number,
];

type TimedRole = {
  readonly name: string;
  readonly kind: number;
  readonly devices: number;
  readonly events: readonly TimedEvent[];
  readonly moments: readonly number[];
  readonly held: readonly number[];
};

type TimeData = {
  readonly step: number;
  readonly lanes: readonly string[];
  readonly words: readonly string[];
  readonly roles: readonly TimedRole[];
};

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
