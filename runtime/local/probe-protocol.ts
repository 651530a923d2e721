/** What a probe is told and answers: a device process that only measures. */
import type { Element } from '../../ir/type.ts';

export type ProbeTensor = {
  readonly name: string;
  readonly element: Element;
  readonly dims: readonly number[];
};

/** An ONNX file to be timed, and what it is fed with. */
export type Trial = {
  readonly file: Uint8Array;
  readonly inputs: readonly ProbeTensor[];
  readonly outputs: readonly ProbeTensor[];
  /** Seconds after which no further run begins. */
  readonly seconds: number;
  /** What a device does around each instruction counts too. */
  readonly around?: true;
};

/** Answered with a number: seconds, or bytes. */
export type ProbeOrder =
  | {
      readonly do: 'open';
      readonly folder: string;
      readonly rank: number;
      readonly size: number;
      threads: number;
    }
  | { readonly do: 'connect' }
  /** Seconds of one run: a quarter of the runs were faster. */
  | { readonly do: 'time'; readonly trial: Trial }
  /** Seconds of a copy of so many bytes in memory. */
  | { readonly do: 'copy'; readonly bytes: number }
  /** Seconds in which this probe and another give each other so many bytes. */
  | { readonly do: 'trade'; readonly peer: number; readonly bytes: number }
  /** Bytes of the process before it has any work. */
  | { readonly do: 'resident' };

export type ProbeReport =
  | { readonly ok: true; readonly value: number }
  | { readonly ok: false; readonly reason: string };
