/** What a curve of the page shows: of which figures, on which axes. */
export type CurveAxis = {
  readonly title: string;
  readonly show: 'seconds' | 'bytes' | 'share' | 'whole' | 'number';
  readonly log?: boolean;
  /** From 0 on. */
  readonly zero?: boolean;
  readonly most?: number;
};

export type CurveSeries = {
  readonly name: string;
  /** Keys of lists, or of one number each; `*` stands for all of a list: `scaling.*.devices`. */
  readonly x: string;
  readonly y: string;
  /** A colour of the style sheet. */
  readonly paint: string;
  readonly marked?: boolean;
  readonly dashed?: boolean;
  /** Each value holds until the next. */
  readonly stepped?: boolean;
};

export type CurveSpec = {
  readonly x: CurveAxis;
  readonly y: CurveAxis;
  readonly series: readonly CurveSeries[];
  /** Pixels at most. */
  readonly width?: number;
};
